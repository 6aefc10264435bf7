"""Frames as CSV."""

import datetime
from typing import TYPE_CHECKING, Any, BinaryIO, Final, cast

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
from pyarrow import types

from runtime.results.arrow_values import decoded, is_of_pandas
from runtime.results.cell_texts import text_column
from runtime.results.frames import column_names, to_arrow
from runtime.results.object_columns import REFUSALS, array_of
from runtime.results.zones import in_known_zone

if TYPE_CHECKING:
    from runtime.results.frames import Frame
    from runtime.results.sink import Sink


Column = Any  # pa.ChunkedArray: its stubs know no element type that would help here

_BATCH_ROWS: Final = 16_384
_WHOLE_BELOW: Final = 2.0**63
_DAY_S: Final = 86_400
_LAST_SUCH_OFFSET: Final = datetime.datetime(1972, 1, 8)  # of Monrovia
_FIRST_DAY: Final = -719_162  # 0001-01-01
_LAST_DAY: Final = 2_932_896  # 9999-12-31

_WRITABLE: Final = (
    types.is_integer,
    types.is_floating,
    types.is_boolean,
    types.is_string,
    types.is_large_string,
    types.is_date,
    types.is_timestamp,
    types.is_time,
    types.is_decimal,
    types.is_null,
)


def write_csv(frame: "Frame", out: "Sink") -> None:
    """Write one CSV file with a header, without the index; no bytes at all for a frame without columns.

    Cells that CSV has no form for follow the rules for JSON; lists and objects become JSON text.

    Raises:
        Unwritable: two columns have one name, or a value has no form.
    """
    names = column_names(frame)
    if not names:
        return
    if isinstance(frame, pd.DataFrame):
        columns = [_of_pandas(frame.iloc[:, position], names[position]) for position in range(len(names))]
    else:
        table = to_arrow(frame)
        columns = [_of_arrow(table.column(position), names[position]) for position in range(len(names))]
    if len(columns) == 1 and columns[0].null_count:
        # a missing value alone on its line would make an empty line, which readers skip
        columns = [columns[0].cast(pa.large_string()).fill_null(pa.scalar("", pa.large_string()))]
    options = pyarrow.csv.WriteOptions(batch_size=_BATCH_ROWS)
    pyarrow.csv.write_csv(pa.table(columns, names=names), cast(BinaryIO, out), options)


def _of_pandas(column: "pd.Series[Any]", name: str) -> Column:
    array: Any
    try:
        array = array_of(column) if column.dtype == object else _converted(column)
    except MemoryError:
        raise
    except REFUSALS:
        array = None
    if array is None:
        return text_column(column, name)
    ready = _ready(array if isinstance(array, pa.ChunkedArray) else pa.chunked_array([array]))
    return text_column(column, name) if ready is None else ready


def _converted(column: "pd.Series[Any]") -> Any:
    """Return a column that is not of objects as Arrow has it; None if it has values that Arrow would mix up."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        labels = pd.Series(column.dtype.categories)
        if labels.dtype == object and array_of(labels) is None:
            return None
        if isinstance(labels.dtype, pd.DatetimeTZDtype):
            column = column.astype(labels.dtype)
    known = in_known_zone(column)
    return None if known is None else pa.array(known, from_pandas=True)


def _of_arrow(column: Column, name: str) -> Column:
    ready = _ready(column)
    return text_column(column, name) if ready is None else ready


def _ready(column: Column) -> Column | None:
    """Return the column in a type that the CSV writer supports, or None."""
    if types.is_dictionary(column.type) and not is_of_pandas(column.type.value_type):
        column = decoded(column)
    if not any(is_writable(column.type) for is_writable in _WRITABLE) or _is_beyond_years(column):
        return None
    if _has_offset_of_seconds(column):
        return None
    return _keeping_points(column) if types.is_floating(column.type) else column


def _is_beyond_years(column: Column) -> bool:
    """Return True for a time outside the years 1 to 9999, which Arrow may write as ``<value out of range>``."""
    if types.is_timestamp(column.type):
        if column.type.unit == "ns":
            return False
        days = _DAY_S * {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[column.type.unit]
    elif types.is_date(column.type):
        days = 1 if types.is_date32(column.type) else _DAY_S * 1000
    else:
        return False
    numbers = column.cast(pa.int32()) if types.is_date32(column.type) else column.cast(pa.int64())
    ends = pc.min_max(numbers)
    first, last = ends["min"].as_py(), ends["max"].as_py()
    return first is not None and (first < _FIRST_DAY * days or last >= (_LAST_DAY + 1) * days)


def _has_offset_of_seconds(column: Column) -> bool:
    """Return True for a time whose offset from UTC has seconds, as all had before there were zones; Arrow cuts them."""
    kind = column.type
    if not types.is_timestamp(kind) or kind.tz in (None, "UTC") or kind.tz[:1] in ("+", "-"):
        return False
    try:
        is_early: Any = pc.less(column, pa.scalar(_LAST_SUCH_OFFSET, pa.timestamp("s")).cast(kind))
        early = pc.filter(column, is_early)
        offsets = pc.subtract(pc.local_timestamp(early).cast(pa.int64()), early.cast(pa.int64()))
    except REFUSALS:
        return True  # a zone or a time that Arrow does not know
    minute = 60 * {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[kind.unit]
    return any(offset % minute for offset in pc.unique(offsets.drop_null()).to_pylist())


def _are_whole(numbers: "np.ndarray[Any, Any]") -> bool:
    return bool(np.all((np.abs(numbers) < _WHOLE_BELOW) & (np.floor(numbers) == numbers)))


def _keeping_points(column: Column) -> Column:
    """Return a column of whole floats as ``1.0``, not ``1``, because a reader that infers types would read integers.

    A column with a fraction stays as it is: it is read as floats anyway.
    """
    if types.is_float16(column.type):  # Arrow has no arithmetic for it
        column = column.cast(pa.float32())
    numbers = column.drop_null().to_numpy()
    # most columns have a fraction among their first values
    if not len(numbers) or not (_are_whole(numbers[:64]) and _are_whole(numbers)):
        return column
    if np.any(np.signbit(numbers) & (numbers == 0)):
        return pc.replace_substring_regex(column.cast(pa.large_string()), r"^(-?\d+)$", r"\1.0")
    return column.cast(pa.int64()).cast(pa.decimal128(20, 1))
