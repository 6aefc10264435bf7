"""New catalogs. On SQLite they are copies of a migrated one, because a migration takes longer than most tests."""

import sqlite3
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

import sqlalchemy as sa

from catalog.engine import migrate, sqlite_url


def new_catalog(url: str) -> None:
    """Do what ``migrate`` does where there is no database yet. A SQLite catalog that is there stays as it is."""
    parsed = sa.make_url(url)
    if parsed.get_backend_name() != "sqlite":
        migrate(url)
        return
    path = Path(str(parsed.database))
    if path.exists():
        return
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.touch(0o600)
    path.write_bytes(_migrated())
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE identity SET catalog_id = ?", (uuid4().hex,))  # each has its own
    connection.close()


@cache
def _migrated() -> bytes:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "catalog.sqlite"
        migrate(sqlite_url(path))
        return path.read_bytes()
