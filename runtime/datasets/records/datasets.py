"""Datasets: the description that a client sent, and the tables that belong to it (protocol 3)."""

import json
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal, cast  # Any: JSON values, and rows read by column name

import sqlalchemy as sa
from sqlalchemy import Connection, Row

from catalog.column_types import storable
from catalog.engine import Catalog
from catalog.tables import dataset_tables, datasets, files, objects, shares
from runtime.datasets.records.access import Access, Mode, Reader, access_in, facts, listed, live
from runtime.datasets.records.objects import (
    OBJECT_COLUMNS,
    ObjectRecord,
    RecordGone,
    ensure_object,
    has_object,
    is_id,
    object_record,
)
from runtime.datasets.records.paging import listed_json, listed_text, window
from runtime.datasets.records.shares import forget_share
from runtime.datasets.records.usage import within

Role = Literal["edges", "nodes"]

_MAXIMUM_SEARCH = 200  # characters; databases limit the length of a pattern
_BATCH = 500  # ids in one statement; databases limit its parameters


@dataclass(frozen=True, slots=True)
class DatasetRecord:
    """A dataset. ``payload`` is the body that created it, keys in order; ``tables`` has the roles with data.

    In a list, the texts are cut, the tables have no dtypes, and ``payload`` is empty if it ``is_long``.
    """

    id: str
    owner_id: int
    name: str
    description: str
    payload: dict[str, Any]
    created_at: datetime
    updated_at: datetime
    tables: Mapping[Role, ObjectRecord]
    organization_id: int | None = None
    expires_at: datetime | None = None
    is_long: bool = False
    payload_bytes: int = 0

    @property
    def has_expired(self) -> bool:
        """Return whether it has expired, perhaps since it was read."""
        return self.expires_at is not None and self.expires_at <= datetime.now(UTC)

    @property
    def size(self) -> int:
        """Return about how many bytes the description and the names of the columns have."""
        return self.payload_bytes + sum(table.described_bytes for table in self.tables.values())


