"""What a task returns, on the wire: each media type once, and strings by what the client accepts.

``tests/unit/results/test_matrix.py`` and ``test_returns.py`` have every cell of output type, format and value.
"""

from __future__ import annotations

import io
import json
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest
from graphistry.compute.exceptions import GFQLRemoteError
from graphistry.compute.python_remote import python_remote_generic

from tests.conftest import Person

pytestmark = [pytest.mark.e2e, pytest.mark.filterwarnings("ignore:.*csv:Warning")]

remote: Any = python_remote_generic


NODES = pd.DataFrame({"id": ["a", "b", "c", "d"], "age": [30, 41, 52, 63]})


EDGES = pd.DataFrame({"s": ["a", "b", "c"], "d": ["b", "c", "d"], "w": [1.5, 2.5, float("nan")]})


WHOLE = "def task(g): return g"


def same(got: object, expected: pd.DataFrame) -> None:
    """Equal in values, names and dtypes."""
    assert isinstance(got, pd.DataFrame)
    pd.testing.assert_frame_equal(got, expected)


# Each media type through the real client


@pytest.mark.protocol("4.6")
def test_json_as_json_is_whatever_document_the_task_returned(people_graph: Any) -> None:
    answer = remote(people_graph, "def task(g): return {'n': [1, None, 'x'], 'error': 'mine'}")
    assert answer == {"n": [1, None, "x"], "error": "mine"}


@pytest.mark.protocol("9.7")
@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_json_as_a_table_format_runs_and_the_client_refuses(people_graph: Any, form: str) -> None:
    with pytest.raises(ValueError, match="Unsupported format"):
        remote(people_graph, "def task(g): return {'n': 1}", format=form, output_type="json")


@pytest.mark.protocol("4.6")
def test_a_graph_arrives_as_a_zip_of_its_tables(people_graph: Any) -> None:
    graph = remote(people_graph, WHOLE, format="parquet", output_type="all")
    same(graph._nodes, NODES)
    same(graph._edges, EDGES)


@pytest.mark.protocol("4.6")
@pytest.mark.protocol("9.5")
@pytest.mark.parametrize("form", ["json", "csv", "parquet"])
def test_a_table_arrives_in_each_format(people_graph: Any, form: str) -> None:
    code = "def task(g): return g._edges.groupby('s', as_index=False)['w'].count()"
    same(
        remote(people_graph, code, format=form, output_type="table"),
        pd.DataFrame({"s": ["a", "b", "c"], "w": [1, 1, 0]}),
    )


CONTENT_TYPES = [
    ("json", "json", "application/json"),
    ("all", "json", "application/json"),
    ("all", "csv", "application/zip"),
    ("all", "parquet", "application/zip"),
    ("table", "json", "application/json"),
    ("table", "csv", "text/csv; charset=utf-8"),
    ("table", "parquet", "application/vnd.apache.parquet"),
]


@pytest.mark.protocol("4.6")
@pytest.mark.parametrize(("output_type", "form", "content_type"), CONTENT_TYPES)
def test_the_content_type_names_the_form(
    alice: Person, people: str, output_type: str, form: str, content_type: str
) -> None:
    returned = {"json": "1", "all": "g", "table": "g._nodes"}[output_type]
    answer = alice.run(people, f"def task(g): return {returned}", output_type=output_type, format=form)
    assert (answer.status_code, answer.headers["content-type"]) == (200, content_type)
    assert int(answer.headers["content-length"]) == len(answer.content)


@pytest.mark.protocol("4.5")
@pytest.mark.protocol("9.5")
@pytest.mark.parametrize(
    ("returned", "output_type", "form", "said"),
    [
        ("object()", "json", "json", "type object"),
        ("g._edges.set_axis(['a', 'a', 'b'], axis=1)", "table", "parquet", "several columns are named 'a'"),
    ],
)
def test_a_result_without_a_form_is_refused_by_name(
    alice: Person, people: str, returned: str, output_type: str, form: str, said: str
) -> None:
    answer = alice.run(people, f"def task(g): return {returned}", output_type=output_type, format=form)
    assert (answer.status_code, answer.json()["type"]) == (422, "ResultNotSerializable")
    assert said in answer.json()["error"]


