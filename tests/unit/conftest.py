"""A migrated catalog for tests: on SQLite always, on PostgreSQL too where there is a server for it."""

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from auth.passwords import Passwords
from auth.users import Users
from catalog.engine import Catalog, migrate, open_catalog

POSTGRES_URL = os.environ.get("GRAPHSIDE_TEST_POSTGRES_URL")


@pytest.fixture(params=["sqlite", *(["postgresql"] if POSTGRES_URL else [])])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """URL of an empty database, or of an empty schema in PostgreSQL that is dropped afterwards."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/data/catalog.sqlite"
        return
    url = sa.make_url(str(POSTGRES_URL)).set(drivername="postgresql+psycopg")
    schema = f"test_{uuid.uuid4().hex}"
    server = sa.create_engine(url, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with server.connect() as connection:
        connection.exec_driver_sql(f"CREATE SCHEMA {schema}")
    yield url.update_query_dict({"options": f"-c search_path={schema}"}).render_as_string(hide_password=False)
    with server.connect() as connection:
        connection.exec_driver_sql(f"DROP SCHEMA {schema} CASCADE")


@pytest.fixture
def catalog(database_url: str) -> Iterator[Catalog]:
    """A migrated catalog without users."""
    migrate(database_url)
    opened = open_catalog(database_url)
    yield opened
    opened.close()


@pytest.fixture
def users(catalog: Catalog) -> Users:
    """Accounts whose passwords are hashed cheaply; the hash has tests of its own."""
    return Users(catalog, Passwords(time_cost=1, memory_cost_kib=8))
