"""Columns of Python objects as Arrow arrays: only if Arrow has a type for them and keeps every value as it is.

Arrow takes the type of the first values: of a date and a time it would make two dates, of nanoseconds microseconds.
"""

import datetime
from typing import Any, Final, TypeAlias

import numpy as np
import pandas as pd
import pyarrow as pa
from pyarrow import types

from runtime.results.arrow_values import is_list

Column: TypeAlias = "pd.Series[Any]"
Array = Any  # pa.Array or pa.ChunkedArray

REFUSALS: Final = (pa.ArrowException, TypeError, ValueError, OverflowError)
"""What Arrow raises for values that have no type in common."""

_MISSING: Final = frozenset({type(None), type(pd.NA), type(pd.NaT)})
_PANDAS_TIMES: Final = frozenset({pd.Timestamp, pd.Timedelta})
_ZONED: Final = (datetime.datetime, datetime.time)
_MIXED_UP: Final = (
    datetime.date,
    datetime.time,
    datetime.timedelta,
    np.datetime64,
    np.timedelta64,
    bytes,
    bytearray,
    memoryview,
)
"""Types that Arrow turns into one another without a word."""


def kinds_of(column: Column) -> set[type]:
    """Return the types of the values that are not missing."""
    values = column.tolist()  # a list is walked faster than a Series
    kinds = set(map(type, values)) - _MISSING
    if float in kinds and all(value != value for value in values if type(value) is float):
        kinds.discard(float)
    return kinds


def array_of(column: Column) -> Array | None:
    """Return the values of a column of objects as Arrow keeps them; None if Arrow has no type for all of them."""
    kinds = kinds_of(column)
    if kinds and kinds <= _PANDAS_TIMES:
        column = column.where(column.notna(), pd.NaT).infer_objects()
        if column.dtype == object:
            return None
    elif any(issubclass(kind, _MIXED_UP) for kind in kinds) and not _is_alike(column, kinds):
        return None
    try:
        array = pa.array(column, from_pandas=True)
    except MemoryError:
        raise
    except REFUSALS:
        return None
    if _may_be_mixed_up(array.type) and not all(map(_is_same, column, array.to_pylist())):
        return None
    return array


def _is_alike(column: Column, kinds: set[type]) -> bool:
    """Return True if all values are of one type, and all or none of them have a time zone."""
    if len(kinds) > 1 and not kinds <= {bytes, bytearray}:
        return False
    (kind, *_) = kinds
    if issubclass(kind, datetime.time):
        return all(value.tzinfo is None for value in column if type(value) is kind)
    if issubclass(kind, _ZONED):
        zones = {value.tzinfo for value in column if type(value) is kind}
        return len({zone if zone is None else str(zone) for zone in zones}) == 1
    return not issubclass(kind, (np.datetime64, np.timedelta64, memoryview))


def _may_be_mixed_up(kind: Any) -> bool:
    """Return True for a nested type with a type in it that Arrow may have turned a value of another type into."""
    return (is_list(kind) or types.is_struct(kind)) and _has_mixed_up(kind)


def _has_mixed_up(kind: Any) -> bool:
    if is_list(kind):
        return _has_mixed_up(kind.value_type)
    if types.is_struct(kind):
        return any(_has_mixed_up(kind.field(index).type) for index in range(kind.num_fields))
    return types.is_temporal(kind) or types.is_binary(kind) or types.is_large_binary(kind)


def _is_same(value: Any, stored: Any) -> bool:
    """Return True if Arrow stored a nested value as it is."""
    if isinstance(stored, list):
        return len(value) == len(stored) and all(map(_is_same, value, stored))
    if isinstance(stored, dict):
        return isinstance(value, dict) and all(_is_same(value.get(name), inner) for name, inner in stored.items())
    if stored is None:
        return bool(value is None or pd.isna(value))
    return bool(value == stored)
