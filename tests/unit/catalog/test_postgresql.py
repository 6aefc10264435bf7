"""Says when PostgreSQL was left out. Where it is not, every test of a catalog runs on it as well."""

import os

import pytest

from catalog.engine import Catalog


@pytest.mark.skipif(
    not os.environ.get("GRAPHSIDE_TEST_POSTGRES_URL"),
    reason="GRAPHSIDE_TEST_POSTGRES_URL names no PostgreSQL server: the catalog was tested on SQLite only",
)
def test_the_catalog_is_tested_on_postgresql_too(catalog: Catalog, request: pytest.FixtureRequest) -> None:
    dialect = request.getfixturevalue("database_url").split(":")[0].split("+")[0]
    with catalog.read() as connection:
        assert connection.dialect.name == dialect
