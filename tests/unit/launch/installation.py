"""A server's data directory with its database and store, as a start prepares it, and something in all of its tables."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import sqlalchemy as sa

from auth.audit import Audit
from auth.passwords import Passwords
from auth.users import Users
from catalog import tables
from catalog.engine import Catalog, open_catalog
from catalog.rows import moved_tables, read_rows
from deployments.launch import datadir
from deployments.launch.backup import Summary
from deployments.launch.options import Options
from runtime.datasets.records import Datasets, Files, ObjectRecord
from runtime.datasets.store.base import Store

NOW = datetime(2026, 2, 3, 4, 5, 6, 789, tzinfo=UTC)

PLACES = [("sqlite", "local"), ("postgresql", "s3"), ("postgresql", "local"), ("sqlite", "s3")]
"""Databases and stores, in turn."""


class Installation:
    """A data directory with its database and store. ``start`` prepares it, as a server's first start would."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.store: Store = datadir.opened_store(options)

    @property
    def data_dir(self) -> Path:
        return self.options.data_dir

    def start(self) -> "Installation":
        datadir.make_private(self.data_dir)
        datadir.prepare(self.options)
        return self

    def catalog(self) -> Catalog:
        return open_catalog(self.options.settings.catalog_url)

    def put(self, content: bytes) -> ObjectRecord:
        path, object_id = self.store.incoming(), uuid4().hex
        path.write_bytes(content)
        self.store.commit(path, object_id)
        return ObjectRecord(object_id, len(content), 1, 1, {"é": "int64", "a": "str"})

    def dataset(self, content: bytes = b"table") -> str:
        catalog = self.catalog()
        owner = Users(catalog).list()[0].principal
        made = Datasets(catalog).create(owner.user_id, "d", "", {"z": 1, "a": [None]}, {"edges": self.put(content)})
        catalog.close()
        return made.id

    def rows(self) -> dict[str, list[dict[str, Any]]]:
        catalog = self.catalog()
        with catalog.read() as connection:
            found = {table.name: list(read_rows(connection, table)) for table in moved_tables()}
        catalog.close()
        return found

    def contents(self) -> dict[str, bytes]:
        return {found.id: self.content(found.id) for found in self.store.stored()}

    def content(self, object_id: str) -> bytes:
        with self.store.reader(object_id) as data:
            return data.read()


Install = Callable[..., Installation]


def fill(made: Installation) -> Summary:
    """At least one row in every table, and what an archive of it must say of itself."""
    catalog = made.catalog()
    people = Users(catalog, Passwords(time_cost=1, memory_cost_kib=8))
    ann, _ = people.add("ann", "long enough password").user_id, people.add("böb", "long enough password")
    datasets, files = Datasets(catalog), Files(catalog)
    table, other = made.put(b"one table" * 1000), made.put(b"")
    kept = datasets.create(ann, "kept \0 ☃", "", {"z": 2**70, "a": {"é\ud800": None}}, {"edges": table, "nodes": other})
    gone = datasets.create(ann, "gone", "", {}, {})
    datasets.delete(gone.id)
    file = files.create(ann, file_type="csv", parser_options={"sep": ";"})
    files.uploaded(file.id, made.put(b"a file"), 6)
    files.create(ann, file_type="csv")
    rows: list[tuple[sa.Table, dict[str, Any]]] = [
        (tables.personal_keys, {"id": "k", "user_id": ann, "name": "k", "secret_hash": "h", "created_at": NOW}),
        (tables.revoked_tokens, {"jti": "j", "expires_at": NOW}),
        (tables.organizations, {"id": 7, "slug": "org", "name": "Org", "created_at": NOW}),
        (tables.memberships, {"organization_id": 7, "user_id": ann, "role": "admin"}),
        (tables.groups, {"id": 3, "name": "group"}),
        (tables.group_members, {"group_id": 3, "user_id": ann}),
        (tables.flags, {"name": "f", "scope": "group", "group_id": 3, "value": False}),
        (
            tables.shares,
            {"dataset_id": kept.id, "mode": "private", "mode_action": "10", "message": "", "updated_at": NOW},
        ),
        (tables.share_invites, {"dataset_id": kept.id, "email": "b@example.com", "action": "10"}),
        (
            tables.runs,
            {"id": "r", "owner_id": ann, "dataset_id": kept.id, "engine": "pandas", "output_type": "json",
             "format": "x", "state": "ended", "created_at": NOW, "run_s": 0.1, "failure": {"message": "no"}},
        ),
    ]  # fmt: skip
    with catalog.write() as connection:
        for target, row in rows:
            connection.execute(sa.insert(target).values(row))
    audit = Audit(catalog)
    audit.append("ann", "127.0.0.1", "log_in", "", "ok", {})
    audit.close()
    catalog.close()
    assert all(made.rows().values()), "a table has no row: add one"
    return Summary(users=3, datasets=1, files=2, tables=3, byte_count=9006)
