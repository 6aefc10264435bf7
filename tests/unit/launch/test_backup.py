"""A backup has everything, comes back on any database and store, or not at all."""

import io
import json
import random
import tarfile
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
import sqlalchemy as sa

from auth.audit import Audit
from auth.passwords import Passwords
from auth.users import Users
from catalog import tables
from catalog.engine import Catalog, migrate, open_catalog
from catalog.rows import found_tables, moved_tables, read_rows
from deployments.launch import backup, datadir
from deployments.launch.archive import ArchiveWriter
from deployments.launch.backup import Summary, back_up, restore
from deployments.launch.errors import LaunchError
from deployments.launch.instance import Instance
from deployments.launch.options import Options, read_options
from runtime.datasets.records import Datasets, Files, ObjectRecord
from runtime.datasets.store import Store
from runtime.errors import DatasetUnreadable
from tests.postgresql_server import PostgresServer
from tests.s3_server import S3Server, write_credentials

NOW = datetime(2026, 2, 3, 4, 5, 6, 789, tzinfo=UTC)


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


@pytest.fixture
def install(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Install]:
    """``install("postgresql", "s3")``; without words, on SQLite in a directory."""
    databases: list[str] = []

    def make(database: str = "sqlite", store: str = "local") -> Installation:
        name = uuid4().hex[:8]
        environment = {"GRAPHSIDE_DATA": str(tmp_path / name), "GRAPHSIDE_ADMIN_PASSWORD": "a long pass phrase"}
        if database == "postgresql":
            server: PostgresServer = request.getfixturevalue("postgresql")
            databases.append(server.new_database())
            url_file = tmp_path / f"{name}.url"
            url_file.write_text(databases[-1])
            environment["GRAPHSIDE_DATABASE_URL_FILE"] = str(url_file)
        if store == "s3":
            s3: S3Server = request.getfixturevalue("s3")
            environment["GRAPHSIDE_STORE_URL"] = s3.new_bucket()
            environment["GRAPHSIDE_STORE_CREDENTIALS_FILE"] = str(write_credentials(tmp_path / f"{name}.keys"))
        return Installation(read_options(environment))

    yield make
    for url in databases:
        request.getfixturevalue("postgresql").drop(url)


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


PLACES = [("sqlite", "local"), ("postgresql", "s3"), ("postgresql", "local"), ("sqlite", "s3")]


@pytest.mark.parametrize(("source", "target"), [*zip(PLACES, reversed(PLACES), strict=True), (PLACES[0], PLACES[0])])
def test_every_row_and_byte_comes_back_on_another_database_and_store(
    install: Install, tmp_path: Path, source: tuple[str, str], target: tuple[str, str]
) -> None:
    there, here = install(*source).start(), install(*target)
    expected = fill(there)
    archive = tmp_path / "backup.tar"
    assert back_up(there.options, archive) == expected
    assert restore(here.options, archive) == expected
    assert here.rows() == there.rows()
    assert here.contents() == there.contents()
    old, new = there.catalog(), here.catalog()
    assert new.identity() != old.identity()
    assert Users(new).add("carl", "long enough password").user_id == 4  # ids go on after those that came
    for opened in (old, new):
        opened.close()
    assert datadir.prepare(here.options) is None  # and a start finds users, and garbage nowhere
    assert here.contents() == there.contents()


def test_the_file_is_its_owners_alone_and_has_no_keys_in_it(install: Install, tmp_path: Path) -> None:
    made = install().start()
    back_up(made.options, tmp_path / "backup.tar")
    assert (tmp_path / "backup.tar").stat().st_mode & 0o777 == 0o600
    archive = (tmp_path / "backup.tar").read_bytes()
    for secret in (made.options.settings.signing_key_file, datadir.ray_token_file(made.data_dir)):
        assert secret.read_bytes().strip() not in archive


def test_a_backup_replaces_nothing(install: Install, tmp_path: Path) -> None:
    made = install().start()
    target = tmp_path / "there"
    target.write_text("something else")
    with pytest.raises(LaunchError, match="exists already"):
        back_up(made.options, target)
    assert target.read_text() == "something else"
    with pytest.raises(LaunchError, match="is no directory"):
        back_up(made.options, tmp_path / "no" / "such" / "place")


