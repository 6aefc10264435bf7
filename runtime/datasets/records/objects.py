"""Rows of stored tables, to which files and datasets refer."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal  # Any: rows are read by column name, which SQLAlchemy does not type

import sqlalchemy as sa
from sqlalchemy import Connection, Row

from catalog.tables import objects

_ID = re.compile(r"[0-9a-f]{32}")


class RecordGone(Exception):
    """A record was deleted while something was being added to it."""

    def __init__(self, kind: Literal["file", "dataset", "object"], record_id: str) -> None:
        super().__init__(f"{kind} {record_id} not found")
        self.kind = kind
        self.record_id = record_id


@dataclass(frozen=True, slots=True)
class ObjectRecord:
    """A stored table of ``byte_count`` bytes. ``dtypes`` is {column: dtype}, in column order."""

    id: str
    byte_count: int
    row_count: int
    column_count: int
    dtypes: Mapping[str, str]
    created_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def described_bytes(self) -> int:
        """Return about how many bytes the names and types of the columns have."""
        return sum(len(name) + len(dtype) + 6 for name, dtype in self.dtypes.items())


# Labelled, because files and datasets have columns of the same names. All are None if a join found nothing.
OBJECT_COLUMNS = [column.label(f"object_{column.name}_") for column in objects.c]


def object_record(row: Row[Any]) -> ObjectRecord | None:
    """Return the object in a row of ``OBJECT_COLUMNS``, or None."""
    if row.object_id_ is None:
        return None
    return ObjectRecord(
        id=row.object_id_,
        byte_count=row.object_byte_count_,
        row_count=row.object_row_count_,
        column_count=row.object_column_count_,
        dtypes=row.object_dtypes_ or {},
        created_at=row.object_created_at_,
    )


def ensure_object(connection: Connection, record: ObjectRecord) -> None:
    """Add the object's row unless it exists. Objects never change, so an existing row is the same."""
    if not has_object(connection, record.id):
        connection.execute(
            sa.insert(objects).values(
                id=record.id,
                byte_count=record.byte_count,
                row_count=record.row_count,
                column_count=record.column_count,
                dtypes=dict(record.dtypes),
                created_at=record.created_at,
            )
        )


def has_object(connection: Connection, object_id: str) -> bool:
    if not is_id(object_id):
        return False
    found = connection.execute(sa.select(objects.c.id).where(objects.c.id == object_id)).one_or_none()
    return found is not None


def is_id(text: str) -> bool:
    """Return whether the text has the form of an id. No query is made for any other text."""
    return _ID.fullmatch(text) is not None
