"""Files: a declared type, and the table that was parsed from the bytes (protocol 2)."""

import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final  # Any: JSON values, and rows read by column name

import sqlalchemy as sa
from sqlalchemy import Connection, Row

from catalog.engine import Catalog
from catalog.tables import files, objects
from runtime.datasets.records.objects import (
    OBJECT_COLUMNS,
    ObjectRecord,
    RecordGone,
    ensure_object,
    is_id,
    object_record,
)
from runtime.datasets.records.paging import listed_json, listed_text, window
from runtime.datasets.records.usage import within

MOST_ERRORS: Final = 10
_ERROR_CHARACTERS: Final = 1000
"""What is kept of the errors of an upload."""

_JOINED = files.outerjoin(objects)
_FILES = sa.select(files, *OBJECT_COLUMNS).select_from(_JOINED)

_LONG: Final = {
    "name": listed_text(files.c.name),
    "description": listed_text(files.c.description),
    "parser_options": listed_json(files.c.parser_options),
    "errors": listed_json(files.c.errors),
    "object_dtypes_": listed_json(objects.c.dtypes),
}
_LISTED = sa.select(
    *(
        _LONG[column.name].label(column.name) if column.name in _LONG else column
        for column in (*files.c, *OBJECT_COLUMNS)
    )
).select_from(_JOINED)


@dataclass(frozen=True, slots=True)
class FileRecord:
    """A file (protocol 2.2). ``is_valid`` is None before the first upload; ``object`` is None unless it is valid.

    ``bytes_count`` counts the bytes sent, ``object.byte_count`` those stored. ``errors`` comes from ``failed``.
    In a list, long JSON is None (``object.dtypes``: empty), and texts are cut.
    """

    id: str
    owner_id: int
    file_type: str
    file_compression: str
    name: str | None
    description: str | None
    parser_options: dict[str, Any] | None
    sql_transforms: list[str] | None
    agent_name: str | None
    agent_version: str | None
    org_name: str | None
    object: ObjectRecord | None
    bytes_count: int | None
    is_valid: bool | None
    is_uploaded: bool
    errors: Any
    created_at: datetime
    updated_at: datetime