class Datasets:
    """The live datasets in one catalog. ``Shares`` decides who may see one.

    ``default`` is the mode of a dataset that nobody has shared. ``most_bytes`` limits the stored bytes of each owner.
    """

    def __init__(self, catalog: Catalog, default: Mode = "private", most_bytes: int | None = None) -> None:
        self._catalog = catalog
        self._default = default
        self._most_bytes = most_bytes

    def create(
        self,
        owner_id: int,
        name: str,
        description: str,
        payload: Mapping[str, Any],
        tables: Mapping[Role, str | ObjectRecord],
        *,
        organization_id: int | None = None,
        expires_at: datetime | None = None,
    ) -> DatasetRecord:
        """Create a dataset of these tables, possibly of none yet (protocol 3.1).

        A table is a new object or the id of a file's object. Raises ``RecordGone`` if the id is no longer known, and
        ``StorageFull`` if new objects exceed the owner's limit.
        """
        now = datetime.now(UTC)
        dataset_id = uuid.uuid4().hex
        row = sa.insert(datasets).values(
            id=dataset_id,
            owner_id=owner_id,
            name=name,
            description=description,
            payload=dict(payload),
            payload_bytes=len(json.dumps(dict(payload))),
            created_at=now,
            updated_at=now,
            organization_id=organization_id,
            expires_at=expires_at,
        )
        with self._catalog.write() as connection:
            with within(connection, owner_id, self._most_bytes):
                connection.execute(row)
                for role, table in tables.items():
                    _put_table(connection, dataset_id, role, table)
            return _dataset(connection, dataset_id)

    def attach(self, dataset_id: str, role: Role, table: ObjectRecord) -> DatasetRecord:
        """Give the dataset a table that was posted inline (protocol 3.2), replacing the one of that role.

        Raises ``RecordGone`` if the dataset was deleted meanwhile, ``StorageFull`` if its owner's limit is exceeded.
        """
        if not is_id(dataset_id):
            raise RecordGone("dataset", dataset_id)
        found = sa.select(datasets.c.owner_id).where(datasets.c.id == dataset_id, live())
        touch = sa.update(datasets).where(datasets.c.id == dataset_id).values(updated_at=datetime.now(UTC))
        with self._catalog.write() as connection:
            owner_id = connection.execute(found).scalar_one_or_none()
            if owner_id is None:
                raise RecordGone("dataset", dataset_id)
            with within(connection, owner_id, self._most_bytes):
                connection.execute(touch)
                _put_table(connection, dataset_id, role, table)
            return _dataset(connection, dataset_id)

    def get(self, dataset_id: str) -> DatasetRecord | None:
        """Return the dataset of that id, without a check of who may see it."""
        if not is_id(dataset_id):
            return None
        with self._catalog.read() as connection:
            rows = connection.execute(sa.select(datasets).where(datasets.c.id == dataset_id, live())).all()
            return _records(connection, rows)[0] if rows else None

    def page(
        self, reader: Reader, limit: int, offset: int, search: str | None = None
    ) -> tuple[int, list[tuple[DatasetRecord, Access]]]:
        """Return the number of the reader's own and shared datasets, and a page of them, newest first.

        ``search`` keeps datasets with this text, in any case, in name, description or id. Datasets that are only public
        are never listed.
        """
        wanted = [listed(reader, self._default), live()]
        if search:
            text = storable(search[:_MAXIMUM_SEARCH])
            columns = (datasets.c.name, datasets.c.description, datasets.c.id)
            wanted.append(sa.or_(*(column.icontains(text, autoescape=True) for column in columns)))
        newest = (datasets.c.created_at.desc(), datasets.c.id)
        # Select the page's ids first, so that the joins run for this page only.
        within_window = window(sa.select(datasets.c.id).where(*wanted).order_by(*newest), limit, offset)
        query = (
            sa.select(*_LISTED, *facts(reader, self._default))
            .select_from(datasets.outerjoin(shares))
            .where(datasets.c.id.in_(within_window))
            .order_by(*newest)
        )
        with self._catalog.read() as connection:
            count = connection.execute(sa.select(sa.func.count()).select_from(datasets).where(*wanted)).scalar_one()
            rows = connection.execute(query).all()
            return int(count), list(zip(_records(connection, rows, _LISTED_OBJECTS), map(access_in, rows), strict=True))

    def delete(self, dataset_id: str) -> bool:
        """Delete the dataset and return whether it existed. Objects no longer referenced become garbage."""
        if not is_id(dataset_id):
            return False
        found = sa.select(datasets.c.id).where(datasets.c.id == dataset_id, live())
        with self._catalog.write() as connection:
            if connection.execute(found).one_or_none() is None:
                return False
            _bury(connection, [dataset_id])
            return True

    def expire(self, now: datetime) -> list[str]:
        """Delete the datasets that have expired by ``now`` and return their ids: runners may still have them cached.

        Readers did not see them since they expired. If there are none, nothing is written. Other writes wait for some
        hundred of them at a time, however many one user left to expire.
        """
        over = sa.select(datasets.c.id).where(datasets.c.deleted_at.is_(None), datasets.c.expires_at <= now)
        with self._catalog.read() as connection:
            found = list(connection.execute(over.order_by(datasets.c.id)).scalars())
        expired: list[str] = []
        for batch in _batches(found):
            with self._catalog.write() as connection:
                buried = list(connection.execute(over.where(datasets.c.id.in_(batch))).scalars())
                _bury(connection, buried)
            expired += buried
        return expired

    def unreferenced_objects(self) -> list[str]:
        """Return the objects to which no file and no dataset refers."""
        with self._catalog.read() as connection:
            return list(connection.execute(sa.select(objects.c.id).where(_unreferenced())).scalars())

    def forget_objects(self, object_ids: Iterable[str]) -> list[str]:
        """Delete the rows of objects that are still unreferenced and return their ids. Delete the bytes of only these.

        In this order, no record can refer to bytes that are gone. A crash in between leaves bytes without a row, which
        ``known_objects`` detects.
        """
        forgotten: list[str] = []
        for batch in _batches(object_ids):
            with self._catalog.write() as connection:
                query = sa.select(objects.c.id).where(objects.c.id.in_(batch), _unreferenced())
                free = list(connection.execute(query).scalars())
                connection.execute(sa.delete(objects).where(objects.c.id.in_(free)))
            forgotten += free
        return forgotten

    def known_objects(self, object_ids: Iterable[str]) -> set[str]:
        """Return those of the ids that have a row. Stored bytes under any other id are leftovers of a crash."""
        known: set[str] = set()
        with self._catalog.read() as connection:
            for batch in _batches(object_ids):
                known.update(connection.execute(sa.select(objects.c.id).where(objects.c.id.in_(batch))).scalars())
        return known


