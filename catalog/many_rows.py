"""Inserts of many rows in few statements, for writers beside an event loop.

With a statement a row, as ``executemany`` has it, the driver gives the interpreter away and takes it back for each row,
and the loop stops each time. Here it does so once for a hundred rows.
"""

from collections.abc import Callable, Sequence
from itertools import repeat
from typing import Any, Final  # Any: values as SQLAlchemy takes them

import sqlalchemy as sa
from sqlalchemy import Connection
from sqlalchemy.engine import Dialect

_CHUNKS: Final = (100, 10, 1)
"""Rows of a statement. Few sizes, so that the database finds its prepared statements again."""

Row = Sequence[Any]


class ManyRows:
    """An INSERT of whole rows. ``or_nothing``: a row whose key is taken is left out."""

    def __init__(self, table: sa.Table, columns: Sequence[str], *, or_nothing: bool = False) -> None:
        self._columns = [table.columns[name] for name in columns]
        names = ", ".join(columns)
        self._head = f"INSERT INTO {table.name} ({names}) VALUES "  # noqa: S608  # names of ours
        self._tail = " ON CONFLICT DO NOTHING" if or_nothing else ""
        self._by_dialect: dict[str, _Prepared] = {}

    def insert(self, connection: Connection, rows: Sequence[Row]) -> None:
        """Insert rows, each with a value for every column, in their order."""
        dialect = connection.dialect
        prepared = self._by_dialect.get(dialect.name)
        if prepared is None:
            prepared = self._by_dialect[dialect.name] = self._prepared(dialect)
        done = 0
        for size in _CHUNKS:
            while len(rows) - done >= size:
                connection.exec_driver_sql(prepared.statements[size], prepared.values(rows[done : done + size]))
                done += size

    def _prepared(self, dialect: Dialect) -> "_Prepared":
        mark = "?" if dialect.paramstyle == "qmark" else "%s"
        row = f"({', '.join(repeat(mark, len(self._columns)))})"
        statements = {size: self._head + ", ".join(repeat(row, size)) + self._tail for size in _CHUNKS}
        return _Prepared(statements, [_processor(column, dialect) for column in self._columns])


class _Prepared:
    """The statements by number of rows, and what makes the driver's value of a column."""

    def __init__(self, statements: dict[int, str], processors: list[Callable[[Any], Any] | None]) -> None:
        self.statements = statements
        self._processors = processors

    def values(self, rows: Sequence[Row]) -> tuple[Any, ...]:
        return tuple(
            value if process is None else process(value)
            for row in rows
            for process, value in zip(self._processors, row, strict=True)
        )


def _processor(column: sa.Column[Any], dialect: Dialect) -> Callable[[Any], Any] | None:
    """Return what SQLAlchemy does with a column's values before it gives them to the driver."""
    return column.type.dialect_impl(dialect).bind_processor(dialect)
