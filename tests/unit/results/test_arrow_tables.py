"""Arrow tables of any type, in every format: values that pandas, or Arrow's own writers, do not take as they are."""

import datetime as dt
import io
import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest

from tests.unit.results.conftest import encoded

BIG = 2**53 + 1
PARIS = pa.timestamp("us", "Europe/Paris")
MAY = 1_714_521_600_000_000
NOON = "2024-05-01T02:00:00+02:00"


def views(*values: object) -> Any:
    return pa.array(values, pa.string_view())


def runs(ends: list[int], values: Any) -> Any:
    return pa.RunEndEncodedArray.from_arrays(pa.array(ends, pa.int64()), values)


def dictionary(values: Any, *places: int | None) -> Any:
    return pa.DictionaryArray.from_arrays(pa.array(places, pa.int8()), values)


def intervals(*pairs: tuple[int, int] | None) -> Any:
    breaks: Any = pa.array(pd.Series(pd.arrays.IntervalArray.from_breaks([0, 1])))
    rows = [None if pair is None else {"left": pair[0], "right": pair[1]} for pair in pairs]
    return pa.ExtensionArray.from_storage(breaks.type, pa.array(rows, breaks.type.storage_type))


CASES: dict[str, tuple[Any, list[object]]] = {
    "times with a zone in a dictionary": (dictionary(pa.array([MAY], PARIS), 0, None), [NOON, None]),
    "times with a zone in lists": (pa.array([[MAY, None], None], pa.list_(PARIS)), [[NOON, None], None]),
    "times with a zone in lists of a dictionary": (
        dictionary(pa.array([[MAY]], pa.list_(PARIS)), 0, None),
        [[NOON], None],
    ),
    "a dictionary with a repeated value": (dictionary(pa.array(["a", "a"]), 0, 1, None), ["a", "a", None]),
    "a dictionary with a missing value": (dictionary(pa.array(["a", None]), 0, 1, None), ["a", None, None]),
    "a dictionary with NaN": (dictionary(pa.array([0.5, float("nan")]), 0, 1), [0.5, None]),
    "a dictionary of narrow floats": (dictionary(pa.array(np.array([0.5], np.float16)), 0, None), [0.5, None]),
    "a dictionary of views": (dictionary(views("a", None), 0, 1, None), ["a", None, None]),
    "views in lists": (pa.ListArray.from_arrays([0, 1, 3], views("a", None, "b")), [["a"], [None, "b"]]),
    "views in cut structs": (pa.StructArray.from_arrays([views("a", "b")], ["x"])[1:], [{"x": "b"}]),
    "runs of views": (runs([2, 3], views("a", None)), ["a", "a", None]),
    "cut runs": (runs([2, 3], pa.array([BIG, None]))[1:], [BIG, None]),
    "bytes of one length in lists": (pa.array([[b"ab"], None], pa.list_(pa.binary(2))), [["YWI="], None]),
    "intervals of integers with a gap": (intervals((BIG, BIG + 2), None), [f"({BIG}, {BIG + 2}]", None]),
}
FRAMES: dict[str, Callable[[Any], Any]] = {
    "Arrow": lambda column: pa.table({"a": column}),
    "pandas": lambda column: pd.DataFrame({"a": pd.Series(pd.arrays.ArrowExtensionArray(column))}),
}


@pytest.mark.parametrize("of", FRAMES)
@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("times", [1, 300], ids=["few rows", "many rows"])
def test_every_value_is_in_json(name: str, of: str, times: int) -> None:
    column, values = CASES[name]
    frame = FRAMES[of](pa.chunked_array([column] * times))
    assert [row["a"] for row in json.loads(encoded(frame, "table", "json")[1])] == values * times


@pytest.mark.parametrize("of", FRAMES)
@pytest.mark.parametrize("name", CASES)
def test_every_value_is_in_csv(name: str, of: str) -> None:
    column, values = CASES[name]
    cells = pd.read_csv(
        io.BytesIO(encoded(FRAMES[of](pa.chunked_array([column])), "table", "csv")[1]), keep_default_na=False, dtype=str
    )
    for cell, value in zip(cells["a"], values, strict=True):
        if isinstance(value, (list, dict)):
            assert json.loads(cell) == value
        elif value == NOON:
            assert pd.Timestamp(cell) == pd.Timestamp(NOON)
        else:
            assert cell in (["", "nan"] if value is None else [str(value)])


@pytest.mark.parametrize("of", FRAMES)
@pytest.mark.parametrize("name", CASES)
def test_every_value_is_in_parquet_and_pandas_reads_the_file(name: str, of: str) -> None:
    column, values = CASES[name]
    data = encoded(FRAMES[of](pa.chunked_array([column])), "table", "parquet")[1]
    found = pyarrow.parquet.read_table(io.BytesIO(data))
    assert [row["a"] for row in json.loads(encoded(found, "table", "json")[1])] == values
    assert len(pd.read_parquet(io.BytesIO(data))) == len(values)


def test_a_date_after_the_year_9999_has_a_text() -> None:
    dates = pa.array([3_000_000, None], pa.date32())
    table = pa.table({"a": dates, "in": pa.array([[3_000_000], None], pa.list_(pa.date32()))})
    assert encoded(table, "table", "json")[1] == b'[{"a":"10183-09-21","in":["10183-09-21"]},{"a":null,"in":null}]'


def test_arrays_of_times_beside_other_arrays_are_texts() -> None:
    """Arrow reads them past their end: that may end the process."""
    cells = [np.array(["2024-05-01"], "M8[s]"), np.array([0.5]), None]
    for column in (cells, [[cell] for cell in cells], [{"x": cell} for cell in cells]):
        frame = pd.DataFrame({"a": pd.Series(column, dtype=object), "n": 1})
        texts = pd.read_parquet(io.BytesIO(encoded(frame, "table", "parquet")[1]))["a"]
        assert "2024-05-01T00:00:00" in texts[0]


def test_integers_that_only_uint64_holds_are_numbers() -> None:
    frame = pd.DataFrame({"a": pd.Series([None, 2**64 - 1, 1], dtype=object)})
    read = pd.read_parquet(io.BytesIO(encoded(frame, "table", "parquet")[1]))["a"]
    assert (str(read.dtype), read.tolist()[1:]) == ("UInt64", [2**64 - 1, 1])


def test_times_of_day_that_became_text_are_read_as_text() -> None:
    kind = pa.time64("ns")
    frame = pd.DataFrame({"a": pd.Series(pa.array([1, None], kind), dtype=pd.ArrowDtype(kind))})
    read = pd.read_parquet(io.BytesIO(encoded(frame, "table", "parquet")[1]))["a"]
    assert read[0] == "00:00:00.000000001"
    nested = pa.table({"a": pa.array([[1], [dt.time(1)]], pa.list_(kind))})
    assert pd.read_parquet(io.BytesIO(encoded(nested, "table", "parquet")[1]))["a"][0] == '["00:00:00.000000001"]'
