"""Back up and restore a server: every row of its catalog and every table that the rows name, in one file.

A backup works while the server runs. It can be restored on another database and another store, so it is also the way
from SQLite to PostgreSQL and from a directory to a bucket. The signing key and Ray's token are not in it.
"""

import hashlib
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Final

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from catalog.engine import Catalog, migrate, open_catalog, sqlite_url
from catalog.rows import found_tables, insert_rows, moved_tables, read_rows
from catalog.tables import REVISION, datasets, files, objects, users
from catalog.whole_file import whole_file
from deployments.launch.backup.archive import Archive, ArchiveWriter, DamagedArchive, Member
from deployments.launch.datadir import explained, make_private, opened_store, prepared, remove_given_key, require_unused
from deployments.launch.errors import LaunchError
from deployments.launch.machine.instance import Instance
from deployments.launch.options import Options
from runtime.datasets.store.base import Store
from runtime.errors import DatasetUnreadable

ATTEMPTS: Final = 3
_CHUNK_BYTES: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Summary:
    """The contents of an archive. ``tables``: stored tables; ``byte_count``: their bytes."""

    users: int
    datasets: int
    files: int
    tables: int
    byte_count: int


def back_up(options: Options, target: Path) -> Summary:
    """Write everything into a new file (0600). The server may run. Raises ``LaunchError`` and then leaves no file."""
    if target.exists() or target.is_symlink():
        raise LaunchError(f"{target} already exists, and a backup replaces no file")
    if not target.parent.is_dir():
        raise LaunchError(f"{target.parent} is not a directory")
    with explained(options):
        store = opened_store(options)
        opened = closing(open_catalog(options.settings.catalog_url))
        with opened as catalog, _named(target), whole_file(target, 0o600) as file:
            for _ in range(ATTEMPTS):
                file.seek(0)
                file.truncate()
                try:
                    return _write(ArchiveWriter(file), catalog, store)
                except DatasetUnreadable:  # deleted after its row was read, so by now the row is gone, too
                    continue
            raise LaunchError(f"a table that the catalog names is missing from the store, in {ATTEMPTS} attempts")


def restore(options: Options, source: Path) -> Summary:
    """Restore an archive into a data directory that has no users; prepare the directory if necessary.

    All or nothing: the catalog's rows come last, in one transaction. Raises ``LaunchError``.
    """
    with explained(options), source.open("rb") as file, _whole(source):
        archive = Archive(file, REVISION)
        make_private(options.data_dir)
        with Instance(options.data_dir):
            require_unused(options.data_dir)
            try:
                with prepared(options) as (catalog, store):
                    _require_empty(catalog, options)
                    return _bring(archive, catalog, store, options)
            finally:
                remove_given_key(options.data_dir)


def _write(archive: ArchiveWriter, catalog: Catalog, store: Store) -> Summary:
    with catalog.read() as connection:
        for table in moved_tables():
            archive.add_rows(table.name, read_rows(connection, table))
        summary = _summary(connection)
        stored = _named_tables(connection)
    for object_id, byte_count in stored.items():
        if store.size(object_id) != byte_count:
            raise LaunchError(f"table {object_id} does not have the length in the store that the catalog says")
        with store.reader(object_id) as data:
            archive.add_object(object_id, byte_count, data)
    archive.finish(REVISION)
    return summary


def _bring(archive: Archive, catalog: Catalog, store: Store, options: Options) -> Summary:
    with _up_to_date(archive, options) as rows:
        with rows.read() as connection:
            named = _named_tables(connection)
        if named != archive.object_sizes:
            raise DamagedArchive("the archive is damaged: its tables are not those that its rows name")
        with _all_or_none(store) as placed:
            for object_id, data, expected in archive.objects():
                if _place(store, object_id, data, expected):
                    placed.append(object_id)
            with rows.read() as reading, catalog.write() as writing:
                _require_no_users(writing, options)
                for table in moved_tables():
                    insert_rows(writing, table, read_rows(reading, table))
                return _summary(writing)


