"""Frames as JSON records: column by column into plain lists, then row by row into dicts, a chunk of rows at a
time."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa

from runtime.results.frames import column_names, to_pandas
from runtime.results.times import iso_datetimes

if TYPE_CHECKING:
    from runtime.results.frames import Frame

Records = list[dict[str, object]]

_MOST_ROWS: Final = 50_000
_LEAST_ROWS: Final = 1_000  # fewer, and the work per column outweighs that per value
_CHUNK_VALUES: Final = 1_000_000


def record_chunks(frame: "Frame") -> Iterator[Records]:
    """The rows of a frame, some at a time, so that a large frame never exists as Python objects at once.

    Values are such as ``document.simplify`` takes. The index is not part of a record.
    """
    names = column_names(frame)
    count = max(_LEAST_ROWS, min(_MOST_ROWS, _CHUNK_VALUES // max(len(names), 1)))
    for start in range(0, len(frame), count):
        rows = slice(start, start + count)
        # Arrow tables slice by position; on frames that would go by label
        part = to_pandas(frame.iloc[rows] if hasattr(frame, "iloc") else frame[rows])
        columns = [column_values(part.iloc[:, position]) for position in range(len(names))]
        yield [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def column_values(column: "pd.Series[Any]") -> list[Any]:
    """The values of a column as a list; missing ones are None or a float NaN, which JSON writes alike."""
    dtype = column.dtype
    if isinstance(dtype, pd.DatetimeTZDtype) or (isinstance(dtype, np.dtype) and dtype.kind == "M"):
        return iso_datetimes(column)
    if isinstance(dtype, pd.CategoricalDtype):
        # the missing value has code -1, which is the last place of the list
        labels = [*column_values(pd.Series(column.cat.categories)), None]
        return [labels[code] for code in column.cat.codes.tolist()]
    if isinstance(dtype, pd.ArrowDtype):
        values: list[Any] = pa.array(column, from_pandas=True).to_pylist()
        return values
    if isinstance(dtype, pd.StringDtype) or hasattr(dtype, "numpy_dtype"):  # pandas' own nullable types
        filled: list[Any] = column.array.to_numpy(dtype=object, na_value=None).tolist()
        return filled
    return column.tolist()
