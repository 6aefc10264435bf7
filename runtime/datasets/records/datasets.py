"""Datasets: a description as the client sent it, and the tables it is made of (contract 3)."""

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, cast  # Any: JSON values, and rows read by column name

import sqlalchemy as sa
from sqlalchemy import Connection, Row

from catalog.column_types import storable
from catalog.engine import Catalog
from catalog.tables import dataset_tables, datasets, files, objects
from runtime.datasets.records.objects import (
    OBJECT_COLUMNS,
    ObjectRecord,
    RecordGone,
    ensure_object,
    has_object,
    is_id,
    object_record,
)
from runtime.datasets.records.paging import window

Role = Literal["edges", "nodes"]

_LIVE = datasets.c.deleted_at.is_(None)
_MAXIMUM_SEARCH = 200  # characters; databases limit the length of a pattern
_BATCH = 500  # ids in one statement; databases limit its parameters


@dataclass(frozen=True, slots=True)
class DatasetRecord:
    """A dataset. ``payload`` is the body that created it, in its order; ``tables`` has the roles with data."""

    id: str
    owner_id: int
    name: str
    description: str
    payload: dict[str, Any]
    created_at: datetime
    updated_at: datetime
    tables: Mapping[Role, ObjectRecord]


class Datasets:
    """The live datasets in one catalog. Who may see one is the caller's decision, by ``owner_id``."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def create(
        self,
        owner_id: int,
        name: str,
        description: str,
        payload: Mapping[str, Any],
        tables: Mapping[Role, str | ObjectRecord],
    ) -> DatasetRecord:
        """A dataset of these tables, possibly of none yet (contract 3.1).

        A table is the id of an object that a file has, or a new object. ``RecordGone`` where the id is not
        known any more.
        """
        now = datetime.now(UTC)
        dataset_id = uuid.uuid4().hex
        row = sa.insert(datasets).values(
            id=dataset_id,
            owner_id=owner_id,
            name=name,
            description=description,
            payload=dict(payload),
            created_at=now,
            updated_at=now,
        )
        with self._catalog.write() as connection:
            connection.execute(row)
            for role, table in tables.items():
                _place(connection, dataset_id, role, table)
            return _dataset(connection, dataset_id)

    def attach(self, dataset_id: str, role: Role, table: ObjectRecord) -> DatasetRecord:
        """Gives the dataset a table that was posted inline (contract 3.2), in place of an earlier one of that
        role.

        ``RecordGone`` where the dataset was deleted meanwhile.
        """
        if not is_id(dataset_id):
            raise RecordGone("dataset", dataset_id)
        touch = sa.update(datasets).where(datasets.c.id == dataset_id, _LIVE).values(updated_at=datetime.now(UTC))
        with self._catalog.write() as connection:
            if connection.execute(touch).rowcount == 0:
                raise RecordGone("dataset", dataset_id)
            _place(connection, dataset_id, role, table)
            return _dataset(connection, dataset_id)

    def get(self, dataset_id: str) -> DatasetRecord | None:
        """The dataset of that id, whoever owns it."""
        if not is_id(dataset_id):
            return None
        with self._catalog.read() as connection:
            found = _records(connection, sa.select(datasets).where(datasets.c.id == dataset_id, _LIVE))
        return found[0] if found else None

    def page(
        self, owner_id: int, limit: int, offset: int, search: str | None = None
    ) -> tuple[int, list[DatasetRecord]]:
        """How many datasets the owner has, and a window of them, newest first.

        ``search`` keeps those with this text in name, description or id, in either case.
        """
        mine = [datasets.c.owner_id == owner_id, _LIVE]
        if search:
            text = storable(search[:_MAXIMUM_SEARCH])
            columns = (datasets.c.name, datasets.c.description, datasets.c.id)
            mine.append(sa.or_(*(column.icontains(text, autoescape=True) for column in columns)))
        query = sa.select(datasets).where(*mine).order_by(datasets.c.created_at.desc(), datasets.c.id)
        with self._catalog.read() as connection:
            count = connection.execute(sa.select(sa.func.count()).select_from(datasets).where(*mine)).scalar_one()
            return int(count), _records(connection, window(query, limit, offset))

    def delete(self, dataset_id: str) -> bool:
        """Whether there was such a dataset. Objects of which nobody else has the name become unreferenced."""
        if not is_id(dataset_id):
            return False
        now = datetime.now(UTC)
        gone = sa.update(datasets).where(datasets.c.id == dataset_id, _LIVE).values(deleted_at=now, updated_at=now)
        with self._catalog.write() as connection:
            if connection.execute(gone).rowcount == 0:
                return False
            connection.execute(sa.delete(dataset_tables).where(dataset_tables.c.dataset_id == dataset_id))
            return True

    def unreferenced_objects(self) -> list[str]:
        """Objects that no file and no dataset names."""
        with self._catalog.read() as connection:
            return list(connection.execute(sa.select(objects.c.id).where(_unreferenced())).scalars())

    def forget_objects(self, object_ids: Iterable[str]) -> list[str]:
        """Drops the rows of those that still are unreferenced, and says which: unlink the bytes of these, and
        only these.

        In this order nothing can come to name bytes that are gone. A crash in between leaves bytes without a
        row, which ``known_objects`` tells apart.
        """
        forgotten: list[str] = []
        with self._catalog.write() as connection:
            for batch in _batches(object_ids):
                query = sa.select(objects.c.id).where(objects.c.id.in_(batch), _unreferenced())
                free = list(connection.execute(query).scalars())
                connection.execute(sa.delete(objects).where(objects.c.id.in_(free)))
                forgotten += free
        return forgotten

    def known_objects(self, object_ids: Iterable[str]) -> set[str]:
        """Those of the ids that have a row. At start, stored bytes of other ids are leftovers."""
        known: set[str] = set()
        with self._catalog.read() as connection:
            for batch in _batches(object_ids):
                known.update(connection.execute(sa.select(objects.c.id).where(objects.c.id.in_(batch))).scalars())
        return known


def _place(connection: Connection, dataset_id: str, role: Role, table: str | ObjectRecord) -> None:
    object_id = table if isinstance(table, str) else table.id
    if isinstance(table, ObjectRecord):
        ensure_object(connection, table)
    elif not has_object(connection, table):
        raise RecordGone("object", table)
    place = (dataset_tables.c.dataset_id == dataset_id, dataset_tables.c.role == role)
    connection.execute(sa.delete(dataset_tables).where(*place))
    connection.execute(sa.insert(dataset_tables).values(dataset_id=dataset_id, role=role, object_id=object_id))


def _dataset(connection: Connection, dataset_id: str) -> DatasetRecord:
    return _records(connection, sa.select(datasets).where(datasets.c.id == dataset_id))[0]


def _records(connection: Connection, query: sa.Select[Any]) -> list[DatasetRecord]:
    """The datasets of a query over ``datasets``, with their tables: two statements, however many they are."""
    rows = connection.execute(query).all()
    tables: dict[str, dict[Role, ObjectRecord]] = {row.id: {} for row in rows}
    joined = (
        sa.select(dataset_tables.c.dataset_id, dataset_tables.c.role, *OBJECT_COLUMNS)
        .select_from(dataset_tables.join(objects))
        .order_by(dataset_tables.c.role)
    )
    for batch in _batches(tables):
        for row in connection.execute(joined.where(dataset_tables.c.dataset_id.in_(batch))):
            found = object_record(row)
            if found is not None:
                tables[row.dataset_id][cast(Role, row.role)] = found
    return [_record(row, tables[row.id]) for row in rows]


def _record(row: Row[Any], tables: Mapping[Role, ObjectRecord]) -> DatasetRecord:
    return DatasetRecord(
        id=row.id,
        owner_id=row.owner_id,
        name=row.name,
        description=row.description,
        payload=row.payload,
        created_at=row.created_at,
        updated_at=row.updated_at,
        tables=tables,
    )


def _unreferenced() -> sa.ColumnElement[bool]:
    named_by_file = sa.exists().where(files.c.object_id == objects.c.id)
    named_by_dataset = sa.exists().where(dataset_tables.c.object_id == objects.c.id)
    return sa.and_(~named_by_file, ~named_by_dataset)


def _batches(ids: Iterable[str]) -> Iterable[list[str]]:
    remaining = list(ids)
    for start in range(0, len(remaining), _BATCH):
        yield remaining[start : start + _BATCH]
