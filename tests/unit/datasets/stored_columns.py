"""One column of each type, and the map of a stored table."""

import datetime
import decimal
import os
from typing import Any

import pandas as pd

from runtime.datasets.frames import map_frame

N = 5
_RANGE = list(range(N))

COLUMNS: dict[str, Any] = {
    "int64": pd.Series(_RANGE),
    "int8": pd.Series(_RANGE, dtype="int8"),
    "uint16": pd.Series(_RANGE, dtype="uint16"),
    "float64": pd.Series(_RANGE) / 2,
    "float32": pd.Series(_RANGE, dtype="float32"),
    "float16": pd.Series(_RANGE, dtype="float16"),
    "float with nulls": pd.Series([1.0, None, 2.0, None, 3.0]),
    "bool": pd.Series([True, False, True, True, False]),
    "bool with nulls": pd.Series([True, None, True, None, False], dtype=object),
    "str": pd.Series(list("abcde")),
    "str with nulls": pd.Series(["é", None, "", "d", None]),
    "string": pd.Series(list("abcd") + [None], dtype="string"),
    "timestamp us": pd.Series(pd.date_range("2020", periods=N)),
    "timestamp ns": pd.Series(pd.date_range("2020", periods=N, unit="ns")),
    "timestamp s": pd.Series(pd.date_range("2020", periods=N, unit="s")),
    "timestamp with zone": pd.Series(pd.date_range("2020", periods=N, tz="Europe/Berlin")),
    "timestamp with nulls": pd.Series([pd.Timestamp("2020"), None, None, None, pd.Timestamp("2021")]),
    "timestamp with zone and nulls": pd.Series([pd.Timestamp("2020", tz="UTC"), None, None, None, None]),
    "duration": pd.Series(pd.to_timedelta(_RANGE, unit="s")),
    "Int64": pd.Series([1, None, 2, 3, 4], dtype="Int64"),
    "Float32": pd.Series([1, None, 2, 3, 4], dtype="Float32"),
    "boolean": pd.Series([True, None, False, False, True], dtype="boolean"),
    "category": pd.Series(pd.Categorical(["b", "a", "b", None, "a"])),
    "ordered category of ints": pd.Series(pd.Categorical([3, 1, 2, 3, 1], ordered=True)),
    "decimal": pd.Series([decimal.Decimal("1.50")] * N),
    "date": pd.Series([datetime.date(2020, 1, 1), None] * 2 + [None], dtype=object),
    "time": pd.Series([datetime.time(1, 2)] * N),
    "bytes": pd.Series([b"\x00\xff", None, b"", b"x", b"y"], dtype=object),
    "list": pd.Series([[1, 2], [], None, [3], [4]]),
    "struct": pd.Series([{"a": 1, "b": "x"}] * N),
    "all null": pd.Series([None] * N, dtype=object),
    "period": pd.Series(pd.period_range("2020", periods=N, freq="D")),
    "interval": pd.Series(pd.interval_range(0, N)),
    "int64[pyarrow]": pd.Series(_RANGE, dtype="int64[pyarrow]"),
}


def map_stored(stored: Any) -> pd.DataFrame:
    descriptor = stored.open()
    try:
        return map_frame(descriptor)
    finally:
        os.close(descriptor)