_LONG: Final = {
    "name": listed_text(datasets.c.name),
    "description": listed_text(datasets.c.description),
    "payload": listed_json(datasets.c.payload, datasets.c.payload_bytes),
}
_LISTED: Final = [_LONG[column.name].label(column.name) if column.name in _LONG else column for column in datasets.c]
_LISTED_OBJECTS: Final = [
    sa.null().label(label.name) if label.name == "object_dtypes_" else label for label in OBJECT_COLUMNS
]


def _put_table(connection: Connection, dataset_id: str, role: Role, table: str | ObjectRecord) -> None:
    object_id = table if isinstance(table, str) else table.id
    if isinstance(table, ObjectRecord):
        ensure_object(connection, table)
    elif not has_object(connection, table):
        raise RecordGone("object", table)
    is_role = (dataset_tables.c.dataset_id == dataset_id, dataset_tables.c.role == role)
    connection.execute(sa.delete(dataset_tables).where(*is_role))
    connection.execute(sa.insert(dataset_tables).values(dataset_id=dataset_id, role=role, object_id=object_id))


def _bury(connection: Connection, dataset_ids: list[str]) -> None:
    """Mark datasets as deleted. Ids, owners and times stay; texts, tables and invitations do not."""
    now = datetime.now(UTC)
    nothing = {"name": "", "description": "", "payload": {}, "payload_bytes": 0}
    gone = sa.update(datasets).where(datasets.c.id.in_(dataset_ids))
    connection.execute(gone.values(deleted_at=now, updated_at=now, **nothing))
    connection.execute(sa.delete(dataset_tables).where(dataset_tables.c.dataset_id.in_(dataset_ids)))
    forget_share(connection, dataset_ids)


def _dataset(connection: Connection, dataset_id: str) -> DatasetRecord:
    rows = connection.execute(sa.select(datasets).where(datasets.c.id == dataset_id)).all()
    return _records(connection, rows)[0]


def _records(
    connection: Connection, rows: Sequence[Row[Any]], columns: Sequence[sa.ColumnElement[Any]] = OBJECT_COLUMNS
) -> list[DatasetRecord]:
    """Return the datasets of these rows with their tables, which one statement per batch reads."""
    tables: dict[str, dict[Role, ObjectRecord]] = {row.id: {} for row in rows}
    joined = (
        sa.select(dataset_tables.c.dataset_id, dataset_tables.c.role, *columns)
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
        payload=row.payload or {},
        created_at=row.created_at,
        updated_at=row.updated_at,
        tables=tables,
        organization_id=row.organization_id,
        expires_at=row.expires_at,
        is_long=row.payload is None,
        payload_bytes=row.payload_bytes or 0,
    )


def _unreferenced() -> sa.ColumnElement[bool]:
    named_by_file = sa.exists().where(files.c.object_id == objects.c.id)
    named_by_dataset = sa.exists().where(dataset_tables.c.object_id == objects.c.id)
    return sa.and_(~named_by_file, ~named_by_dataset)


def _batches(ids: Iterable[str]) -> Iterable[list[str]]:
    remaining = list(ids)
    for start in range(0, len(remaining), _BATCH):
        yield remaining[start : start + _BATCH]
