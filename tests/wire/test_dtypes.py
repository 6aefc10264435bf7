"""Columns of every dtype go up, into a task and back as they are: the task gives what it would give at home."""

from __future__ import annotations

import datetime as dt
import decimal
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

if TYPE_CHECKING:
    from tests.conftest import Person

pytestmark = pytest.mark.e2e

# Values differ from row to row of this table: the client takes frames of equal hash (int16 and int32 of the same
# numbers, say) for one frame, and sends the first one's file.
COLUMNS: dict[str, pd.Series[Any]] = {
    "int8": pd.Series([1, -128, 127], dtype="int8"),
    "int16": pd.Series([2, -32768, 32767], dtype="int16"),
    "int32": pd.Series([3, -(2**31), 2**31 - 1], dtype="int32"),
    "int64": pd.Series([2**53 + 1, -(2**63), 2**63 - 1]),
    "uint8": pd.Series([4, 0, 255], dtype="uint8"),
    "uint16": pd.Series([5, 0, 65535], dtype="uint16"),
    "uint32": pd.Series([6, 0, 2**32 - 1], dtype="uint32"),
    "uint64": pd.Series([7, 0, 2**64 - 1], dtype="uint64"),
    "float32": pd.Series([0.1, np.nan, -1.5], dtype="float32"),
    "float64": pd.Series([0.1, np.nan, 1e300]),
    "bool": pd.Series([True, False, True]),
    "bool with gaps": pd.Series([True, None, False], dtype=object),
    "str": pd.Series(["ä", None, ""], dtype="str"),
    "str of many lengths": pd.Series(["", "x" * 100_000, "\0\n😀"], dtype="str"),
    "category": pd.Series(["x", None, "y"], dtype="category"),
    "ordered category": pd.Series(pd.Categorical(["lo", "hi", "lo"], ["lo", "mid", "hi"], ordered=True)),
    "datetime64[ns]": pd.Series(pd.DatetimeIndex(["2024-01-01T00:00:00.123456789", None, "1969-12-31"]).as_unit("ns")),
    "datetime64[us]": pd.Series(pd.DatetimeIndex(["9999-12-31", None, "0001-01-01"]).as_unit("us")),
    "datetime64[ms]": pd.Series(pd.DatetimeIndex(["2024-01-02", None, "1970-01-01"]).as_unit("ms")),
    "datetime64 with a zone": pd.Series(pd.DatetimeIndex(["2024-01-01", None, "2024-07-01"], tz="Europe/Paris")),
    "datetime64 in UTC": pd.Series(pd.DatetimeIndex(["2024-01-01", None, "2024-07-01"], tz="UTC")),
    "timedelta64[ns]": pd.Series(pd.to_timedelta([8, None, -3], unit="ns")),
    "timedelta64[us]": pd.Series(pd.to_timedelta([9, None, -3], unit="us").as_unit("us")),
    "date": pd.Series([dt.date(2024, 1, 1), None, dt.date(1, 1, 1)]),
    "time": pd.Series([dt.time(1, 2, 3, 4), None, dt.time(4)]),
    "Decimal": pd.Series([decimal.Decimal("1.10"), None, decimal.Decimal("2.00")]),
    "bytes": pd.Series([b"\xff\0", None, b""]),
    "list": pd.Series([[1, 2], None, []]),
    "dict": pd.Series([{"a": 1}, None, {"a": 2}]),
    "nothing": pd.Series([None, None, None]),
}

# Kept by a column's note in the Arrow schema. PyGraphistry takes the notes off what it sends; others need not.
NOTED: dict[str, pd.Series[Any]] = {
    "Int64": pd.Series([1, None, 2**60 + 1], dtype="Int64"),
    "UInt8": pd.Series([1, None, 255], dtype="UInt8"),
    "Float32": pd.Series([1.5, None, 2.5], dtype="Float32"),
    "boolean": pd.Series([True, None, False], dtype="boolean"),
    "string": pd.Series(["a", None, "b"], dtype="string"),
}

WHOLE = "def task(g): return g._edges"


def frame_of(values: pd.Series[Any]) -> pd.DataFrame:
    return pd.DataFrame({"s": ["a", "b", "c"], "d": ["b", "c", "d"], "x": values})


def all_of(columns: dict[str, pd.Series[Any]]) -> pd.DataFrame:
    return pd.DataFrame({"s": ["a", "b", "c"], "d": ["b", "c", "d"], **columns})


@pytest.fixture(scope="module")
def everything(client: Any) -> Any:
    """A graph with all columns, at home and uploaded."""
    return client.edges(all_of(COLUMNS), "s", "d").upload()


@pytest.fixture(scope="module")
def in_json(everything: Any) -> Any:
    """The same rows as JSON."""
    return everything.python_remote_json(WHOLE)


def test_every_column_comes_back_as_it_went(everything: Any) -> None:
    pd.testing.assert_frame_equal(everything.python_remote_table(WHOLE), all_of(COLUMNS))