@pytest.mark.protocol("4.7")
def test_a_failed_run_is_an_error_to_the_client_in_every_form(people_graph: Any) -> None:
    for output_type, form in (("json", "json"), ("all", "parquet"), ("nodes", "csv"), ("table", "json")):
        with pytest.raises(GFQLRemoteError, match="NameError: name 'missing'"):
            remote(people_graph, "def task(g): return missing", format=form, output_type=output_type)


# Strings: text for clients that read text, a JSON document for clients that decode JSON (protocol 4.6)


TEXT = "text/plain; charset=utf-8"


JSON = "application/json"


DILEMMA = [
    pytest.param({}, {"Accept": "*/*"}, TEXT, id="curl"),
    pytest.param({}, {"Accept": "text/plain"}, TEXT, id="text only"),
    pytest.param({}, {"Accept": "text/html, */*;q=0.8"}, TEXT, id="browser"),
    pytest.param({}, {"Accept": "application/json"}, JSON, id="json only"),
    pytest.param({}, {"Accept": "application/json, text/plain;q=0.5"}, TEXT, id="either"),
    pytest.param({"engine": "pandas"}, {"Accept": "*/*"}, JSON, id="engine named"),
    pytest.param({"engine": "pandas"}, {"Accept": "text/plain"}, JSON, id="engine named, text only"),
]


@pytest.mark.protocol("4.6")
@pytest.mark.parametrize(("fields", "headers", "content_type"), DILEMMA)
def test_a_string_is_text_or_json(
    alice: Person, people: str, fields: dict[str, str], headers: dict[str, str], content_type: str
) -> None:
    body = {"execute": "def task(g): return 'héllo \"you\"'", **fields}
    answer = alice.http.post(f"/api/v2/datasets/{people}/python", json=body, headers=headers)
    assert answer.headers["content-type"] == content_type
    assert (answer.text if content_type == TEXT else answer.json()) == 'héllo "you"'


@pytest.mark.protocol("4.6")
def test_a_string_reaches_the_real_client(people_graph: Any) -> None:
    assert people_graph.python_remote_json("def task(g): return 'hello'") == "hello"


@pytest.mark.protocol("4.6")
def test_a_string_of_json_is_that_json_to_curl_and_a_string_to_the_client(
    alice: Person, people: str, people_graph: Any
) -> None:
    code = "import json\ndef task(g): return json.dumps({'a': 1})"
    assert alice.run(people, code).json() == {"a": 1}
    assert people_graph.python_remote_json(code) == '{"a": 1}'


# What must arrive as it is


@pytest.mark.protocol("9.5")
@pytest.mark.filterwarnings("ignore:python_remote.*untyped")
@pytest.mark.parametrize("form", ["json", "csv", "parquet"])
def test_a_column_called_error_is_no_error(people_graph: Any, form: str) -> None:
    code = "import pandas as pd\ndef task(g): return pd.DataFrame({'error': ['x'], 'metadata': [1]})"
    table = people_graph.python_remote_table(code, format=form)
    assert table.to_dict(orient="records") == [{"error": "x", "metadata": 1}]


@pytest.mark.protocol("9.5")
def test_parquet_has_no_index_and_readable_categories(alice: Person, people: str) -> None:
    code = "def task(g): return g._nodes.assign(kind=g._nodes['id'].astype('category')).iloc[::-1]"
    answer = alice.run(people, code, output_type="table", format="parquet")
    table = pa.parquet.read_table(io.BytesIO(answer.content))
    assert table.column_names == ["id", "age", "kind"]
    frame = table.to_pandas()
    assert frame["kind"].astype(str).tolist() == ["d", "c", "b", "a"]
    assert frame["kind"].dtype == "category"


@pytest.mark.protocol("9.5")
def test_a_missing_value_is_null(alice: Person, people: str) -> None:
    assert json.loads(alice.run(people, "def task(g): return g._edges['w'].tolist()").text) == [1.5, 2.5, None]
