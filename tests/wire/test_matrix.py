"""What a task may return (protocol 4.5) and how it reaches the client in every output type and format (4.6)."""

from __future__ import annotations

import io
import zipfile
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest
from graphistry.compute.exceptions import GFQLRemoteError
from graphistry.compute.python_remote import python_remote_generic

if TYPE_CHECKING:
    from tests.conftest import Person

pytestmark = [pytest.mark.e2e, pytest.mark.filterwarnings("ignore:.*csv:Warning")]

remote: Any = python_remote_generic

FORMATS = ("json", "csv", "parquet")
NODES = pd.DataFrame({"id": ["a", "b", "c", "d"], "age": [30, 41, 52, 63]})
EDGES = pd.DataFrame({"s": ["a", "b", "c"], "d": ["b", "c", "d"], "w": [1.5, 2.5, float("nan")]})
SHAPE = pd.DataFrame({"kind": ["nodes", "edges"], "rows": [4, 3], "cols": [2, 3]})
WHOLE = "def task(g): return g"


def same(got: object, expected: pd.DataFrame) -> None:
    """Equal in values, names and dtypes."""
    assert isinstance(got, pd.DataFrame)
    pd.testing.assert_frame_equal(got, expected)


# Every cell of 4.6 through the real client


def test_json_as_json_is_whatever_document_the_task_returned(people_graph: Any) -> None:
    answer = remote(people_graph, "def task(g): return {'n': [1, None, 'x'], 'error': 'mine'}")
    assert answer == {"n": [1, None, "x"], "error": "mine"}


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_json_as_a_table_format_runs_and_the_client_refuses(people_graph: Any, form: str) -> None:
    with pytest.raises(ValueError, match="Unsupported format"):
        remote(people_graph, "def task(g): return {'n': 1}", format=form, output_type="json")


@pytest.mark.parametrize("form", FORMATS)
def test_all_is_both_tables(people_graph: Any, form: str) -> None:
    graph = remote(people_graph, WHOLE, format=form, output_type="all")
    same(graph._nodes, NODES)
    same(graph._edges, EDGES)


@pytest.mark.parametrize("form", FORMATS)
def test_nodes_is_the_node_table(people_graph: Any, form: str) -> None:
    graph = remote(people_graph, WHOLE, format=form, output_type="nodes")
    same(graph._nodes, NODES)
    assert graph._edges is None


@pytest.mark.parametrize("form", FORMATS)
def test_edges_is_the_edge_table(people_graph: Any, form: str) -> None:
    graph = remote(people_graph, WHOLE, format=form, output_type="edges")
    same(graph._edges, EDGES)
    assert graph._nodes is None


@pytest.mark.parametrize("form", FORMATS)
def test_table_is_the_frame_that_was_returned(people_graph: Any, form: str) -> None:
    code = "def task(g): return g._edges.groupby('s', as_index=False)['w'].count()"
    same(
        remote(people_graph, code, format=form, output_type="table"),
        pd.DataFrame({"s": ["a", "b", "c"], "w": [1, 1, 0]}),
    )


@pytest.mark.parametrize("form", FORMATS)
def test_shape_counts_rows_and_columns(people_graph: Any, form: str) -> None:
    same(remote(people_graph, WHOLE, format=form, output_type="shape"), SHAPE)


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize("output_type", ["nodes", "edges"])
def test_a_bare_frame_stands_for_the_table_that_was_asked_for(people_graph: Any, output_type: str, form: str) -> None:
    code = "import pandas as pd\ndef task(g): return pd.DataFrame({'x': [1, 2]})"
    graph = remote(people_graph, code, format=form, output_type=output_type)
    same(getattr(graph, f"_{output_type}"), pd.DataFrame({"x": [1, 2]}))


@pytest.mark.parametrize("form", FORMATS)
def test_a_dict_of_nodes_and_edges_is_a_graph(people_graph: Any, form: str) -> None:
    code = "def task(g): return {'nodes': g._nodes, 'edges': g._edges.to_dict(orient='records')}"
    graph = remote(people_graph, code, format=form, output_type="all")
    same(graph._nodes, NODES)
    same(graph._edges, EDGES)