def test_nullable_columns_come_back_as_they_went(client: Any, alice: Person) -> None:
    graph = client.bind(dataset_id=alice.upload(pa.Table.from_pandas(all_of(NOTED))))
    pd.testing.assert_frame_equal(graph.python_remote_table(WHOLE), all_of(NOTED))


def test_integers_beside_missing_values_stay_integers_without_a_note(client: Any) -> None:
    edges = all_of({"id": pd.Series([2**53 + 1, None, 2**53], dtype="Int64")})
    graph = client.edges(edges, "s", "d").upload()
    assert graph.python_remote_json("def task(g): return [g._edges.id.nunique(), str(g._edges.id.dtype)]") == [
        2,
        "Int64",
    ]
    pd.testing.assert_frame_equal(graph.python_remote_table(WHOLE), edges)
    assert [row["id"] for row in graph.python_remote_json(WHOLE)] == [2**53 + 1, None, 2**53]
    assert graph.python_remote_json("def task(g):\n import pyarrow as pa\n return pa.array([2**53 + 1, None])") == [
        2**53 + 1,
        None,
    ]


@pytest.mark.parametrize("name", ["str", "category", "int64", "date"])
def test_a_node_column_comes_back_as_it_went(client: Any, name: str) -> None:
    nodes = pd.DataFrame({"id": ["a", "b", "c"], "x": COLUMNS[name]})
    graph = client.edges(frame_of(COLUMNS["bool"]), "s", "d").nodes(nodes, "id").upload()
    pd.testing.assert_frame_equal(graph.python_remote_g("def task(g): return g")._nodes, nodes)


TYPED = [
    "int8",
    "float32",
    "bool",
    "str",
    "category",
    "datetime64[ns]",
    "datetime64 with a zone",
    "uint64",
    "timedelta64[ns]",
]
COMPUTED = {
    "selection": "def task(g): return g._edges[g._edges['float32'] > 0].reset_index(drop=True)",
    "groups": "def task(g): return g._edges.groupby('bool', as_index=False)[['int8', 'uint64']].max()",
    "times": "def task(g): return g._edges[['datetime64[ns]']].add(g._edges['timedelta64[ns]'], axis=0)",
    "zones": "def task(g): return g._edges[['datetime64 with a zone']].map(lambda t: t.tz_convert('Asia/Tokyo'))",
    "text": "def task(g): return g._edges['str'].str.upper().to_frame()",
    "categories": "def task(g): return g._edges['category'].value_counts().reset_index()",
    "a join": "def task(g): return g._edges.merge(g._edges, left_on='d', right_on='s', suffixes=('', '_2'))",
    "description": "def task(g): return g._edges[['int8', 'float32']].describe().reset_index()",
}


@pytest.fixture(scope="module")
def typed(client: Any) -> Any:
    """A graph with a column of each of these dtypes, at home and uploaded."""
    columns = {name: COLUMNS[name] for name in TYPED}
    edges = pd.DataFrame({"s": ["a", "b", "c"], "d": ["b", "c", "d"], **columns})
    return client.edges(edges, "s", "d").upload()


@pytest.mark.parametrize("source", COMPUTED.values(), ids=COMPUTED)
def test_a_task_computes_the_same_values_as_locally(typed: Any, source: str) -> None:
    namespace: dict[str, Any] = {}
    exec(source, namespace)
    at_home = namespace["task"](typed)
    pd.testing.assert_frame_equal(typed.python_remote_table(source), at_home, check_freq=False)


@pytest.mark.parametrize(
    "name", ["int8", "int64", "uint64", "float64", "bool", "str", "str of many lengths", "list", "dict"]
)
def test_values_that_json_can_hold_come_back_as_they_went(in_json: Any, name: str) -> None:
    column = COLUMNS[name]
    values = [None if missing else value for value, missing in zip(column, column.isna(), strict=True)]
    assert [record[name] for record in in_json] == values


AS_TEXT = {
    "datetime64[ns]": ["2024-01-01T00:00:00.123456789", None, "1969-12-31T00:00:00"],
    "datetime64 with a zone": ["2024-01-01T00:00:00+01:00", None, "2024-07-01T00:00:00+02:00"],
    "timedelta64[ns]": ["P0DT0H0M0.000000008S", None, "-P0DT0H0M0.000000003S"],
    "date": ["2024-01-01", None, "0001-01-01"],
    "time": ["01:02:03.000004", None, "04:00:00"],
    "Decimal": ["1.10", None, "2.00"],
    "bytes": ["/wA=", None, ""],
    "category": ["x", None, "y"],
    "float64": [0.1, None, 1e300],
}


@pytest.mark.parametrize("name", AS_TEXT)
@pytest.mark.protocol("9.5")
def test_values_that_json_cannot_hold_follow_a_rule(in_json: Any, name: str) -> None:
    assert [record[name] for record in in_json] == AS_TEXT[name]
