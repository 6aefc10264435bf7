"""A returned list of dicts as CSV and Parquet: the values of the dicts, whatever keys are missing."""

import datetime as dt
import io
from collections import defaultdict
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet
import pytest

from runtime.errors import ResultNotSerializable
from tests.unit.results.conftest import encoded

BIG = 2**53 + 1
MISSING = object()


def records(*values: object) -> list[dict[Any, Any]]:
    return [{"n": 0} if value is MISSING else {"n": 0, "a": value} for value in values]


@pytest.mark.parametrize(
    ("values", "kind", "found"),
    [
        ([BIG, MISSING], "int64", [BIG, None]),
        ([MISSING, 2**64 - 1], "uint64", [None, 2**64 - 1]),
        ([BIG, None], "int64", [BIG, None]),
        ([np.int64(BIG), float("nan")], "int64", [BIG, None]),
        ([2**70, MISSING], "large_string", [str(2**70), None]),
        ([True, MISSING], "bool", [True, None]),
        ([[1, None, BIG], MISSING], "list<element: int64>", [[1, None, BIG], None]),
        ([{"x": BIG}, {}], "struct<x: int64>", [{"x": BIG}, {"x": None}]),
        ([[{"x": BIG}, {"x": None}], None], "list<element: struct<x: int64>>", [[{"x": BIG}, {"x": None}], None]),
        ([1, 2.5, MISSING], "double", [1.0, 2.5, None]),
        (["a", MISSING], "large_string", ["a", None]),
        (["\udc80", MISSING], "large_string", ["\ufffd", None]),
        ([dt.date(2024, 5, 1), MISSING], "date32[day]", [dt.date(2024, 5, 1), None]),
        ([pd.Interval(BIG, BIG + 2), None], "large_string", [f"({BIG}, {BIG + 2}]", None]),
    ],
    ids=ascii,
)
def test_parquet_has_the_values_of_the_records(values: list[object], kind: str, found: list[object]) -> None:
    table = pyarrow.parquet.read_table(io.BytesIO(encoded(records(*values), "table", "parquet")[1]))
    assert (str(table.schema.field("a").type), table.column("a").to_pylist()) == (kind, found)


def test_csv_has_the_values_of_the_records() -> None:
    lines = encoded(
        [{"id": BIG, "w": 1.0, "ok": True}, {"w": 2, "big": 2**70, "deep": {"x": [BIG, None]}}, {"id": None}],
        "table",
        "csv",
    )[1].decode()
    assert lines.splitlines()[1:] == [
        f"{BIG},1.0,true,,",
        f',2.0,,"{2**70}","{{""x"":[{BIG},null]}}"',
        ",,,,",
    ]


def test_integers_that_no_float_holds_are_not_mixed_with_fractions() -> None:
    assert encoded(records(BIG, 0.5), "table", "csv")[1].decode().splitlines()[1:] == [f'0,"{BIG}"', '0,"0.5"']
    with pytest.raises(ResultNotSerializable, match="column 'a'"):
        encoded(records(BIG, 0.5), "table", "parquet")


def test_names_stay_what_they_are_as_keys_of_json() -> None:
    lookup: defaultdict[Any, int] = defaultdict(int, {BIG: 1, 0.5: 2, ("a", 1): 3})
    assert encoded([lookup], "table", "csv")[1].decode().splitlines() == [f'"{BIG}","0.5","(\'a\', 1)"', "1,2,3"]
    assert BIG in lookup


def test_records_without_keys_are_rows_without_columns() -> None:
    assert encoded([{}, {}], "table", "csv") == ("csv", b"")
    assert encoded({"nodes": [{}, {}], "edges": []}, "shape", "csv")[1].decode().splitlines()[1:] == [
        '"nodes",2,0',
        '"edges",0,0',
    ]
