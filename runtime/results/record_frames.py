"""A list of records (dicts) as a frame, for the writers of CSV and Parquet."""

from itertools import chain, repeat
from typing import Any

import numpy as np
import pandas as pd

from runtime.results.object_columns import REFUSALS


def frame_of_records(records: list[dict[Any, Any]]) -> pd.DataFrame:
    """Return a frame with a column for each key of the records, whose values are those of the records.

    A record without a key has a missing value there. pandas' own constructor would make floats of the integers beside
    it, and of the names ``1`` and ``2.5``.
    """
    names = list(dict.fromkeys(chain.from_iterable(map(dict.__iter__, records))))
    columns = {place: _column(list(map(dict.get, records, repeat(name)))) for place, name in enumerate(names)}
    frame = pd.DataFrame(columns, index=range(len(records)))
    frame.columns = pd.Index(names, dtype=object, tupleize_cols=False)
    return frame


def _column(values: list[Any]) -> "pd.Series[Any]":
    """Return a column of the dtype that pandas finds for the values, or of objects if it would change one."""
    column = pd.Series(values, dtype=object)
    kinds = set(map(type, values))
    if len(kinds) > 1 and any(issubclass(kind, (int, np.integer)) for kind in kinds):
        return column
    try:
        inferred = column.infer_objects()
    except MemoryError:
        raise
    except REFUSALS:  # a lone surrogate
        return column
    return column if _has_floats_for_integers(inferred, values) else inferred


def _has_floats_for_integers(inferred: "pd.Series[Any]", values: list[Any]) -> bool:
    """Return True for intervals of integers whose bounds became floats, because one is missing or has a fraction."""
    dtype: Any = inferred.dtype
    if not isinstance(dtype, pd.IntervalDtype) or getattr(dtype.subtype, "kind", "") != "f":
        return False
    intervals = [value for value in values if type(value) is pd.Interval]
    return any(isinstance(bound, (int, np.integer)) for value in intervals for bound in (value.left, value.right))
