"""Frames as JSON records: column by column into plain lists, then row by row into dicts, a part at a time."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa

from runtime.results.arrow_values import arrow_values
from runtime.results.frames import column_names, is_cudf, to_arrow
from runtime.results.times import iso_datetimes
from runtime.results.unwritable import found_at

if TYPE_CHECKING:
    from runtime.results.frames import Frame

Records = list[dict[str, object]]

FEW_ROWS: Final = 256
"""Up to this many rows, writing by rows is done before work by columns has begun."""

_MOST_ROWS: Final = 32_768  # more rows no longer stay in the processor's cache
_LEAST_ROWS: Final = 1_000  # with fewer rows, the work per column outweighs the work per value
_PART_VALUES: Final = 1_000_000
_PART_BYTES: Final = 16 * 1024 * 1024


def parts(frame: "Frame", names: list[str]) -> "Iterator[Frame]":
    """Yield the rows of a frame in parts, so that a large frame never exists as Python objects or text as a whole."""
    if is_cudf(frame, "DataFrame"):
        frame = to_arrow(frame)  # copied from the device once, not part by part
    count = _part_rows(frame, names)
    if 0 < len(frame) <= count:
        yield frame
        return
    for start in range(0, len(frame), count):
        rows = slice(start, start + count)
        # Arrow tables slice by position; on frames that would go by label
        yield frame.iloc[rows] if hasattr(frame, "iloc") else frame[rows]


def records(part: "Frame", names: list[str]) -> Records:
    """Return the rows of a part as dicts without the index. Their values are for ``document.simplify``."""
    columns = [column for _, column in part.items()] if isinstance(part, pd.DataFrame) else part.columns
    listed = []
    for name, column in zip(names, columns, strict=True):
        with found_at(name):
            listed.append(column_values(column) if isinstance(column, pd.Series) else arrow_values(column))
    return [dict(zip(names, row, strict=True)) for row in zip(*listed, strict=True)]


def frame_records(frame: "Frame") -> Records:
    """Return all rows of a frame that is not large."""
    names = column_names(frame)
    return [record for part in parts(frame, names) for record in records(part, names)]


def _part_rows(frame: "Frame", names: list[str]) -> int:
    rows = max(_LEAST_ROWS, min(_MOST_ROWS, _PART_VALUES // max(len(names), 1)))
    if len(frame) <= FEW_ROWS:
        return rows
    size = int(frame.memory_usage(index=False).sum()) if hasattr(frame, "memory_usage") else frame.nbytes
    row_bytes = size // len(frame) + sum(map(len, names))
    return max(1, min(rows, _PART_BYTES // max(row_bytes, 1)))


def column_values(column: "pd.Series[Any]") -> list[Any]:
    """Return the values of a column as a list. Missing values are None or NaN, which JSON writes alike."""
    dtype = column.dtype
    if isinstance(dtype, pd.DatetimeTZDtype) or (isinstance(dtype, np.dtype) and dtype.kind == "M"):
        return iso_datetimes(column)
    if isinstance(dtype, pd.CategoricalDtype):
        # the missing value has code -1, which is the last place of the list
        labels = [*column_values(pd.Series(column.cat.categories)), None]
        return [labels[code] for code in column.cat.codes.tolist()]
    if isinstance(dtype, pd.ArrowDtype):
        return arrow_values(pa.array(column, from_pandas=True))
    if isinstance(dtype, pd.StringDtype) or hasattr(dtype, "numpy_dtype"):  # pandas' own nullable types
        filled: list[Any] = column.array.to_numpy(dtype=object, na_value=None).tolist()
        return filled
    return column.tolist()