def test_a_table_that_is_deleted_meanwhile_makes_it_start_over(
    install: Install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    there, here = install().start(), install()
    going, staying = there.dataset(b"going"), there.dataset(b"staying")
    sizes: list[str] = []
    size = type(there.store).size

    def size_after_a_deletion(store: Store, object_id: str) -> int:
        if not sizes:
            catalog = there.catalog()
            datasets = Datasets(catalog)
            datasets.delete(going)
            for gone in datasets.forget_objects(datasets.unreferenced_objects()):
                store.delete(gone)
            catalog.close()
        sizes.append(object_id)
        return size(store, object_id)

    monkeypatch.setattr(type(there.store), "size", size_after_a_deletion)
    assert back_up(there.options, tmp_path / "backup.tar").datasets == 1
    restore(here.options, tmp_path / "backup.tar")
    assert list(here.contents().values()) == [b"staying"]
    assert [row["id"] for row in here.rows()["datasets"] if row["deleted_at"] is None] == [staying]


def test_a_table_that_is_missing_for_good_is_an_error_and_leaves_no_file(install: Install, tmp_path: Path) -> None:
    made = install().start()
    made.dataset()
    (object_id,) = made.contents()
    made.store.delete(object_id)
    with pytest.raises(LaunchError, match="missing from the store"):
        back_up(made.options, tmp_path / "backup.tar")
    assert [path.name for path in tmp_path.iterdir() if "backup" in path.name] == []


def test_backups_of_a_server_at_work_are_each_one_moment_of_it(install: Install, tmp_path: Path) -> None:
    there = install().start()
    done = threading.Event()

    def work() -> None:
        catalog = there.catalog()
        datasets = Datasets(catalog)
        while not done.is_set():
            datasets.delete(there.dataset(uuid4().bytes))
            there.dataset(uuid4().bytes)
        catalog.close()

    worker = threading.Thread(target=work)
    worker.start()
    try:
        for number in range(3):
            back_up(there.options, tmp_path / f"{number}.tar")
    finally:
        done.set()
        worker.join()
    for number in range(3):
        here = install()
        restore(here.options, tmp_path / f"{number}.tar")
        assert {row["id"] for row in here.rows()["objects"]} == here.contents().keys()


@pytest.fixture
def archive(install: Install, tmp_path: Path) -> Path:
    """Of a server with one dataset."""
    made = install().start()
    made.dataset(b"a table" * 500)
    back_up(made.options, tmp_path / "backup.tar")
    return tmp_path / "backup.tar"


def refused(made: Installation, archive: Path, reason: str) -> None:
    """Restoring fails for this reason, and nothing has come of it."""
    with pytest.raises(LaunchError, match=reason) as raised:
        restore(made.options, archive)
    assert "\n" not in str(raised.value)
    assert not made.data_dir.exists()


def test_a_server_with_users_is_left_as_it_is(install: Install, archive: Path) -> None:
    made = install().start()
    before = made.rows()
    with pytest.raises(LaunchError, match="has users already"):
        restore(made.options, archive)
    assert made.rows() == before
    assert made.contents() == {}


def test_a_server_that_runs_is_left_alone(install: Install, archive: Path) -> None:
    made = install()
    datadir.make_private(made.data_dir)
    with Instance(made.data_dir), pytest.raises(LaunchError, match="Another server runs"):
        restore(made.options, archive)
    assert not (made.data_dir / "catalog.sqlite").exists()


def test_an_archive_that_was_cut_off_anywhere_is_refused(install: Install, archive: Path, tmp_path: Path) -> None:
    whole = archive.read_bytes()
    manifest = whole.index(b"manifest.json")
    for length in (0, 1, 511, 512, 5000, manifest - 1, manifest + 512, manifest + 600):
        cut = tmp_path / "cut.tar"
        cut.write_bytes(whole[:length])
        refused(install(), cut, "cut.tar: the archive is")


def test_an_archive_with_any_bit_changed_is_refused(install: Install, archive: Path, tmp_path: Path) -> None:
    whole = archive.read_bytes()
    with tarfile.open(archive) as tar:
        members = [info for info in tar if info.size]
    spots = [info.offset + 5 for info in members]
    spots += [offset for info in members for offset in (info.offset_data, info.offset_data + info.size - 1)]
    random.Random(4).shuffle(spots)
    for spot in spots:
        damaged = tmp_path / "damaged.tar"
        damaged.write_bytes(whole[:spot] + bytes([whole[spot] ^ 0x01]) + whole[spot + 1 :])
        refused(install(), damaged, "Nothing was restored")


def rewritten(archive: Path, change: Callable[[tarfile.TarInfo, bytes], tuple[tarfile.TarInfo, bytes]]) -> Path:
    """The archive with its members changed."""
    target = archive.with_name("rewritten.tar")
    with tarfile.open(archive) as tar, tarfile.open(target, "w") as out:
        for info in tar:
            data = tar.extractfile(info)
            assert data is not None
            member, content = change(info, data.read())
            member.size = len(content)
            out.addfile(member, io.BytesIO(content))
    return target


@pytest.mark.parametrize("field", ["format", "revision"])
def test_an_archive_of_a_newer_release_is_refused(install: Install, archive: Path, field: str) -> None:
    newer = {"format": 2, "revision": "9999"}

    def change(info: tarfile.TarInfo, content: bytes) -> tuple[tarfile.TarInfo, bytes]:
        if info.name == "manifest.json":
            content = json.dumps({**json.loads(content), field: newer[field]}).encode()
        return info, content

    refused(install(), rewritten(archive, change), "newer release")


@pytest.mark.parametrize("name", ["../../outside", "/etc/cron.d/job", "objects/../../outside", "catalog/../x.jsonl"])
@pytest.mark.parametrize("kind", [tarfile.REGTYPE, tarfile.SYMTYPE, tarfile.DIRTYPE])
def test_nothing_in_an_archive_is_followed(install: Install, archive: Path, name: str, kind: bytes) -> None:
    def change(info: tarfile.TarInfo, content: bytes) -> tuple[tarfile.TarInfo, bytes]:
        if info.name != "catalog/users.jsonl":
            return info, content
        changed = tarfile.TarInfo(name)
        changed.type, changed.linkname = kind, "/etc"
        return changed, content if kind == tarfile.REGTYPE else b""

    refused(install(), rewritten(archive, change), "no backup of this server")


def test_a_link_in_the_place_of_a_table_is_refused(install: Install, archive: Path) -> None:
    def change(info: tarfile.TarInfo, content: bytes) -> tuple[tarfile.TarInfo, bytes]:
        if info.name.startswith("objects/"):
            info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
            return info, b""
        return info, content

    refused(install(), rewritten(archive, change), "no backup of this server")


def test_what_fails_on_the_way_leaves_neither_rows_nor_tables(
    install: Install, archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = install()

    def fail(*_: object) -> int:
        raise DatasetUnreadable("the last table failed")

    with monkeypatch.context() as patched:
        patched.setattr(backup, "_summary", fail)
        with pytest.raises(LaunchError):
            restore(made.options, archive)
    assert made.contents() == {}
    assert set(map(len, made.rows().values())) == {0}
    restore(made.options, archive)
    assert len(made.contents()) == 1


def test_tables_that_a_killed_restore_left_are_taken_as_they_are(install: Install, archive: Path) -> None:
    made = install(store="s3")
    restored = restore(made.options, archive)
    catalog = made.catalog()
    with catalog.write() as connection:
        for table in reversed(moved_tables()):
            connection.execute(sa.delete(table))
    catalog.close()
    assert restore(made.options, archive) == restored
    assert len(made.contents()) == 1


FIRST_ROWS: dict[str, list[dict[str, Any]]] = {
    "users": [
        {"id": 5, "username": "ann", "email": "", "name": "Ann", "password_hash": "-", "is_admin": True,
         "is_active": True, "created_at": NOW.isoformat(), "tokens_valid_from": NOW.isoformat()},
    ],
    "objects": [
        {"id": "a" * 32, "byte_count": 5, "row_count": 1, "column_count": 1, "dtypes": {"x": "int64"},
         "created_at": NOW.isoformat()},
    ],
    "datasets": [
        {"id": "d" * 32, "owner_id": 5, "name": "first", "description": "", "payload": {"z": 1}, "deleted_at": None,
         "created_at": NOW.isoformat(), "updated_at": NOW.isoformat()},
    ],
    "dataset_tables": [{"dataset_id": "d" * 32, "role": "edges", "object_id": "a" * 32}],
}  # fmt: skip


@pytest.mark.parametrize("place", PLACES[:2])
def test_an_archive_of_the_first_release_is_brought_up_to_date(
    install: Install, tmp_path: Path, place: tuple[str, str]
) -> None:
    url = f"sqlite:///{tmp_path}/first.sqlite"
    migrate(url, "0001")
    engine = sa.create_engine(url, poolclass=sa.NullPool)
    with engine.connect() as connection, (tmp_path / "first.tar").open("w+b") as file:
        writer = ArchiveWriter(file)
        for table in found_tables(connection):
            writer.add_rows(table.name, FIRST_ROWS.get(table.name, []))
        writer.add_object("a" * 32, 5, io.BytesIO(b"table"))
        writer.finish("0001")
    here = install(*place)
    assert restore(here.options, tmp_path / "first.tar") == Summary(1, 1, 0, 1, 5)
    after = here.rows()
    for name, rows in FIRST_ROWS.items():
        assert [{column: found[column] for column in row} for row, found in zip(rows, after[name], strict=True)] == rows
    assert here.contents() == {"a" * 32: b"table"}
