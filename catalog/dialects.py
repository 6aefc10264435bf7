"""The differences between SQLite and PostgreSQL. Only ``engine`` imports this file.

SQLite: write-ahead log, every commit fsynced (an acknowledged write survives ``kill -9`` and power loss),
writers take the lock when they begin (a read lock that is upgraded later fails at once under contention,
whatever the timeout), readers cannot write. PostgreSQL: times in UTC, deadlines on locks and statements,
readers see one snapshot.
"""

import fcntl
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import URL, Connection, Engine, event

from catalog.errors import CatalogUnavailable

LOCK_WAIT_S = 10
"""How long a write waits for other writers."""

MIGRATION_WAIT_S = 60
STATEMENT_LIMIT_S = 30
_CONNECT_LIMIT_S = 10
_SILENCE_S = 20
"""A database from which nothing comes, not even an acknowledgment, is away. By itself TCP waits for up to two hours."""

_CONNECTIONS = 8
_MORE_CONNECTIONS = 16
"""Made when they are needed: all threads of an ingress (``deployments/ingress/threads.py``) can have one."""

_POLL_S = 0.05
_ADVISORY_LOCK = 0x67726170  # any constant will do: it names the migration lock among the database's advisory locks
_WRITES = "graphside_writes"


def make_engine(url: str) -> Engine:
    """Return an engine that has not connected yet. Raises ``ValueError`` for unsupported databases."""
    parsed = sa.make_url(url)
    backend = parsed.get_backend_name()
    if backend == "sqlite":
        return _sqlite_engine(parsed)
    if backend in ("postgresql", "postgres"):
        return _postgresql_engine(parsed)
    raise ValueError(f"the catalog runs on sqlite and postgresql, not on {backend}")


def read_options(engine: Engine) -> dict[str, Any]:  # Any: SQLAlchemy's execution options
    """Return the execution options of a transaction that only reads."""
    if _is_sqlite(engine):
        return {}
    return {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}


def write_options(engine: Engine) -> dict[str, Any]:  # Any: as above
    """Return the execution options of a transaction that writes."""
    return {_WRITES: True} if _is_sqlite(engine) else {"isolation_level": "READ COMMITTED"}


def exists(engine: Engine) -> bool:
    """Return False for a missing SQLite file, because connecting would create it, readable for everybody."""
    return not _is_sqlite(engine) or _sqlite_path(engine.url).exists()


def disk_is_full(cause: BaseException | None) -> bool:
    """Return whether the driver's error means that the disk is full."""
    if isinstance(cause, sqlite3.Error):
        return getattr(cause, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
    return getattr(cause, "sqlstate", None) == "53100"


def continue_ids(connection: Connection, table: sa.Table) -> None:
    """Let the next id that the database makes up come after the ids of rows that were inserted with ids of their own.

    SQLite does that by itself.
    """
    column = table.autoincrement_column
    if connection.dialect.name == "sqlite" or column is None:
        return
    sequence = sa.func.pg_get_serial_sequence(table.name, column.name)
    last = sa.select(sa.func.max(column)).scalar_subquery()
    connection.execute(sa.select(sa.func.setval(sequence, last)).where(sa.exists(sa.select(column))))


@contextmanager
def migrating(url: str) -> Iterator[Connection]:
    """Yield a write transaction that excludes other migrations. Create the database first if necessary."""
    engine = make_engine(url)
    try:
        if _is_sqlite(engine):
            with _sqlite_created(engine), _writing(engine) as connection:
                yield connection
        else:
            with _writing(engine) as connection:
                connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{MIGRATION_WAIT_S}s'")
                connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
                driver: Any = connection.connection.driver_connection
                driver.answer_s = None
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_ADVISORY_LOCK)))
                yield connection
    finally:
        engine.dispose()


@contextmanager
def _writing(engine: Engine) -> Iterator[Connection]:
    with engine.execution_options(**write_options(engine)).connect() as connection, connection.begin():
        yield connection


def _is_sqlite(engine: Engine) -> bool:
    return engine.dialect.name == "sqlite"


def _sqlite_path(url: URL) -> Path:
    return Path(str(url.database))


def _sqlite_engine(url: URL) -> Engine:
    if not url.database or url.database == ":memory:" or url.database.startswith("file:"):
        raise ValueError("the catalog needs an SQLite file, named by its path")
    engine = sa.create_engine(
        url.set(drivername="sqlite+pysqlite"),
        pool_size=_CONNECTIONS,
        max_overflow=_MORE_CONNECTIONS,
        pool_timeout=LOCK_WAIT_S,
        connect_args={"timeout": LOCK_WAIT_S, "check_same_thread": False},
    )
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None  # the driver begins nothing by itself: _begin_sqlite does
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA synchronous = FULL")


def _begin_sqlite(connection: Connection) -> None:
    writes = bool(connection.get_execution_options().get(_WRITES))
    connection.exec_driver_sql(f"PRAGMA query_only = {'OFF' if writes else 'ON'}")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


@contextmanager
def _sqlite_created(engine: Engine) -> Iterator[None]:
    """Hold a lock beside the database file while the file is made (0600, WAL mode) and migrated.

    The lock is a file of its own, because switching to WAL fails under contention instead of waiting, and because
    closing any descriptor of the database file would drop the locks that SQLite holds on it in this process.
    """
    path = _sqlite_path(engine.url)
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _flock(lock)
        if not path.exists():
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        path.chmod(0o600)  # the log and its index take the file's mode
        connection = sqlite3.connect(path, timeout=LOCK_WAIT_S)
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        finally:
            connection.close()
        yield
    finally:
        os.close(lock)


def _flock(descriptor: int) -> None:
    deadline = time.monotonic() + MIGRATION_WAIT_S
    while True:
        try:
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise CatalogUnavailable("another process is migrating the catalog; try again later") from None
            time.sleep(_POLL_S)


def _postgresql_engine(url: URL) -> Engine:
    options = str(url.query.get("options", ""))  # the operator's options, such as a search_path, come before ours
    options += f" -c timezone=UTC -c lock_timeout={LOCK_WAIT_S}s -c statement_timeout={STATEMENT_LIMIT_S}s"
    engine = sa.create_engine(
        url.difference_update_query(["options"]).set(drivername="postgresql+psycopg"),
        pool_size=_CONNECTIONS,
        max_overflow=_MORE_CONNECTIONS,
        pool_timeout=LOCK_WAIT_S,
        pool_pre_ping=True,
        connect_args={
            "options": options.strip(),
            "connect_timeout": _CONNECT_LIMIT_S,
            "keepalives_idle": _SILENCE_S // 2,
            "keepalives_interval": _SILENCE_S // 4,
            "keepalives_count": 2,
            "tcp_user_timeout": _SILENCE_S * 1000,
        },
    )
    event.listen(engine, "do_connect", _connect_to_postgresql)
    return engine


def _connect_to_postgresql(_dialect: object, _record: object, arguments: list[Any], parameters: dict[str, Any]) -> Any:
    from catalog.answering import connect  # here, because SQLite does without the driver

    return connect(*arguments, **parameters)