@contextmanager
def _up_to_date(archive: Archive, options: Options) -> Iterator[Catalog]:
    """Yield the archive's rows in a temporary database, migrated to this release's schema."""
    with TemporaryDirectory(dir=options.data_dir / "scratch") as folder:
        url = sqlite_url(Path(folder) / "catalog.sqlite")
        migrate(url, archive.manifest.revision)
        engine = sa.create_engine(url, poolclass=sa.NullPool)
        with engine.begin() as connection:
            tables = {table.name: table for table in found_tables(connection)}
            if set(archive.row_tables()) != tables.keys():
                raise DamagedArchive("the archive is damaged: it has other tables than its release had")
            for name, rows in archive.rows():
                insert_rows(connection, tables[name], rows)
        migrate(url)
        with closing(open_catalog(url)) as catalog:
            yield catalog


def _place(store: Store, object_id: str, data: IO[bytes], expected: Member) -> bool:
    """Store one table. Return False if the store already has the same bytes, from an interrupted restore."""
    path = store.incoming()
    try:
        digest = hashlib.sha256()
        with path.open("xb") as out:
            while chunk := data.read(_CHUNK_BYTES):
                digest.update(chunk)
                out.write(chunk)
        if digest.hexdigest() != expected.sha256:
            raise DamagedArchive("the archive was changed while it was read")
        store.commit(path, object_id)
    except FileExistsError:
        with store.reader(object_id) as there:
            if hashlib.file_digest(there, "sha256").hexdigest() != expected.sha256:  # type: ignore[arg-type]
                raise LaunchError(f"the store has a different table {object_id}; nothing was restored") from None
        return False
    finally:
        path.unlink(missing_ok=True)
    return True


@contextmanager
def _all_or_none(store: Store) -> Iterator[list[str]]:
    """Delete what was stored if the block fails. After a kill, garbage collection does it."""
    placed: list[str] = []
    try:
        yield placed
    except BaseException:
        for object_id in placed:
            store.delete(object_id)
        raise


@contextmanager
def _named(target: Path) -> Iterator[None]:
    """Name the target in errors of its disk."""
    try:
        yield
    except OSError as error:
        raise LaunchError(f"{target}: {error.strerror or error}") from error


@contextmanager
def _whole(source: Path) -> Iterator[None]:
    """Name the archive in errors about it."""
    try:
        yield
    except DamagedArchive as error:
        raise LaunchError(f"{source}: {error}; nothing was restored") from error
    except (SQLAlchemyError, ValueError) as error:
        text = f"{source}: its rows do not fit the catalog ({type(error).__name__}); nothing was restored"
        raise LaunchError(text) from error


def _named_tables(connection: Connection) -> dict[str, int]:
    """Return the bytes of each stored table by id."""
    return {row.id: row.byte_count for row in connection.execute(sa.select(objects.c.id, objects.c.byte_count))}


def _summary(connection: Connection) -> Summary:
    def count(table: sa.Table, *conditions: sa.ColumnElement[bool]) -> int:
        return connection.execute(sa.select(sa.func.count()).select_from(table).where(*conditions)).scalar_one()

    stored = sa.select(sa.func.coalesce(sa.func.sum(objects.c.byte_count), 0))
    return Summary(
        users=count(users),
        datasets=count(datasets, datasets.c.deleted_at.is_(None)),
        files=count(files),
        tables=count(objects),
        byte_count=int(connection.execute(stored).scalar_one()),
    )


def _require_empty(catalog: Catalog, options: Options) -> None:
    with catalog.read() as connection:
        _require_no_users(connection, options)


def _require_no_users(connection: Connection, options: Options) -> None:
    if connection.execute(sa.select(users.c.id).limit(1)).first() is not None:
        raise LaunchError(
            f"the server of {options.data_dir} already has users; restore into a new directory (GRAPHSIDE_DATA) "
            "and, on PostgreSQL, a new database"
        )
