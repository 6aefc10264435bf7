"""Columns of Python objects as Arrow arrays: only if Arrow has a type for them and keeps every value as it is.

Arrow takes the type of the first values: of a date and a time it would make two dates, of nanoseconds microseconds.
"""

import datetime
import decimal
import operator
from typing import Any, Final, TypeAlias

import numpy as np
import pandas as pd
import pyarrow as pa

from runtime.results.nested_values import Contents, contents_of
from runtime.results.zones import in_known_zone, known_zone

Column: TypeAlias = "pd.Series[Any]"
Array = Any  # pa.Array or pa.ChunkedArray

REFUSALS: Final = (pa.ArrowException, TypeError, ValueError, OverflowError)
"""What Arrow raises for values that have no type in common."""

_MISSING: Final = frozenset({type(None), type(pd.NA), type(pd.NaT)})
_PANDAS_TIMES: Final = frozenset({pd.Timestamp, pd.Timedelta})
_TOGETHER: Final[tuple[tuple[type, ...], ...]] = (
    (bool, np.bool_),
    (int, float, np.integer, np.floating),
    (int, decimal.Decimal),
    (str,),
    (bytes, bytearray),
    (list, tuple, set, np.ndarray),
    (dict,),
)
"""Types that a column may mix. Arrow takes others for one another: a UUID beside a number for a number."""

_KEPT: Final[dict[str, tuple[Any, ...]]] = {
    "string": (pa.string(),),
    "integer": (pa.int64(), pa.uint64()),
    "boolean": (pa.bool_(),),
    "bytes": (pa.binary(),),
}
"""Types in which Arrow keeps values that pandas calls so, or refuses them."""

_FIRST: Final = (str, int, np.integer, np.bool_, bytes, type(None), float)

_ZONE: Final = operator.attrgetter("tzinfo")
_CONTAINERS: Final = (dict, list, tuple, set, frozenset, np.ndarray)
_UNRELIABLE: Final = (np.datetime64, np.timedelta64, memoryview)


def kinds_of(column: Column) -> set[type]:
    """Return the types of the values that are not missing."""
    values = column.tolist()  # a list is walked faster than a Series
    kinds = set(map(type, values)) - _MISSING
    if float in kinds and all(value != value for value in values if type(value) is float):
        kinds.discard(float)
    return kinds


def array_of(column: Column) -> Array | None:
    """Return the values of a column of objects as Arrow keeps them; None if Arrow has no type for all of them."""
    if len(column) and isinstance(column.iat[0], _FIRST):
        named = pd.api.types.infer_dtype(column, skipna=True)
        if named in _KEPT:
            return _of_kept(column, named)
        if named == "floating" and (floats := _floats(column)) is not None:
            return floats
    kinds = kinds_of(column)
    if kinds and kinds <= _PANDAS_TIMES:
        column = column.where(column.notna(), pd.NaT).infer_objects()
        known = None if column.dtype == object else in_known_zone(column)
        if known is None:
            return None
        column = known
    elif not _are_alike(column, kinds):
        return None
    elif any(issubclass(kind, datetime.datetime) for kind in kinds):
        column = _in_known_zone(column)
    has_containers = any(issubclass(kind, _CONTAINERS) for kind in kinds)
    is_checked = has_containers or len(kinds) > 1
    found = contents_of(column.tolist()) if has_containers else Contents(kinds=kinds)
    if found is None or found.would_crash():
        return None
    try:
        array = pa.array(column, from_pandas=True)
        is_kept = not is_checked or found.are_kept() or all(map(_is_same, column, array.to_pylist()))
    except MemoryError:
        raise
    except OverflowError:  # Arrow tries no integers but those of int64
        return _of_kept(column, "integer") if all(issubclass(kind, (int, np.integer)) for kind in kinds) else None
    except REFUSALS:
        return None
    return array if is_kept else None


def _of_kept(column: Column, named: str) -> Array | None:
    """Return values that pandas calls so; None if no type of Arrow has all of them."""
    for kind in _KEPT[named]:
        try:
            return pa.array(column, kind, from_pandas=True)
        except MemoryError:
            raise
        except REFUSALS:
            continue
    return None


def _floats(column: Column) -> Array | None:
    """Return floats as float64, which holds narrower ones too; None if Arrow makes something else of them."""
    try:
        array: Array = pa.array(column, from_pandas=True)
    except MemoryError:
        raise
    except REFUSALS:
        return None
    return array if array.type == pa.float64() else None


def _are_alike(column: Column, kinds: set[type]) -> bool:
    """Return True if Arrow has one type for all of these types, and all or none of the values have one time zone.

    It is one that other programs know.
    """
    if any(issubclass(kind, _UNRELIABLE) for kind in kinds):
        return False
    if len(kinds) > 1:
        together = any(all(issubclass(kind, alike) for kind in kinds) for alike in _TOGETHER)
        return together and (bool not in kinds or kinds <= {bool, np.bool_})
    for kind in kinds:
        if issubclass(kind, datetime.time):
            return all(value.tzinfo is None for value in column if type(value) is kind)
        if issubclass(kind, datetime.datetime):
            zones = _zones(column)
            names = {zone if zone is None else str(zone) for zone in zones}
            return len(names) == 1 and all(zone is None or known_zone(zone) is not None for zone in zones)
    return True


def _zones(column: Column) -> list[datetime.tzinfo | None]:
    """Return the different zones of a column of datetimes and missing values."""
    values: list[Any] = column.tolist()
    if len(set(map(type, values))) > 1:
        values = [value for value in values if type(value) not in _MISSING]
    # By their ids, because zones of dateutil cannot be in a set.
    if len(set(map(id, map(_ZONE, values)))) == 1:
        return [values[0].tzinfo]
    return list({id(zone): zone for zone in map(_ZONE, values)}.values())


def _in_known_zone(column: Column) -> Column:
    """Return times of one zone, or of none, in a zone that Arrow keeps."""
    values: list[Any] = column.tolist()
    zone = next((value.tzinfo for value in values if type(value) not in _MISSING), None)
    known = None if zone is None else known_zone(zone)
    if known is zone or known is None:
        return column
    return column.map(lambda time: time.astimezone(known) if isinstance(time, datetime.datetime) else time)


def _is_same(value: Any, stored: Any) -> bool:
    """Return True if Arrow stored a value as it is: ``True`` is not 1, and 12:00 in Rome is not 11:00 in London."""
    if isinstance(stored, list):
        items = sorted(value) if isinstance(value, set) else value
        return len(items) == len(stored) and all(map(_is_same, items, stored))
    if isinstance(stored, dict):
        return isinstance(value, dict) and all(_is_same(value.get(name), inner) for name, inner in stored.items())
    if stored is None:
        return bool(value is None or pd.isna(value))
    has_nanoseconds = bool(getattr(value, "nanosecond", None) or getattr(value, "nanoseconds", None))
    if has_nanoseconds or isinstance(value, (bool, np.bool_)) != isinstance(stored, bool):
        return False
    if isinstance(value, datetime.datetime) and isinstance(stored, datetime.datetime):
        return value.utcoffset() == stored.utcoffset() and bool(value == stored)
    return bool(value == stored)
