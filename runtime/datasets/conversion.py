"""One column of a table as pandas holds it, by pyarrow's conversion, except where that changes values inside of others.

pyarrow makes floats of integers beside nulls, and plain numbers of nanoseconds inside objects.
"""

from importlib import import_module
from typing import Any

import pandas as pd
import pyarrow as pa

import_module("pandas.core.arrays.arrow.extension_types")  # registers the types of periods and intervals with pyarrow


def to_series(table: pa.Table) -> "pd.Series[Any]":
    """Return the only column of a table. Raises what pyarrow and pandas raise."""
    column: Any = table.column(0)
    if _hides_nanoseconds(column.type, inside=False):
        return pd.Series(column.to_pylist(), dtype=object, name=table.column_names[0])
    nested = pa.types.is_nested(column.type)
    return table.to_pandas(use_threads=False, integer_object_nulls=nested).iloc[:, 0]


def _hides_nanoseconds(given: Any, *, inside: bool) -> bool:  # Any: pa.DataType, whose stubs lack attributes
    """Return whether objects (structs and maps) in this type have times or durations of nanoseconds."""
    if pa.types.is_timestamp(given) or pa.types.is_duration(given):
        return inside and bool(given.unit == "ns")
    inside = inside or pa.types.is_struct(given) or pa.types.is_map(given)
    return any(_hides_nanoseconds(given.field(at).type, inside=inside) for at in range(given.num_fields))
