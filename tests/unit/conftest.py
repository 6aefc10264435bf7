"""A catalog for tests, on SQLite and on PostgreSQL."""

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
import sqlalchemy as sa

from auth.passwords import Passwords
from auth.users import Users
from catalog.engine import Catalog, migrate, open_catalog
from catalog.tables import REVISION, identity, metadata, version
from tests.catalogs import new_catalog
from tests.postgresql_server import PostgresServer

DATABASES = ("sqlite", "postgresql")


@pytest.fixture(params=DATABASES)
def empty_database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """URL of a database without any table."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/data/catalog.sqlite"
        return
    server: PostgresServer = request.getfixturevalue("postgresql")
    url = server.new_database()
    yield url
    server.drop(url)


@pytest.fixture(params=DATABASES)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """URL of a migrated database without users. On PostgreSQL it is always the same one, emptied before each test."""
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path}/data/catalog.sqlite"
        new_catalog(url)
        return url
    shared: str = request.getfixturevalue("shared_database")
    _empty(shared)
    return shared


@pytest.fixture(scope="session")
def shared_database(postgresql: PostgresServer) -> str:
    """One migrated database: to make one takes ten times as long as most of the tests."""
    url = postgresql.new_database()
    migrate(url)
    return url


@pytest.fixture
def catalog(database_url: str) -> Iterator[Catalog]:
    """A migrated catalog without users."""
    opened = open_catalog(database_url)
    yield opened
    opened.close()


@pytest.fixture(scope="session", autouse=True)
def _passwords_are_hashed_cheaply() -> Iterator[None]:
    """Unless it is said how to hash them; the hash has tests of its own."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Passwords.__init__, "__defaults__", (1, 8))
        yield


@pytest.fixture
def users(catalog: Catalog) -> Users:
    return Users(catalog)


def _empty(url: str) -> None:
    """As if it had been migrated just now. To delete few rows is faster than to truncate many tables."""
    engine = sa.create_engine(sa.make_url(url).set(drivername="postgresql+psycopg"), poolclass=sa.NullPool)
    with engine.begin() as connection:
        connection.exec_driver_sql(";".join(_statements()))
        connection.execute(sa.insert(version).values(id=1, value=0))
        connection.execute(sa.insert(identity).values(catalog_id=uuid4().hex))
        connection.execute(sa.text("UPDATE alembic_version SET version_num = :new"), {"new": REVISION})


def _statements() -> Iterator[str]:
    for table in reversed(metadata.sorted_tables):
        yield f'DELETE FROM "{table.name}"'
        column = table.autoincrement_column
        if column is not None:
            yield f"SELECT setval(pg_get_serial_sequence('{table.name}', '{column.name}'), 1, false)"
