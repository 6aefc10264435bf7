"""Reads are consistent, writes are serial, durable and counted."""

import os
import re
import signal
import sqlite3
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, IntegrityError

from catalog import dialects
from catalog.engine import Catalog, migrate, open_catalog, sqlite_url
from catalog.errors import CatalogFull, CatalogUnavailable, SchemaMismatch
from catalog.tables import datasets, files, flags, users
from tests.waiting import WITHIN_S


def add_user(connection: sa.Connection, username: str, **other: object) -> int:
    now = datetime.now(UTC)
    row = {
        "username": username,
        "email": "",
        "name": "",
        "password_hash": "-",
        "is_admin": False,
        "is_active": True,
        "created_at": now,
        "tokens_valid_from": now,
    }
    result = connection.execute(sa.insert(users).values(row | other))
    return int(result.inserted_primary_key[0])  # type: ignore[index]


def usernames(catalog: Catalog) -> list[str]:
    with catalog.read() as connection:
        return list(connection.execute(sa.select(users.c.username).order_by(users.c.username)).scalars())


def test_every_committed_write_raises_the_version_by_one(catalog: Catalog) -> None:
    before = catalog.version()
    with catalog.write() as connection:
        add_user(connection, "ann")
    with catalog.write():
        pass
    assert catalog.version() == before + 2


def test_an_exception_undoes_the_write_and_its_version(catalog: Catalog) -> None:
    before = catalog.version()
    with pytest.raises(LookupError), catalog.write() as connection:
        add_user(connection, "ann")
        raise LookupError
    assert usernames(catalog) == []
    assert catalog.version() == before


def test_appending_stores_and_leaves_the_version(catalog: Catalog) -> None:
    before = catalog.version()
    with catalog.append() as connection:
        add_user(connection, "ann")
    with pytest.raises(LookupError), catalog.append() as connection:
        add_user(connection, "bob")
        raise LookupError
    assert usernames(catalog) == ["ann"]
    assert catalog.version() == before


def test_a_catalog_has_an_identity_of_its_own_that_stays(catalog: Catalog, database_url: str, tmp_path: Path) -> None:
    identity = catalog.identity()
    assert re.fullmatch(r"[0-9a-f]{32}", identity)
    migrate(database_url)
    assert catalog.identity() == identity
    other_url = sqlite_url(tmp_path / "other.sqlite")
    migrate(other_url)
    other = open_catalog(other_url)
    assert other.identity() != identity
    other.close()


def test_a_second_opening_sees_the_version_move(catalog: Catalog, database_url: str) -> None:
    other = open_catalog(database_url)
    before = other.version()
    with catalog.write() as connection:
        add_user(connection, "ann")
    assert other.version() == before + 1
    other.close()


def test_a_reader_cannot_write(catalog: Catalog) -> None:
    with pytest.raises((DBAPIError, CatalogUnavailable)), catalog.read() as connection:
        add_user(connection, "ann")
    assert usernames(catalog) == []
    with catalog.write() as connection:  # and the connection is none the worse for it
        add_user(connection, "bob")
    assert usernames(catalog) == ["bob"]


def test_a_reader_sees_one_state_throughout(catalog: Catalog) -> None:
    count = sa.select(sa.func.count()).select_from(users)
    with catalog.read() as reader:
        first = reader.execute(count).scalar_one()
        with catalog.write() as writer:
            add_user(writer, "ann")
        assert reader.execute(count).scalar_one() == first == 0


def test_read_then_write_loses_no_update_between_threads_and_openings(catalog: Catalog, database_url: str) -> None:
    other = open_catalog(database_url)
    with catalog.write() as connection:
        add_user(connection, "counter", name="0")

    def increment(number: int) -> None:
        with (catalog, other)[number % 2].write() as connection:
            name = connection.execute(sa.select(users.c.name)).scalar_one()
            connection.execute(sa.update(users).values(name=str(int(name) + 1)))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(increment, range(40)))
    with catalog.read() as connection:
        assert connection.execute(sa.select(users.c.name)).scalar_one() == "40"
    other.close()


