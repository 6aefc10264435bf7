"""Every test of a catalog runs on PostgreSQL too."""

import sqlalchemy as sa

from catalog.engine import Catalog


def test_the_catalog_is_on_the_database_that_the_test_is_named_after(catalog: Catalog, database_url: str) -> None:
    with catalog.read() as connection:
        assert connection.dialect.name == sa.make_url(database_url).get_backend_name()
