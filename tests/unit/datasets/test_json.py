"""JSON: its shapes, the written rules for types, and what is said of bytes that are none."""

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from runtime.errors import InvalidTable

Upload = Callable[..., Any]

ROWS = {"src": ["a", "b"], "w": [1, 2]}


@pytest.mark.parametrize(
    ("document", "options"),
    [
        ([{"src": "a", "w": 1}, {"src": "b", "w": 2}], {}),
        ([{"src": "a", "w": 1}, {"src": "b", "w": 2}], {"orient": "records"}),
        ([{"src": "a", "w": 1}, {"src": "b", "w": 2}], {"orient": ""}),
        ({"src": ["a", "b"], "w": [1, 2]}, {}),
        ({"src": ["a", "b"], "w": [1, 2]}, {"orient": "columnar"}),
        ({"src": ["a", "b"], "w": [1, 2], "agent_name": "x", "agent_version": "5"}, {}),
        ({"src": {"0": "a", "1": "b"}, "w": {"0": 1, "1": 2}}, {}),
        ({"src": {"0": "a", "1": "b"}, "w": {"0": 1, "1": 2}}, {"orient": "columns"}),
        ({"columns": ["src", "w"], "index": [0, 1], "data": [["a", 1], ["b", 2]]}, {"orient": "split"}),
        ({"0": {"src": "a", "w": 1}, "1": {"src": "b", "w": 2}}, {"orient": "index"}),
        (json.loads(pd.DataFrame(ROWS).to_json(orient="table")), {"orient": "table"}),
    ],
)
def test_json_shapes_give_the_same_table(upload: Upload, document: Any, options: dict[str, Any]) -> None:
    assert upload(json.dumps(document).encode(), "json", options).table.to_pydict() == ROWS


@pytest.mark.parametrize(
    ("content", "options"),
    [
        ('{"src": "a", "w": 1}\n{"src": "b", "w": 2}\n', {}),
        ('{"src": "a", "w": 1}\r\n\r\n{"src": "b", "w": 2}', {}),
        ('{"src": "a", "w": 1}\n{"src": "b", "w": 2}\n', {"lines": "true"}),
        ('\ufeff{"src": "a", "w": 1}\n{"src": "b", "w": 2}\n', {"lines": True}),
        ('\ufeff[{"src": "a", "w": 1}, {"src": "b", "w": 2}]', {}),
    ],
)
def test_json_lines_and_byte_order_marks(upload: Upload, content: str, options: dict[str, Any]) -> None:
    assert upload(content.encode(), "json", options).table.to_pydict() == ROWS


@pytest.mark.parametrize(
    ("values", "dtype", "stored"),
    [
        ([1, None], "Int64", [1, None]),
        ([2.5, True], "str", ["2.5", "true"]),
        ([1, 2.5], "float64", [1.0, 2.5]),
        ([True, False], "bool", [True, False]),
        ([1, "a", None, True, 2.5], "str", ["1", "a", None, "true", "2.5"]),
        ([2**63, 1], "uint64", [2**63, 1]),
        ([2**63, -1], "str", [str(2**63), "-1"]),
        (["2024-01-01"], "str", ["2024-01-01"]),
        ([[1, 2], [3]], "object", [[1, 2], [3]]),
        ([{"a": 1}, {"a": 2}], "object", [{"a": 1}, {"a": 2}]),
        ([{"a": 1}, "x"], "str", ['{"a": 1}', "x"]),
        ([None, None], "object", [None, None]),
    ],
)
def test_json_types_follow_the_written_rules(upload: Upload, values: list[Any], dtype: str, stored: list[Any]) -> None:
    answer = upload(json.dumps([{"x": value} for value in values]).encode(), "json")
    assert answer.report["dtypes"] == {"x": dtype}
    assert answer.table.column("x").to_pylist() == stored


def test_columns_called_nodes_and_edges_are_a_table(upload: Upload) -> None:
    assert upload(b'{"nodes": [1], "edges": [2]}', "json").table.to_pydict() == {"nodes": [1], "edges": [2]}


def test_json_rows_that_lack_a_key_have_null_there(upload: Upload) -> None:
    stored = upload(b'[{"a": 1}, {"b": "x"}]', "json")
    assert stored.table.to_pydict() == {"a": [1, None], "b": [None, "x"]}


