"""JSON: labels of rows are a column, and a document of another shape than it is read in is refused with what to do."""

import json
from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest

from runtime.errors import InvalidTable

Upload = Callable[..., Any]

LABELLED = pd.DataFrame({"a": [1, 2]}, index=["r", "s"])


@pytest.mark.parametrize(
    ("document", "options", "expected"),
    [
        (LABELLED.to_json(orient="index"), {"orient": "index"}, {"a": [1, 2], "index": ["r", "s"]}),
        (LABELLED.to_json(orient="split"), {"orient": "split"}, {"a": [1, 2], "index": ["r", "s"]}),
        (LABELLED.to_json(orient="table"), {"orient": "table"}, {"a": [1, 2], "index": ["r", "s"]}),
        (LABELLED.to_json(orient="columns"), {}, {"a": [1, 2], "index": ["r", "s"]}),
        (
            '{"columns": ["a"], "index": [3, 7], "data": [[1], [2]]}',
            {"orient": "split"},
            {"a": [1, 2], "index": [3, 7]},
        ),
        ('{"a": {"3": 1, "7": 2}, "b": {"3": 5}}', {}, {"a": [1, 2], "b": [5, None], "index": ["3", "7"]}),
        ('{"x": {"index": 1}}', {"orient": "index"}, {"index": [1], "index.1": ["x"]}),
        ('{"0": {"a": 1}, "1": {"a": 2}}', {"orient": "index"}, {"a": [1, 2]}),
        ('{"1": {"a": 1}, "0": {"a": 2}}', {"orient": "index"}, {"a": [1, 2], "index": ["1", "0"]}),
    ],
)
def test_labels_of_rows_are_a_column_unless_they_count(
    upload: Upload, document: str, options: dict[str, Any], expected: dict[str, list[Any]]
) -> None:
    assert upload(document.encode(), "json", options).table.to_pydict() == expected


@pytest.mark.parametrize(
    ("document", "options", "words"),
    [
        ({"a": {"0": 1}, "b": [{"c": 1}]}, {}, "column 'b' is an array, but other columns are objects"),
        ({"a": [[1]], "b": {"x": 1}}, {}, "column 'a' is an array"),
        ({"meta": {"n": 1}, "rows": [{"a": 1}]}, {}, "if 'rows' has the rows, send its array alone"),
        ({"count": 1, "results": [{"a": 1}]}, {}, "if 'results' has the rows, send its array alone"),
        ({"results": [{"a": 1}, {"a": 2}], "errors": []}, {}, "differ in length: .*; if 'results' has the rows"),
        (
            {"data": [{"a": 1}]},
            {},
            r"its rows in 'data', as .*: send this array alone \(or the option orient=columnar, if",
        ),
        ({"data": {"users": {"total": 2, "nodes": [{"a": 1}]}}}, {}, "has its rows in 'data.users.nodes'"),
        ({"value": [{"a": 1}], "agent_name": "js"}, {}, "has its rows in 'value'"),
        ({"columns": ["a"], "index": [1], "data": [[1], [2]]}, {"orient": "split"}, "'index' has 1 labels for 2 rows"),
        ({"columns": ["a", "b"], "index": [0], "data": [[1, 2]]}, {}, "send the option orient=split"),
        ({"columns": ["a"], "data": [[1]]}, {}, "send the option orient=split"),
        (json.loads(LABELLED.to_json(orient="table")), {}, "send the option orient=table"),
        (
            {"a": 1},
            {"lines": True, "orient": "columns"},
            "lines=true reads one object a line, and the option orient=columns",
        ),
        ({"a": 1}, {"lines": True, "orient": "split"}, "leave one of them out"),
    ],
)
def test_a_document_of_another_shape_is_refused_with_what_to_do(
    upload: Upload, document: Any, options: dict[str, Any], words: str
) -> None:
    with pytest.raises(InvalidTable, match=words):
        upload(json.dumps(document).encode(), "json", options)


@pytest.mark.parametrize(
    ("document", "options", "columns"),
    [
        ({"a": [{"x": 1}]}, {"orient": "columnar"}, {"a": [{"x": 1}]}),
        ({"a": [{"x": 1}], "b": [2]}, {}, {"a": [{"x": 1}], "b": [2]}),
        ({"a": {"0": {"x": 1}, "1": {"x": 2}}}, {}, {"a": [{"x": 1}, {"x": 2}]}),
        ({"a": [[1], [2]]}, {}, {"a": [[1], [2]]}),
        ([{"a": {"b": [{"x": 1}]}}], {}, {"a": [{"b": [{"x": 1}]}]}),
    ],
)
def test_columns_of_objects_are_no_rows(upload: Upload, document: Any, options: dict[str, Any], columns: Any) -> None:
    assert upload(json.dumps(document).encode(), "json", options).table.to_pydict() == columns


@pytest.mark.parametrize(
    ("content", "options", "words"),
    [
        (
            b'{"a": 1}\n{"a": 2}\n',
            {"orient": "records"},
            "if each line is an object, send the option lines=true and no orient",
        ),
        (b'{"a": 1}\n{"a": 2}\n', {"lines": False}, "if each line is an object, send the option lines=true"),
        (b'[\n {"a": 1}\n]', {"lines": True}, "if the whole body is one document, leave the option lines=true out"),
    ],
)
def test_an_error_says_whether_lines_helps(upload: Upload, content: bytes, options: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidTable, match=words):
        upload(content, "json", options)


@pytest.mark.parametrize(
    ("content", "values"),
    [
        (b'[{"a": 1e400}, {"a": 1.5}]', ["1e400", "1.5"]),
        (b'[{"a": [-1e999]}, {"a": [1.5]}]', ['["-1e999"]', "[1.5]"]),
        (b'{"a": [1e400, 100000000000000000000000000001]}', ["1e400", "100000000000000000000000000001"]),
        (b'[{"a": 1e-400}, {"a": 1.5}]', ["1e-400", "1.5"]),
        (b'{"a": 0.0}\n{"a": -1E-0324}\n', ["0.0", "-1E-0324"]),
        (b'[{"a": {"x": 1e-400}}, {"a": {"x": 0.0}}]', ['{"x": "1e-400"}', '{"x": 0.0}']),
        (b'[{"a": "t"}, {"a": 0.' + b"0" * 400 + b"1}]", ["t", "0." + "0" * 400 + "1"]),
        (b'[{"a": 0e-400}, {"a": 5e-324}]', [0.0, 5e-324]),
        (b'{"a": [Infinity, 1.5]}', [float("inf"), 1.5]),
    ],
)
def test_a_number_that_no_float_holds_is_text(upload: Upload, content: bytes, values: list[Any]) -> None:
    assert upload(content, "json").table.column("a").to_pylist() == values


@pytest.mark.parametrize(
    ("value", "dtype", "words"),
    [
        ("0x1F", "int64", "'0x1F' is no whole number"),
        (1e39, "float32", "a number is too large"),
        (1e-46, "float32", "a number is too small for it and would be 0"),
        (5, "bool", "a value is neither 0 nor 1"),
        ("1", "bool", "neither true nor false"),
    ],
)
def test_a_dtype_that_does_not_hold_a_value_is_refused(upload: Upload, value: object, dtype: str, words: str) -> None:
    with pytest.raises(InvalidTable, match=words):
        upload(json.dumps([{"a": value}]).encode(), "json", {"dtype": {"a": dtype}})
