"""All rows of a catalog as JSON values, to move them from one database to another.

What belongs to the database and not to its contents stays behind: its ``version`` and its ``identity``.
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
    """Return this release's tables, each after the tables that it refers to."""
    return [table for table in metadata.sorted_tables if table.name not in _NOT_MOVED]


def found_tables(connection: Connection) -> list[Table]:
    """Return the tables of a database of this or an earlier release, in the same order."""
    found = sa.MetaData()
    event.listen(found, "column_reflect", _as_ours)
    found.reflect(connection)
    return [table for table in found.sorted_tables if table.name not in _NOT_MOVED]


def read_rows(connection: Connection, table: Table) -> Iterator[JsonRow]:
    """Yield every row in the order of its key, with a few hundred in memory at a time."""
    query = sa.select(table).order_by(*table.primary_key.columns).execution_options(yield_per=_BATCH)
    for row in connection.execute(query).mappings():
        yield {name: _to_json(value) for name, value in row.items()}


def insert_rows(connection: Connection, table: Table, rows: Iterable[JsonRow]) -> int:
    """Insert rows and return how many. Raises ``ValueError`` for anything that is not a row of this table."""
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
    """Give a reflected column the type that converts its values."""
    if isinstance(column["type"], sa.DateTime):
        column["type"] = UtcDateTime()
    elif isinstance(column["type"], sa.JSON):
        column["type"] = OrderedJSON
