"""The migrations build exactly the schema in ``catalog/tables.py``, once, whoever asks."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

import catalog as catalog_package
from catalog import dialects
from catalog.engine import Catalog, migrate, open_catalog
from catalog.errors import SchemaMismatch
from catalog.tables import REVISION, datasets, files, metadata, users, version
from tests.waiting import WITHIN_S

MIGRATIONS = Path(catalog_package.__path__[0]) / "migrations"


def set_revision(catalog: Catalog, revision: str) -> None:
    with catalog.write() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = :new"), {"new": revision})


def test_the_migrated_schema_is_the_one_in_the_tables(catalog: Catalog) -> None:
    with catalog.read() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, metadata) == []


def test_the_indexes_have_their_names_from_the_tables(catalog: Catalog) -> None:
    with catalog.read() as connection:
        inspector = sa.inspect(connection)
        for table in metadata.sorted_tables:
            indexes = [index for index in inspector.get_indexes(table.name) if not index.get("duplicates_constraint")]
            assert {index["name"] for index in indexes} == {index.name for index in table.indexes}


def test_the_newest_revision_is_the_one_that_opening_insists_on() -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("path_separator", "os")
    revisions = [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()]
    assert revisions[0] == REVISION
    assert all(re.fullmatch(r"\d{4}", revision) for revision in revisions)  # so that newer ones compare greater


def test_no_revision_goes_back() -> None:
    for script in (MIGRATIONS / "versions").glob("r*.py"):
        assert "def downgrade" not in script.read_text()


def test_migrating_again_changes_nothing(catalog: Catalog, database_url: str) -> None:
    with catalog.write():
        pass
    migrate(database_url)
    assert catalog.version() == 1


def test_a_newer_schema_is_left_alone(catalog: Catalog, database_url: str) -> None:
    set_revision(catalog, "9999")
    for attempt in (migrate, open_catalog):
        with pytest.raises(SchemaMismatch) as raised:
            attempt(database_url)
        assert (raised.value.found, raised.value.expected) == ("9999", REVISION)


def test_a_migration_that_fails_leaves_nothing(empty_database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise LookupError

    with monkeypatch.context() as patched:
        patched.setattr("alembic.op.create_index", fail)
        with pytest.raises(LookupError):
            migrate(empty_database)
    with pytest.raises(SchemaMismatch) as raised:
        open_catalog(empty_database)
    assert raised.value.found is None
    migrate(empty_database)
    open_catalog(empty_database).close()


def test_processes_that_migrate_at_once_all_succeed(empty_database: str) -> None:
    script = "import sys; from catalog.engine import migrate; sys.stdin.readline(); migrate(sys.argv[1])"
    racers = [
        subprocess.Popen([sys.executable, "-c", script, empty_database], stdin=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(3)
    ]
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write(b"\n")
        racer.stdin.flush()
    for racer in racers:
        _, errors = racer.communicate(timeout=WITHIN_S)
        assert (racer.returncode, errors) == (0, b"")
    opened = open_catalog(empty_database)
    with opened.read() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(version)).scalar_one() == 1
    opened.close()


def test_the_first_released_schema_is_brought_up_to_date_with_every_row_kept(empty_database: str) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("path_separator", "os")
    with dialects.migrating(empty_database) as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        for statement in FIRST_ROWS:
            connection.execute(sa.text(statement))
        before = rows_of(connection)
    migrate(empty_database)
    catalog = open_catalog(empty_database)
    with catalog.read() as connection:
        after = rows_of(connection)
        folds = connection.execute(sa.select(users.c.fold)).scalars().all()
        sizes = (*connection.execute(sa.select(datasets.c.payload_bytes)).scalars(),
                 *connection.execute(sa.select(files.c.options_bytes)).scalars())  # fmt: skip
    catalog.close()
    assert (folds, sizes) == ([None, None], (2, 2))
    assert {name: [row[: len(old)] for old, row in zip(before[name], after[name], strict=True)] for name in before} == (
        before
    )


FIRST_ROWS = (
    "INSERT INTO users VALUES (1, 'ann', '', 'Ann', '-', true, true, '2026-01-01 00:00:00', '2026-01-01 00:00:00')",
    "INSERT INTO users VALUES (2, 'ANN', '', 'Ann', '-', true, true, '2026-01-01 00:00:00', '2026-01-01 00:00:00')",
    "INSERT INTO flags VALUES (1, 'f', 'everyone', NULL, true), (2, 'f', 'user', 1, false)",
    "INSERT INTO objects VALUES ('a', 1, 1, 1, '{}', '2026-01-01 00:00:00')",
    "INSERT INTO files VALUES ('f', 1, 'csv', '', NULL, NULL, '{}', NULL, NULL, NULL, NULL, 'a', 1, true, true, NULL,"
    " '2026-01-01 00:00:00', '2026-01-01 00:00:00')",
    "INSERT INTO datasets VALUES ('d', 1, '', '', '{}', '2026-01-01 00:00:00', '2026-01-01 00:00:00', NULL)",
    "INSERT INTO dataset_tables VALUES ('d', 'edges', 'a')",
)


def rows_of(connection: sa.Connection) -> dict[str, list[tuple[object, ...]]]:
    """Every row of the tables of the first schema, with its columns in the order of the database."""
    names = ("users", "flags", "objects", "files", "datasets", "dataset_tables", "version")
    return {name: [tuple(row) for row in connection.execute(sa.text(f"SELECT * FROM {name}"))] for name in names}