# Nothing in it


@pytest.mark.parametrize("form", FORMATS)
def test_a_missing_node_table_is_an_empty_one(client: Any, alice: Person, form: str) -> None:
    graph = client.edges(EDGES, "s", "d").upload()
    whole = remote(graph, WHOLE, format=form, output_type="all")
    assert whole._nodes.empty
    same(whole._edges, EDGES)
    assert remote(graph, WHOLE, format=form, output_type="nodes")._nodes.empty
    shape = remote(graph, WHOLE, format=form, output_type="shape")
    same(shape, SHAPE.assign(rows=[0, 3], cols=[0, 3]))


@pytest.mark.parametrize("output_type", ["all", "nodes", "edges", "table"])
@pytest.mark.parametrize("form", FORMATS)
def test_a_frame_without_rows_keeps_its_columns_where_the_format_can(
    people_graph: Any, form: str, output_type: str
) -> None:
    returned = "g._edges[:0]" if output_type == "table" else "g.edges(g._edges[:0]).nodes(g._nodes[:0])"
    got = remote(people_graph, f"def task(g): return {returned}", format=form, output_type=output_type)
    table = got if output_type == "table" else getattr(got, "_nodes" if output_type == "nodes" else "_edges")
    assert len(table) == 0
    if form != "json":
        assert list(table.columns) == (["id", "age"] if output_type == "nodes" else ["s", "d", "w"])
    if form == "parquet" and output_type != "nodes":
        same(table, EDGES[:0])


@pytest.mark.parametrize("output_type", ["nodes", "edges", "table"])
@pytest.mark.parametrize("form", FORMATS)
def test_a_frame_without_columns_is_an_empty_frame(people_graph: Any, form: str, output_type: str) -> None:
    code = "import pandas as pd\ndef task(g): return pd.DataFrame()"
    got = remote(people_graph, code, format=form, output_type=output_type)
    assert (got if output_type == "table" else getattr(got, f"_{output_type}")).empty


def test_a_zip_has_one_member_a_table(alice: Person, people: str) -> None:
    answer = alice.run(people, WHOLE, output_type="all", format="parquet")
    assert zipfile.ZipFile(io.BytesIO(answer.content)).namelist() == ["nodes.parquet", "edges.parquet"]


CONTENT_TYPES = [
    ("json", "json", "application/json"),
    ("all", "json", "application/json"),
    ("all", "csv", "application/zip"),
    ("all", "parquet", "application/zip"),
    ("table", "json", "application/json"),
    ("table", "csv", "text/csv; charset=utf-8"),
    ("table", "parquet", "application/vnd.apache.parquet"),
]


@pytest.mark.parametrize(("output_type", "form", "content_type"), CONTENT_TYPES)
def test_the_content_type_names_the_form(
    alice: Person, people: str, output_type: str, form: str, content_type: str
) -> None:
    returned = {"json": "1", "all": "g", "table": "g._nodes"}[output_type]
    answer = alice.run(people, f"def task(g): return {returned}", output_type=output_type, format=form)
    assert (answer.status_code, answer.headers["content-type"]) == (200, content_type)
    assert int(answer.headers["content-length"]) == len(answer.content)


# What may be returned (4.5), as curl gets it

