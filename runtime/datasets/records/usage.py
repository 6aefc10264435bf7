"""How many bytes a user has stored, and the limit for each user.

Tables count, and long descriptions of datasets and long parser options. Short ones are not looked at: past the first
thousand, each dataset and each file counts what a short description takes at most.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import Connection

from catalog.engine import Catalog
from catalog.tables import dataset_tables, datasets, files, objects
from runtime.datasets.records.access import live
from runtime.datasets.records.paging import LISTED_BYTES
from runtime.errors import StorageFull

FREE_ROWS: Final = 1000
"""How many datasets of a user, and how many files, count nothing for themselves."""


class StoredBytes:
    """Bytes of the distinct stored tables that a user's files and datasets name. ``most`` is None for no limit."""

    def __init__(self, catalog: Catalog, most: int | None = None) -> None:
        self._catalog = catalog
        self.most = most

    def used(self, owner_id: int) -> int:
        with self._catalog.read() as connection:
            return stored_bytes(connection, owner_id)

    def check(self, owner_id: int, announced: int, replaced: int) -> None:
        """Raise ``StorageFull`` if a table of ``announced`` bytes cannot replace one of ``replaced`` bytes.

        ``announced`` is 0 if the size is not known yet; every table has some bytes.
        """
        if self.most is None:
            return
        expected = self.used(owner_id) - replaced + announced
        if expected > self.most or (expected == self.most and not announced):
            raise full(expected, self.most)


@contextmanager
def within(connection: Connection, owner_id: int, most: int | None) -> Iterator[None]:
    """Raise ``StorageFull`` at the end of a block that brought the owner over ``most``, which undoes the block.

    The catalog runs one write at a time, so two uploads cannot both take the last bytes.
    """
    if most is None:
        yield
        return
    before = stored_bytes(connection, owner_id)
    yield
    after = stored_bytes(connection, owner_id)
    if after > most and after > before:
        raise full(after, most)


def full(observed: int, most: int) -> StorageFull:
    """Return the error for a user who stores, or would store, ``observed`` bytes."""
    text = f"this would bring the owner to {observed} stored bytes; the limit is {most}; delete files or datasets first"
    return StorageFull(text, limit_name="stored_bytes", limit=most, observed=observed)


def stored_bytes(connection: Connection, owner_id: int) -> int:
    """Return the owner's stored bytes, as this transaction sees them: of tables, descriptions and options."""
    of_files = sa.select(files.c.object_id).where(files.c.owner_id == owner_id, files.c.object_id.is_not(None))
    of_datasets = (
        sa.select(dataset_tables.c.object_id)
        .join(datasets, datasets.c.id == dataset_tables.c.dataset_id)
        .where(datasets.c.owner_id == owner_id, live())
    )
    tables = sa.select(sa.func.sum(objects.c.byte_count)).where(objects.c.id.in_(sa.union(of_files, of_datasets)))
    described = _described(connection, datasets.c.payload_bytes, datasets.c.owner_id == owner_id, live())
    options = _described(connection, files.c.options_bytes, files.c.owner_id == owner_id)
    return int(connection.execute(tables).scalar() or 0) + described + options


def _described(connection: Connection, size: sa.ColumnElement[Any], *wanted: sa.ColumnElement[bool]) -> int:
    """Return what rows count beside their tables. ``size``: the column with the size of what their owner wrote."""
    is_long = size > LISTED_BYTES
    query = sa.select(sa.func.count(), sa.func.sum(sa.case((is_long, size), else_=0))).where(*wanted)
    rows, long_bytes = connection.execute(query).one()
    return int(long_bytes or 0) + max(0, int(rows) - FREE_ROWS) * LISTED_BYTES
