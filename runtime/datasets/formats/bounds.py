"""Limits of every table, whatever its format: enough for any real table, too little to stall a parser."""

from typing import Any

import pyarrow as pa

from runtime.errors import InvalidTable

MAX_COLUMNS = 16_384
"""The columns of an Excel sheet. There is a bound because every column costs time at each step."""

MAX_CELLS = 500_000_000
"""Cells of a table that is built value by value (JSON); so many take ten seconds or more."""

MAX_DEPTH = 16
"""Levels of lists and objects in a value: readers take long for deep values, and no frame uses them."""

MAX_HOLLOW_CELLS = 1 << 28
"""Cells of columns without values: they cost nothing in the file, but 8 bytes each in a frame."""


def check_columns(count: int) -> None:
    """Raise ``InvalidTable`` for too many columns."""
    if count > MAX_COLUMNS:
        raise InvalidTable(f"the table has {count:,} columns; at most {MAX_COLUMNS:,} can be stored")


def check_cells(rows: int, columns: int) -> None:
    """Raise ``InvalidTable`` for more cells than can be built one by one."""
    check_columns(columns)
    if rows * columns > MAX_CELLS:
        raise InvalidTable(
            f"the table has {rows:,} rows of {columns:,} columns, too many for JSON; send it as Parquet or Arrow"
        )


def check(table: pa.Table) -> None:
    """Raise ``InvalidTable`` for a table with too many columns, or with many rows that hold nothing."""
    check_columns(table.num_columns)
    hollow = sum(_is_hollow(field.type) for field in table.schema)
    if table.num_columns == 0:
        hollow = 1
    if hollow * table.num_rows > MAX_HOLLOW_CELLS:
        raise InvalidTable(
            f"the table declares {table.num_rows:,} rows, and {hollow:,} of its columns hold no values; "
            "leave these columns out"
        )


def _is_hollow(given: Any) -> bool:  # pa.DataType: the stubs know no byte_width of it
    """Return whether a column of this type can have any length without holding a byte."""
    types = pa.types
    if types.is_null(given):
        return True
    if types.is_fixed_size_binary(given):
        return bool(given.byte_width == 0)
    if types.is_fixed_size_list(given):
        return bool(given.list_size == 0) or _is_hollow(given.value_type)
    if types.is_struct(given):
        return all(_is_hollow(given.field(position).type) for position in range(given.num_fields))
    if types.is_run_end_encoded(given):
        return _is_hollow(given.value_type)
    if isinstance(given, pa.BaseExtensionType):
        return _is_hollow(given.storage_type)
    return False