def test_a_writer_that_waits_too_long_is_told_so(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dialects, "LOCK_WAIT_S", 0.05)
    with catalog.write(), ThreadPoolExecutor(1) as pool, pytest.raises(CatalogUnavailable):
        pool.submit(lambda: catalog.write().__enter__()).result(timeout=WITHIN_S)


def test_broken_constraints_pass_as_they_are(catalog: Catalog) -> None:
    with catalog.write() as connection:
        add_user(connection, "ann")
    with pytest.raises(IntegrityError), catalog.write() as connection:
        add_user(connection, "ann")
    now = datetime.now(UTC)
    with pytest.raises(IntegrityError), catalog.write() as connection:
        row = {"id": "0" * 32, "owner_id": 99, "name": "", "description": "", "payload": {}}
        connection.execute(sa.insert(datasets).values(**row, created_at=now, updated_at=now))


@pytest.mark.parametrize("addressed", [True, False])
def test_a_flag_has_one_row_for_whom_it_addresses(catalog: Catalog, addressed: bool) -> None:
    with catalog.write() as connection:
        user_id = add_user(connection, "ann") if addressed else None
    row = {"name": "f", "scope": "user" if addressed else "everyone", "user_id": user_id, "value": True}
    with catalog.write() as connection:
        connection.execute(sa.insert(flags).values(row))
    with pytest.raises(IntegrityError), catalog.write() as connection:
        connection.execute(sa.insert(flags).values(row))


def test_times_come_back_in_utc_and_naive_ones_are_refused(catalog: Catalog) -> None:
    east = datetime(2026, 1, 1, 5, 30, 0, 123456, tzinfo=timezone(timedelta(hours=5, minutes=30)))
    with catalog.write() as connection:
        add_user(connection, "ann", created_at=east)
    with catalog.read() as connection:
        stored = connection.execute(sa.select(users.c.created_at)).scalar_one()
    assert stored == east
    assert stored.utcoffset() == timedelta(0)
    with pytest.raises(sa.exc.StatementError), catalog.write() as connection:
        add_user(connection, "bob", created_at=datetime(2026, 1, 1))


@pytest.mark.parametrize("text", ["\0", "a\0b", "\ud800", "\U0001f600", "naïve", "x" * 100_000])
def test_any_text_of_a_stranger_can_be_stored(catalog: Catalog, text: str) -> None:
    with catalog.write() as connection:
        add_user(connection, "ann", name=text)
    with catalog.read() as connection:
        stored = connection.execute(sa.select(users.c.name)).scalar_one()
    assert stored == text.replace("\0", "\ufffd").replace("\ud800", "\ufffd")


def test_json_keeps_the_order_of_its_keys(catalog: Catalog) -> None:
    payload = {"z": 1, "a": {"\0y": [1.5, None, "é\ud800"], "b": True}, "m": 2**70}
    now = datetime.now(UTC)
    with catalog.write() as connection:
        row = {"id": "0" * 32, "owner_id": add_user(connection, "ann"), "name": "", "description": ""}
        connection.execute(sa.insert(datasets).values(**row, payload=payload, created_at=now, updated_at=now))
    with catalog.read() as connection:
        stored = connection.execute(sa.select(datasets.c.payload)).scalar_one()
    assert stored == payload
    assert list(stored) == ["z", "a", "m"]
    assert list(stored["a"]) == ["\0y", "b"]


def test_no_json_is_a_null_that_sql_knows(catalog: Catalog) -> None:
    query = sa.select(sa.func.count()).select_from(files).where(files.c.errors.is_(None))
    now = datetime.now(UTC)
    with catalog.write() as connection:
        row = {
            "id": "0" * 32,
            "owner_id": add_user(connection, "ann"),
            "file_type": "csv",
            "file_compression": "",
        }
        row |= {
            "parser_options": {},
            "errors": None,
            "is_uploaded": False,
            "created_at": now,
            "updated_at": now,
        }
        connection.execute(sa.insert(files).values(row))
        assert connection.execute(query).scalar_one() == 1


def test_many_threads_share_one_catalog(catalog: Catalog) -> None:
    start = threading.Barrier(24)

    def poll(_: int) -> int:
        start.wait(timeout=WITHIN_S)
        return catalog.version()

    with ThreadPoolExecutor(24) as pool:
        assert set(pool.map(poll, range(24))) == {0}