class Files:
    """The files in one catalog. Owners see only their own. ``most_bytes`` limits the stored bytes of each owner."""

    def __init__(self, catalog: Catalog, most_bytes: int | None = None) -> None:
        self._catalog = catalog
        self._most_bytes = most_bytes

    def create(
        self,
        owner_id: int,
        *,
        file_type: str,
        file_compression: str = "",
        name: str | None = None,
        description: str | None = None,
        parser_options: dict[str, Any] | None = None,
        sql_transforms: Sequence[str] | None = None,
        agent_name: str | None = None,
        agent_version: str | None = None,
        org_name: str | None = None,
    ) -> FileRecord:
        """Create a file without bytes. The fields are those of protocol 2.1, which the caller has checked.

        Raises ``StorageFull`` if long parser options exceed the owner's limit.
        """
        now = datetime.now(UTC)
        file_id = uuid.uuid4().hex
        row = sa.insert(files).values(
            id=file_id,
            owner_id=owner_id,
            file_type=file_type,
            file_compression=file_compression,
            name=name,
            description=description,
            parser_options=parser_options or {},
            options_bytes=_size(parser_options or {}, name, description),
            sql_transforms=None if sql_transforms is None else list(sql_transforms),
            agent_name=agent_name,
            agent_version=agent_version,
            org_name=org_name,
            is_uploaded=False,
            created_at=now,
            updated_at=now,
        )
        with self._catalog.write() as connection:
            with within(connection, owner_id, self._most_bytes):
                connection.execute(row)
            return _file(connection, file_id)

    def get(self, file_id: str, owner_id: int) -> FileRecord | None:
        if not is_id(file_id):
            return None
        query = _FILES.where(files.c.id == file_id, files.c.owner_id == owner_id)
        with self._catalog.read() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else _record(row)

    def page(self, owner_id: int, limit: int, offset: int) -> tuple[int, list[FileRecord]]:
        """Return the number of the owner's files, and a page of them, newest first."""
        mine = files.c.owner_id == owner_id
        query = window(_LISTED.where(mine).order_by(files.c.created_at.desc(), files.c.id), limit, offset)
        with self._catalog.read() as connection:
            count = connection.execute(sa.select(sa.func.count()).select_from(files).where(mine)).scalar_one()
            return int(count), [_record(row) for row in connection.execute(query)]

    def change(self, file_id: str, **columns: Any) -> FileRecord:
        """Change ``name``, ``description`` or ``parser_options``; the options apply from the next upload on.

        Raises ``RecordGone`` if the file was deleted meanwhile, ``StorageFull`` as ``create`` does.
        """
        with self._catalog.write() as connection:
            now = _file(connection, file_id)
            told = (columns.get(name, getattr(now, name)) for name in ("parser_options", "name", "description"))
            with within(connection, now.owner_id, self._most_bytes):
                return _set(connection, file_id, **columns, options_bytes=_size(*told))

    def uploaded(self, file_id: str, table: ObjectRecord, bytes_count: int) -> FileRecord:
        """Record an upload of ``bytes_count`` bytes that was stored as this table, which replaces an earlier one.

        Raises ``RecordGone`` if the file was deleted meanwhile, ``StorageFull`` if its owner's limit is exceeded.
        """
        with self._catalog.write() as connection:
            owner_id = _file(connection, file_id).owner_id
            with within(connection, owner_id, self._most_bytes):
                ensure_object(connection, table)
                return _set(
                    connection,
                    file_id,
                    object_id=table.id,
                    bytes_count=bytes_count,
                    is_valid=True,
                    is_uploaded=True,
                    errors=None,
                )

    def failed(self, file_id: str, errors: Sequence[str]) -> FileRecord:
        """Record an upload that is not a valid table. The file then has no table, as before its first upload.

        Raises ``RecordGone`` if the file was deleted meanwhile.
        """
        with self._catalog.write() as connection:
            return _set(
                connection,
                file_id,
                object_id=None,
                bytes_count=None,
                is_valid=False,
                is_uploaded=False,
                errors=[error[:_ERROR_CHARACTERS] for error in errors[:MOST_ERRORS]],
            )

    def delete(self, file_id: str, owner_id: int) -> bool:
        """Delete the file and return whether it existed. Datasets made from it keep its table."""
        if not is_id(file_id):
            return False
        with self._catalog.write() as connection:
            mine = sa.delete(files).where(files.c.id == file_id, files.c.owner_id == owner_id)
            return connection.execute(mine).rowcount > 0


def _file(connection: Connection, file_id: str) -> FileRecord:
    row = connection.execute(_FILES.where(files.c.id == file_id)).one_or_none() if is_id(file_id) else None
    if row is None:
        raise RecordGone("file", file_id)
    return _record(row)


def _set(connection: Connection, file_id: str, **columns: Any) -> FileRecord:
    if not is_id(file_id):
        raise RecordGone("file", file_id)
    connection.execute(sa.update(files).where(files.c.id == file_id).values(**columns, updated_at=datetime.now(UTC)))
    return _file(connection, file_id)


def _size(options: dict[str, Any] | None, name: str | None, description: str | None) -> int:
    """Return about how many bytes the row takes for what its owner wrote."""
    return len(json.dumps(options or {})) + sum(
        len(text.encode("utf-8", "replace")) for text in (name, description) if text
    )


def _record(row: Row[Any]) -> FileRecord:
    return FileRecord(
        id=row.id,
        owner_id=row.owner_id,
        file_type=row.file_type,
        file_compression=row.file_compression,
        name=row.name,
        description=row.description,
        parser_options=row.parser_options,
        sql_transforms=row.sql_transforms,
        agent_name=row.agent_name,
        agent_version=row.agent_version,
        org_name=row.org_name,
        object=object_record(row),
        bytes_count=row.bytes_count,
        is_valid=row.is_valid,
        is_uploaded=row.is_uploaded,
        errors=row.errors,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )
