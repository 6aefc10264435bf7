"""Every test of a catalog runs on PostgreSQL too; and what happens if that does not answer."""

import os
import signal

import pytest
import sqlalchemy as sa

from catalog import answering
from catalog.engine import Catalog
from catalog.errors import CatalogUnavailable


def test_the_catalog_is_on_the_database_that_the_test_is_named_after(catalog: Catalog, database_url: str) -> None:
    with catalog.read() as connection:
        assert connection.dialect.name == sa.make_url(database_url).get_backend_name()


def test_a_connection_that_does_not_answer_is_replaced(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel acknowledges for a process that has stopped."""
    if catalog._engine.dialect.name == "sqlite":
        pytest.skip("SQLite is no server")
    monkeypatch.setattr(answering, "ANSWER_S", 0.5)
    catalog._engine.dispose()
    with catalog.read() as connection:
        backend = connection.execute(sa.select(sa.func.pg_backend_pid())).scalar_one()
    os.kill(backend, signal.SIGSTOP)
    try:
        with catalog.read() as connection:
            assert connection.execute(sa.select(sa.func.pg_backend_pid())).scalar_one() != backend
    finally:
        os.kill(backend, signal.SIGCONT)


def test_a_statement_that_hangs_ends_its_transaction(catalog: Catalog, monkeypatch: pytest.MonkeyPatch) -> None:
    if catalog._engine.dialect.name == "sqlite":
        pytest.skip("SQLite is no server")
    monkeypatch.setattr(answering, "ANSWER_S", 0.5)
    catalog._engine.dispose()
    with pytest.raises(CatalogUnavailable), catalog.read() as connection:
        connection.execute(sa.select(sa.func.pg_sleep(60)))
    assert catalog.version() >= 0