def test_its_repr_hides_the_password() -> None:
    engine = dialects.make_engine("postgresql://ann:tiger@127.0.0.1/none")
    assert "tiger" not in repr(Catalog(engine))


def test_a_database_out_of_reach_is_unavailable() -> None:
    with pytest.raises(CatalogUnavailable):
        open_catalog("postgresql://ann:tiger@127.0.0.1:1/none")


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///:memory:", "mysql://localhost/x"])
def test_databases_that_cannot_serve_are_refused(url: str) -> None:
    with pytest.raises((ValueError, sa.exc.NoSuchModuleError)):
        open_catalog(url)


def test_opening_migrates_nothing_and_creates_nothing(tmp_path: Path) -> None:
    with pytest.raises(SchemaMismatch) as raised:
        open_catalog(f"sqlite:///{tmp_path}/catalog.sqlite")
    assert raised.value.found is None
    assert list(tmp_path.iterdir()) == []


class TestSQLite:
    """What only the embedded database needs."""

    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        return tmp_path / "100%25 a?b#c" / "catalog.sqlite"

    @pytest.fixture
    def embedded(self, path: Path) -> Catalog:
        migrate(sqlite_url(path))
        return open_catalog(sqlite_url(path))

    def test_its_files_are_private_whatever_the_umask(self, path: Path) -> None:
        umask = os.umask(0)
        try:
            migrate(sqlite_url(path))
            catalog = open_catalog(sqlite_url(path))
            with catalog.write() as connection:
                add_user(connection, "ann")
            modes = {file.name: file.stat().st_mode & 0o777 for file in path.parent.iterdir()}
            catalog.close()
        finally:
            os.umask(umask)
        assert {"catalog.sqlite", "catalog.sqlite-wal"} <= modes.keys()
        assert set(modes.values()) == {0o600}
        assert path.parent.stat().st_mode & 0o777 == 0o700

    @pytest.mark.parametrize(
        ("pragma", "value"),
        [("journal_mode", "wal"), ("synchronous", 2), ("foreign_keys", 1), ("busy_timeout", 10_000)],
    )
    def test_its_connections_are_set_up(self, embedded: Catalog, pragma: str, value: object) -> None:
        with embedded.read() as connection:
            assert connection.exec_driver_sql(f"PRAGMA {pragma}").scalar_one() == value
        embedded.close()

    def test_a_full_disk_is_named(self, embedded: Catalog) -> None:
        with pytest.raises(CatalogFull), embedded.write() as connection:
            pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
            connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
            add_user(connection, "ann", name="x" * 1_000_000)
        embedded.close()

    def test_acknowledged_writes_survive_a_kill(self, path: Path) -> None:
        url = sqlite_url(path)
        migrate(url)
        script = (
            "import itertools, sys, sqlalchemy as sa\n"
            "from catalog.engine import open_catalog\n"
            "from catalog.tables import objects\n"
            "from datetime import UTC, datetime\n"
            "catalog = open_catalog(sys.argv[1])\n"
            "for number in itertools.count():\n"
            "    with catalog.write() as connection:\n"
            "        row = dict(id=f'{number:032x}', byte_count=1, row_count=1, column_count=1, dtypes={})\n"
            "        connection.execute(sa.insert(objects).values(**row, created_at=datetime.now(UTC)))\n"
            "    print(number, flush=True)\n"
        )
        with subprocess.Popen([sys.executable, "-c", script, url], stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout is not None
            acknowledged = [int(writer.stdout.readline()) for _ in range(20)]
            writer.send_signal(signal.SIGKILL)
            acknowledged += [int(line) for line in writer.stdout.read().splitlines()]
        with sqlite3.connect(path) as connection:
            (stored,) = connection.execute("SELECT count(*) FROM objects").fetchone()
            (check,) = connection.execute("PRAGMA integrity_check").fetchone()
        connection.close()
        catalog = open_catalog(url)
        assert check == "ok"
        assert stored >= len(acknowledged)
        assert catalog.version() == stored  # nothing was written by halves
        catalog.close()
