"""All rows of a catalog as JSON values: how they leave one database and come into another.

What belongs to a database rather than to what is in it stays: its ``version`` and its ``identity``.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import islice
from typing import Any, Final  # Any: JSON values, and what SQLAlchemy tells of a column it finds

import sqlalchemy as sa
from sqlalchemy import Connection, Table, event

from catalog import dialects
from catalog.column_types import OrderedJSON, UtcDateTime
from catalog.tables import identity, metadata, version

_BATCH: Final = 500
_NOT_MOVED: Final = frozenset((version.name, identity.name, "alembic_version"))

JsonRow = dict[str, Any]


def moved_tables() -> list[Table]:
    """Those of this release, each after those that it refers to."""
    return [table for table in metadata.sorted_tables if table.name not in _NOT_MOVED]


def found_tables(connection: Connection) -> list[Table]:
    """The same of a database that may be of an earlier release."""
    found = sa.MetaData()
    event.listen(found, "column_reflect", _as_ours)
    found.reflect(connection)
    return [table for table in found.sorted_tables if table.name not in _NOT_MOVED]


def read_rows(connection: Connection, table: Table) -> Iterator[JsonRow]:
    """Every row, in the order of its key, some hundred in memory at a time."""
    query = sa.select(table).order_by(*table.primary_key.columns).execution_options(yield_per=_BATCH)
    for row in connection.execute(query).mappings():
        yield {name: _to_json(value) for name, value in row.items()}


def insert_rows(connection: Connection, table: Table, rows: Iterable[JsonRow]) -> int:
    """Adds them; how many. ``ValueError`` for what no row of this table looks like."""
    remaining = iter(rows)
    count = 0
    while batch := [_from_json(table, row) for row in islice(remaining, _BATCH)]:
        connection.execute(sa.insert(table), batch)
        count += len(batch)
    dialects.continue_ids(connection, table)
    return count


def _to_json(value: object) -> object:
    return value.isoformat() if isinstance(value, datetime) else value


def _from_json(table: Table, row: JsonRow) -> JsonRow:
    if row.keys() != set(table.columns.keys()):
        raise ValueError(f"a row of {table.name} has other columns")
    times = {name for name, column in table.columns.items() if isinstance(column.type, UtcDateTime)}
    return {name: datetime.fromisoformat(value) if value and name in times else value for name, value in row.items()}


def _as_ours(_inspector: object, _table: Table, column: Any) -> None:
    """Gives a column that was found the type that its values are handled with."""
    if isinstance(column["type"], sa.DateTime):
        column["type"] = UtcDateTime()
    elif isinstance(column["type"], sa.JSON):
        column["type"] = OrderedJSON
