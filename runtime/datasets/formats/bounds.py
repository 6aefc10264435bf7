"""What no table may exceed, whatever its format: enough for any real one, too little to stall a parser."""

from typing import Any

import pyarrow as pa

from runtime.errors import InvalidTable

MAX_COLUMNS = 16_384
"""As many as a sheet of Excel has. Each column costs time wherever a table is touched."""

MAX_CELLS = 500_000_000
"""Of a table that is built value by value (JSON): ten seconds or more."""

MAX_HOLLOW_CELLS = 1 << 28
"""Cells of columns that hold no values: they cost nothing to declare, and 8 bytes each in a frame."""


def check_columns(count: int) -> None:
    """Raises ``InvalidTable`` for more columns than a table may have."""
    if count > MAX_COLUMNS:
        raise InvalidTable(f"The table has {count:,} columns; at most {MAX_COLUMNS:,} can be stored.")


def check_cells(rows: int, columns: int) -> None:
    """Raises ``InvalidTable`` for more cells than can be built one by one."""
    check_columns(columns)
    if rows * columns > MAX_CELLS:
        raise InvalidTable(f"The table has {rows:,} rows of {columns:,} columns; send so many as Parquet or Arrow.")


def check(table: pa.Table) -> None:
    """Raises ``InvalidTable`` for a table that is too wide, or declares many rows and holds nothing for them."""
    check_columns(table.num_columns)
    hollow = sum(_is_hollow(field.type) for field in table.schema)
    if table.num_columns == 0:
        hollow = 1
    if hollow * table.num_rows > MAX_HOLLOW_CELLS:
        raise InvalidTable(
            f"The table declares {table.num_rows:,} rows, and {hollow:,} of its columns hold no values; "
            "leave those out."
        )


def _is_hollow(given: Any) -> bool:  # pa.DataType: the stubs know no byte_width of it
    """Whether a column of this type may have any length without holding a byte."""
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