def test_json_s_not_a_number_is_read(upload: Upload) -> None:
    values = upload(b'{"a": [NaN, Infinity, 1]}', "json").table.column("a").to_pylist()
    assert np.isnan(values[0])
    assert values[1:] == [np.inf, 1.0]


def test_json_types_can_be_asked_for(upload: Upload) -> None:
    stored = upload(b'[{"id": 7, "c": "x"}]', "json", {"dtype": {"id": "str", "c": "category"}})
    assert stored.report["dtypes"] == {"id": "str", "c": "category"}
    assert stored.table.column("id").to_pylist() == ["7"]


def test_arrays_of_arrays_get_numbers_for_names(upload: Upload) -> None:
    assert upload(b'[["a", 1], ["b", 2]]', "json").table.to_pydict() == {"0": ["a", "b"], "1": [1, 2]}


@pytest.mark.parametrize("content", [b"[]", b"{}"])
def test_json_without_rows_is_an_empty_table(upload: Upload, content: bytes) -> None:
    assert upload(content, "json").report["row_count"] == 0


@pytest.mark.parametrize(
    ("content", "options", "words"),
    [
        (b"hello", {}, "not JSON"),
        (b'[{"a": 1}', {}, "not JSON"),
        (b'"text"', {}, "array of rows or an object"),
        (b"7", {}, "array of rows or an object"),
        (b'{"a": [1, 2], "b": [1]}', {}, "differ in length: 'a' 2, 'b' 1"),
        (b'{"a": [1, 2], "b": 5}', {}, "column 'b' is a single value"),
        (b'{"a": {"0": 1}, "b": [1]}', {}, "column 'b' is an array"),
        (b'[{"a": 1}, 5]', {}, "row 1 is not a JSON object"),
        (b"[[1, 2], [1]]", {}, "row 1 is not an array of 2 values"),
        (b'{"a": 1}\n{"a": \n', {}, "line 2 is not JSON"),
        (b'{"a": 1}\n[1]\n', {"lines": True}, "line 2 is not a JSON object"),
        (b'{"a": 1}', {"orient": "sideways"}, "orient 'sideways' is unknown"),
        (b"[1]", {"orient": "split"}, "must be a JSON object"),
        (b'{"columns": ["a"]}', {"orient": "split"}, "'data' must be a JSON array"),
        (b'[{"a": "\xff"}]', {}, "not valid UTF-8, byte 8 is 0xff; send UTF-8"),
        (b'{"a": 1}\n{"a": "\xff"}\n', {"lines": True}, "^line 2 is not JSON: it is not valid UTF-8, byte 7 is 0xff"),
        (b'{"a": 1}\n{"a": 1]\n', {}, "^line 2 is not JSON: unexpected character, .*: column 8$"),
        (b'{"nodes": [{"id": 1}], "links": [{"source": 1}]}', {}, "is a graph with 'nodes' and 'links', not a table"),
        (b'{"directed": false, "nodes": [{"id": 1}], "edges": []}', {}, "send each of them as a file of its own"),
        (b'{"elements": {"nodes": [{"data": {}}], "edges": []}}', {}, "is a graph"),
        (b'{"graph": {"nodes": {"a": {}}, "edges": [{"source": "a"}]}}', {}, "is a graph"),
        (b"<graphml>", {}, "is GraphML, not JSON"),
        (b'[{"a": "\\ud800"}]', {}, "not"),
        (b"[" * 100_000, {}, "not JSON"),
        (b'[{"a": "x"}]', {"dtype": {"a": "int64"}}, "column 'a' cannot be read as int64"),
        (b'[{"a": "x"}]', {"dtype": {"b": "int64"}}, "names column 'b'"),
        (b'[{"a": 1}]', {"compression": "gzip"}, "is not gzip data"),
        (b'{"a": 1}\n' + b" " * 5000 + b"[1]\n", {"lines": True}, "line 2 is not a JSON object"),
        (b'[{"a": ' + b"[" * 900 + b"]" * 900 + b"}]", {}, "column 'a' is nested more than 16 levels deep"),
        (b'[{"a": ' + b'{"b": ' * 900 + b"1" + b"}" * 900 + b"}]", {}, "nested more than 16 levels deep"),
        (b"\xff\xfe[\0", {}, "looks like UTF-16 text; send UTF-8"),
    ],
)
def test_json_that_cannot_be_read_as_asked(upload: Upload, content: bytes, options: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidTable, match=words):
        upload(content, "json", options)
