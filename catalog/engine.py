"""The one way into the database: consistent reads, and writes that are serial, durable and counted.

    url = sqlite_url(Path("/srv/graphside/catalog.sqlite"))
    migrate(url)                # once, before the server starts
    catalog = open_catalog(url)
    with catalog.write() as connection:
        connection.execute(sa.insert(users).values(...))

What differs between databases is in this file and in ``catalog/dialects.py``. Everything blocks: callers on
an event loop use a thread. Errors: ``catalog.errors``.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy import URL, Connection, Engine
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from catalog import dialects
from catalog.errors import CatalogError, CatalogFull, CatalogUnavailable, SchemaMismatch
from catalog.tables import REVISION, identity, version

_MIGRATIONS = Path(__file__).parent / "migrations"
_BUSY = "the catalog is busy; try again later"


class Catalog:
    """The connections to one database. Threads may share it; each process opens its own."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._reader = engine.execution_options(**dialects.read_options(engine))
        self._writer = engine.execution_options(**dialects.write_options(engine))
        # Threads of one process queue here, fairly and without a connection each, rather than on the
        # database's lock.
        self._turn = threading.Lock()

    def __repr__(self) -> str:
        return f"Catalog({self._engine.url.render_as_string(hide_password=True)!r})"

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Yield a connection that sees one unchanging state of the database and cannot write."""
        with _explained(), self._reader.connect() as connection, connection.begin() as transaction:
            yield connection
            transaction.rollback()

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Yield the only write transaction. It is on disk when the block ends.

        It sees everything that was committed before, so reading and then writing needs no further care. An exception
        undoes it. Keep it short: hash and parse before. Do not nest it.
        """
        with self._alone() as connection:
            # First, not last: on PostgreSQL this row is the lock that makes writers wait for one another.
            connection.execute(sa.update(version).values(value=version.c.value + 1))
            yield connection

    @contextmanager
    def append(self) -> Iterator[Connection]:
        """Like ``write``, for rows that no replica caches: audit lines, receipts of runs, times of last use.

        The catalog's version stays, so that replicas keep their caches. Use it only for statements that need not be
        alone: on PostgreSQL nobody waits for this transaction, nor does it wait for anybody.
        """
        with self._alone() as connection:
            yield connection

    def version(self) -> int:
        """Return how many writes all processes have committed so far."""
        with self.read() as connection:
            return int(connection.execute(sa.select(version.c.value)).scalar_one())

    def identity(self) -> str:
        """Return the id of this catalog: 32 hex digits, made with the database."""
        with self.read() as connection:
            return str(connection.execute(sa.select(identity.c.catalog_id)).scalar_one())

    def close(self) -> None:
        """Close all connections. None may be in use."""
        self._engine.dispose()

    @contextmanager
    def _alone(self) -> Iterator[Connection]:
        if not self._turn.acquire(timeout=dialects.LOCK_WAIT_S):
            raise CatalogUnavailable(_BUSY)
        try:
            with _explained(), self._writer.connect() as connection, connection.begin():
                yield connection
        finally:
            self._turn.release()


def sqlite_url(path: Path) -> str:
    """Return the URL of an SQLite file, with ``%``, ``?`` and ``#`` escaped."""
    return URL.create("sqlite", database=str(path.absolute())).render_as_string()


def open_catalog(url: str) -> Catalog:
    """Open the catalog at an SQLAlchemy URL (``sqlite_url(path)`` or ``postgresql://…``).

    Raises ``SchemaMismatch`` unless ``migrate`` of this very release ran before: replicas never migrate.
    """
    engine = dialects.make_engine(url)
    try:
        found = _revision(engine)
    except CatalogError:
        engine.dispose()
        raise
    if found != REVISION:
        engine.dispose()
        raise SchemaMismatch(found, REVISION)
    return Catalog(engine)


def migrate(url: str, revision: str = REVISION) -> None:
    """Bring the database to this release's schema. Create it if there is none, else keep its rows.

    An earlier ``revision`` is for rows of an earlier release, which are migrated later.

    All or nothing, and one process at a time: a second process waits (``CatalogUnavailable`` after a minute) and finds
    nothing left to do. Never downgrades: a newer schema raises ``SchemaMismatch``.
    """
    from alembic import command  # here, because only a migration needs the import
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    with _explained(), dialects.migrating(url) as connection:
        found = _revision_on(connection)
        if found is not None and found > REVISION:  # revisions are zero-padded numbers
            raise SchemaMismatch(found, REVISION)
        if found is None or found < revision:
            config.attributes["connection"] = connection
            command.upgrade(config, revision)


def _revision(engine: Engine) -> str | None:
    if not dialects.exists(engine):
        return None
    with _explained(), engine.connect() as connection:
        return _revision_on(connection)


def _revision_on(connection: Connection) -> str | None:
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    found = connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar_one_or_none()
    return None if found is None else str(found)


@contextmanager
def _explained() -> Iterator[None]:
    """Turn the database's own errors into ours. Broken constraints and bugs pass unchanged."""
    try:
        yield
    except (OperationalError, InterfaceError) as error:
        if dialects.disk_is_full(error.orig):
            raise CatalogFull from error
        raise CatalogUnavailable from error
    except PoolTimeout as error:
        raise CatalogUnavailable(_BUSY) from error
    except DBAPIError as error:
        if error.connection_invalidated:
            raise CatalogUnavailable from error
        raise
