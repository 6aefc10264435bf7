"""One column of a table as pandas holds it, by pyarrow's conversion, except where that changes values inside of others.

pyarrow makes floats of integers beside nulls, plain numbers of nanoseconds inside objects, and times without a zone of
zoned times inside lists and categories.
"""

from importlib import import_module
from typing import Any

import pandas as pd
import pyarrow as pa

from runtime.arrow_types import is_list
from runtime.datasets.pandas_schema import PandasNote

import_module("pandas.core.arrays.arrow.extension_types")  # registers the types of periods and intervals with pyarrow


def to_series(table: pa.Table) -> "pd.Series[Any]":
    """Return the only column of a table. Raises what pyarrow and pandas raise."""
    column: Any = table.column(0)
    name = table.column_names[0]
    if pa.types.is_dictionary(column.type) and is_zoned(column.type.value_type):
        return pd.Series(_zoned_categories(column), name=name)
    if _changes_times(column.type, inside=False):
        return pd.Series(column.to_pylist(), dtype=object, name=name)
    nested = pa.types.is_nested(column.type)
    return table.to_pandas(use_threads=False, integer_object_nulls=nested).iloc[:, 0]


def single_column(table: pa.Table, position: int, note: PandasNote) -> pa.Table:
    """Return a column as a table of its own. ``note``: that of the table, of which the column keeps its own entry.

    pyarrow reads the whole note at every conversion, which takes long if a note of many columns comes with each.
    """
    described = table.schema.field(position)
    schema = pa.schema([described]).with_metadata(note.metadata([described.name]) or {})
    return pa.Table.from_arrays([table.column(position)], schema=schema)


def is_zoned(given: Any) -> bool:  # Any: pa.DataType, whose stubs lack attributes
    """Return whether values of this type are times with a time zone."""
    return pa.types.is_timestamp(given) and given.tz is not None


def _zoned_categories(column: Any) -> pd.Categorical:
    whole = column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)
    codes = whole.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    return pd.Categorical.from_codes(codes, whole.dictionary.to_pandas(), ordered=whole.type.ordered)


def _changes_times(given: Any, *, inside: bool) -> bool:
    """Return whether pyarrow changes times in this type.

    Such are zoned times in lists, and times and durations of nanoseconds in objects (structs and maps).
    """
    types = pa.types
    if types.is_dictionary(given):
        return _changes_times(given.value_type, inside=inside)
    if types.is_timestamp(given) or types.is_duration(given):
        return inside and bool(given.unit == "ns")
    if is_list(given) and is_zoned(_plain(given.value_type)):
        return True
    inside = inside or types.is_struct(given) or types.is_map(given)
    return any(_changes_times(given.field(at).type, inside=inside) for at in range(given.num_fields))


def _plain(given: Any) -> Any:
    return given.value_type if pa.types.is_dictionary(given) else given