RECORDS = [{"s": "a", "d": "b", "w": 1.5}, {"s": "b", "d": "c", "w": 2.5}, {"s": "c", "d": "d", "w": None}]
NODE_RECORDS = [{"id": "a", "age": 30}, {"id": "b", "age": 41}, {"id": "c", "age": 52}, {"id": "d", "age": 63}]
RETURNS: list[tuple[str, str, object]] = [
    ("{'a': 1}", "json", {"a": 1}),
    ("[1, 'x', None]", "json", [1, "x", None]),
    ("3", "json", 3),
    ("2.5", "json", 2.5),
    ("True", "json", True),
    ("None", "json", None),
    ("(1, 2)", "json", [1, 2]),
    ("{'nan': float('nan'), 'inf': [float('inf'), -float('inf')]}", "json", {"nan": None, "inf": [None, None]}),
    ("g._edges['w'].sum()", "json", 4.0),
    ("len(g._nodes)", "json", 4),
    ("g._edges", "json", RECORDS),
    ("g", "json", {"nodes": NODE_RECORDS, "edges": RECORDS}),
    ("g", "all", {"nodes": NODE_RECORDS, "edges": RECORDS}),
    ("g", "nodes", NODE_RECORDS),
    ("g", "edges", RECORDS),
    ("g._edges", "edges", RECORDS),
    ("g._edges", "table", RECORDS),
    ("g._edges.to_dict(orient='records')", "table", RECORDS),
    ("{'nodes': None, 'edges': g._edges}", "all", {"nodes": [], "edges": RECORDS}),
    ("{'nodes': [], 'edges': []}", "all", {"nodes": [], "edges": []}),
    ("g", "shape", [{"kind": "nodes", "rows": 4, "cols": 2}, {"kind": "edges", "rows": 3, "cols": 3}]),
]


@pytest.mark.parametrize(("returned", "output_type", "expected"), RETURNS)
def test_every_kind_of_return_has_its_json(
    alice: Person, people: str, returned: str, output_type: str, expected: object
) -> None:
    answer = alice.run(people, f"def task(g): return {returned}", output_type=output_type)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json"), answer.text
    assert answer.json() == expected


REFUSED = [
    ("object()", "json", "json", "type object"),
    ("lambda: 1", "json", "json", "type function"),
    ("{(1, 2): 3}", "json", "json", "a key of type tuple"),
    ("{1, 2} | {object()}", "json", "json", "type object"),
    ("None", "table", "json", "nothing (None)"),
    ("g", "table", "parquet", "Return one of its tables"),
    ("{'a': 1}", "all", "json", "other keys"),
    ("7", "all", "parquet", "type int"),
    ("'text'", "nodes", "csv", "type str"),
    ("g._edges['w']", "table", "parquet", ".to_frame()"),
    ("g._edges.set_axis(['a', 'a', 'b'], axis=1)", "table", "parquet", "several columns are named 'a'"),
    ("g._edges.assign(o=[1, 'x', object()])", "table", "parquet", "column 'o'"),
]


@pytest.mark.parametrize(("returned", "output_type", "form", "said"), REFUSED)
def test_what_has_no_form_is_refused_by_name(
    alice: Person, people: str, returned: str, output_type: str, form: str, said: str
) -> None:
    answer = alice.run(people, f"def task(g): return {returned}", output_type=output_type, format=form)
    assert (answer.status_code, answer.json()["type"]) == (422, "ResultNotSerializable")
    assert said in answer.json()["error"]


# The string dilemma of 4.6: text for whoever reads text, a JSON document for whoever decodes one

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


@pytest.mark.parametrize(("fields", "headers", "content_type"), DILEMMA)
def test_a_string_is_text_or_json(
    alice: Person, people: str, fields: dict[str, str], headers: dict[str, str], content_type: str
) -> None:
    body = {"execute": "def task(g): return 'héllo \"you\"'", **fields}
    answer = alice.http.post(f"/api/v2/datasets/{people}/python", json=body, headers=headers)
    assert answer.headers["content-type"] == content_type
    assert (answer.text if content_type == TEXT else answer.json()) == 'héllo "you"'


def test_a_string_reaches_the_real_client(people_graph: Any) -> None:
    assert people_graph.python_remote_json("def task(g): return 'hello'") == "hello"


def test_a_string_of_json_is_that_json_to_curl_and_a_string_to_the_client(
    alice: Person, people: str, people_graph: Any
) -> None:
    code = "import json\ndef task(g): return json.dumps({'a': 1})"
    assert alice.run(people, code).json() == {"a": 1}
    assert people_graph.python_remote_json(code) == '{"a": 1}'


def test_a_failed_run_is_an_error_to_the_client_in_every_form(people_graph: Any) -> None:
    for output_type, form in (("json", "json"), ("all", "parquet"), ("nodes", "csv"), ("table", "json")):
        with pytest.raises(GFQLRemoteError, match="NameError: name 'missing'"):
            remote(people_graph, "def task(g): return missing", format=form, output_type=output_type)
