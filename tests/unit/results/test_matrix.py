"""Every cell of protocol 4.5 and 4.6, read back by the decoder of the client itself."""

import io
import zipfile
from typing import Any, get_args

import numpy as np
import orjson
import pandas as pd
import pyarrow as pa
import pytest
import requests
from graphistry import bind as plottable  # type: ignore[attr-defined]  # exported at run time only
from graphistry.compute.python_remote import python_remote_generic
from pandas.testing import assert_frame_equal

from runtime.errors import ResultNotSerializable
from runtime.results.kinds import Format, OutputType
from tests.unit.results.conftest import encoded

EDGES = pd.DataFrame({"src": ["a", "b"], "dst": ["b", "c"], "w": [0.5, 2.0]})
NODES = pd.DataFrame({"id": ["a", "b", "c"], "n": [1, 2, 3]})
GRAPH = plottable().edges(EDGES, "src", "dst").nodes(NODES, "id")
WITHOUT_NODES = plottable().edges(EDGES, "src", "dst")
ONE_NODE = [{"id": "a", "tags": [1, None]}]

TABULAR: list[Any] = list(get_args(Format))


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The real client, whose request is answered with what ``encode`` makes of a value."""

    def call(value: object, output_type: OutputType, file_format: Format) -> Any:
        response = requests.Response()
        response.status_code = 200
        response._content = encoded(value, output_type, file_format)[1]
        monkeypatch.setattr(requests, "post", lambda *args, **kwargs: response)
        options: dict[str, Any] = (
            {"df_import_args": {"keep_default_na": True, "dtype": {}}} if file_format == "csv" else {}
        )
        return python_remote_generic(
            WITHOUT_NODES,
            "def task(g): pass",
            api_token="token",
            dataset_id="id",
            engine="pandas",
            output_type=output_type,
            format=file_format,
            **options,
        )

    return call


pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning:graphistry", "ignore::UserWarning:graphistry")


@pytest.mark.parametrize("file_format", TABULAR)
@pytest.mark.parametrize("value", [GRAPH, {"nodes": NODES, "edges": EDGES}], ids=["plottable", "dict"])
def test_a_graph_comes_back_whole(client: Any, file_format: Format, value: object) -> None:
    answer = client(value, "all", file_format)
    assert_frame_equal(answer._nodes, NODES)
    assert_frame_equal(answer._edges, EDGES)


@pytest.mark.parametrize("file_format", TABULAR)
@pytest.mark.parametrize("value", [GRAPH, {"nodes": NODES, "edges": EDGES}, None], ids=["plottable", "dict", "frame"])
def test_one_table_of_a_graph_comes_back(client: Any, file_format: Format, value: object) -> None:
    nodes = client(NODES if value is None else value, "nodes", file_format)
    assert_frame_equal(nodes._nodes, NODES)
    assert nodes._edges is None
    edges = client(EDGES if value is None else value, "edges", file_format)
    assert_frame_equal(edges._edges, EDGES)
    assert edges._nodes is None


@pytest.mark.parametrize("file_format", TABULAR)
def test_a_missing_node_table_is_empty(client: Any, file_format: Format) -> None:
    answer = client(WITHOUT_NODES, "all", file_format)
    assert answer._nodes.shape == (0, 0)
    assert_frame_equal(answer._edges, EDGES)
    assert client(WITHOUT_NODES, "nodes", file_format)._nodes.shape == (0, 0)
    assert encoded(WITHOUT_NODES, "nodes", file_format)[1] == (b"[]" if file_format == "json" else b"")


@pytest.mark.parametrize("file_format", TABULAR)
@pytest.mark.parametrize("value", [EDGES, pa.Table.from_pandas(EDGES)], ids=["pandas", "arrow"])
def test_a_frame_comes_back_as_a_table(client: Any, file_format: Format, value: object) -> None:
    kind, _ = encoded(value, "table", file_format)
    assert kind == file_format
    assert_frame_equal(client(value, "table", file_format), EDGES)


@pytest.mark.parametrize("file_format", TABULAR)
@pytest.mark.parametrize(
    ("value", "rows"),
    [
        (GRAPH, [["nodes", 3, 2], ["edges", 2, 3]]),
        (WITHOUT_NODES, [["nodes", 0, 0], ["edges", 2, 3]]),
        ({"nodes": ONE_NODE, "edges": None}, [["nodes", 1, 2], ["edges", 0, 0]]),
    ],
    ids=["both", "edges only", "records"],
)
def test_shape_has_two_rows_in_order(client: Any, file_format: Format, value: object, rows: list[list[object]]) -> None:
    answer = client(value, "shape", file_format)
    assert list(answer.columns) == ["kind", "rows", "cols"]
    assert answer.to_numpy().tolist() == rows
    assert answer["rows"].dtype == np.int64


@pytest.mark.parametrize("file_format", TABULAR)
def test_records_stand_for_a_table(client: Any, file_format: Format) -> None:
    answer = client({"nodes": [{"id": "a"}], "edges": []}, "all", file_format)
    assert answer._nodes.to_dict(orient="records") == [{"id": "a"}]
    assert len(answer._edges) == 0
    assert client([{"x": 1}], "table", file_format)["x"].tolist() == [1]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (GRAPH, {"nodes": NODES.to_dict(orient="records"), "edges": EDGES.to_dict(orient="records")}),
        (WITHOUT_NODES, {"nodes": [], "edges": EDGES.to_dict(orient="records")}),
        (NODES, NODES.to_dict(orient="records")),
        ([GRAPH], [{"nodes": NODES.to_dict(orient="records"), "edges": EDGES.to_dict(orient="records")}]),
        ({"error": "mine"}, {"error": "mine"}),
        ("text", "text"),
        ([1, None, True], [1, None, True]),
        (None, None),
        (pd.DataFrame(), []),
    ],
    ids=["plottable", "no nodes", "frame", "nested", "error-shaped", "str", "list", "None", "empty"],
)
def test_json_takes_any_value(client: Any, value: object, expected: object) -> None:
    assert client(value, "json", "json") == expected


@pytest.mark.parametrize("file_format", ["csv", "parquet"])
def test_json_is_answered_whatever_the_format(file_format: Format) -> None:
    assert encoded({"a": 1}, "json", file_format) == ("json", b'{"a":1}')


@pytest.mark.parametrize("file_format", ["csv", "parquet"])
def test_the_archive_is_plain_and_the_same_every_time(file_format: Format) -> None:
    kind, data = encoded(WITHOUT_NODES, "all", file_format)
    assert kind == "zip"
    assert data == encoded(WITHOUT_NODES, "all", file_format)[1]
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == [f"nodes.{file_format}", f"edges.{file_format}"]
        assert {member.compress_type for member in archive.infolist()} == {zipfile.ZIP_STORED}
        assert archive.read(f"nodes.{file_format}") == b""


@pytest.mark.parametrize("index", [["x", "y"], pd.MultiIndex.from_tuples([(0, 1), (1, 2)], names=["src", "k"])])
@pytest.mark.parametrize("file_format", TABULAR)
def test_the_index_is_never_sent(client: Any, file_format: Format, index: Any) -> None:
    assert_frame_equal(client(EDGES.set_axis(index, axis=0), "table", file_format), EDGES)


def test_a_frame_without_columns_is_no_bytes_in_csv_and_whole_in_parquet(client: Any) -> None:
    assert encoded(pd.DataFrame(index=range(3)), "table", "csv") == ("csv", b"")
    for file_format in TABULAR:
        assert client(pd.DataFrame(index=range(3)), "table", file_format).shape == (0, 0)


@pytest.mark.parametrize("output_type", ["all", "nodes", "edges", "table"])
@pytest.mark.parametrize("file_format", TABULAR)
def test_a_frame_without_rows_keeps_its_columns_if_the_format_can(
    client: Any, output_type: OutputType, file_format: Format
) -> None:
    empty = EDGES.head(0) if output_type == "table" else GRAPH.edges(EDGES.head(0)).nodes(NODES.head(0))
    answer = client(empty, output_type, file_format)
    table = answer if output_type == "table" else getattr(answer, "_nodes" if output_type == "nodes" else "_edges")
    assert len(table) == 0
    if file_format != "json":
        assert list(table.columns) == (["id", "n"] if output_type == "nodes" else ["src", "dst", "w"])
    if file_format == "parquet":
        assert_frame_equal(table, (NODES if output_type == "nodes" else EDGES).head(0))


@pytest.mark.parametrize("output_type", ["nodes", "edges", "table"])
@pytest.mark.parametrize("file_format", TABULAR)
def test_a_frame_without_columns_is_empty(client: Any, output_type: OutputType, file_format: Format) -> None:
    answer = client(pd.DataFrame(), output_type, file_format)
    assert (answer if output_type == "table" else getattr(answer, f"_{output_type}")).empty


def test_a_frame_larger_than_a_chunk_is_one_list() -> None:
    frame = pd.DataFrame({"n": np.arange(120_001)}, index=np.arange(120_001) % 7)
    assert orjson.loads(encoded(frame, "table", "json")[1]) == [{"n": n} for n in range(120_001)]


def test_the_place_of_a_bad_cell_counts_all_rows() -> None:
    frame = pd.DataFrame({"n": pd.Series([1] * 60_000 + [object()], dtype=object)})
    with pytest.raises(ResultNotSerializable, match=r"at result\['edges'\]\[60000\]\['n'\]: a value of type object"):
        encoded({"edges": frame}, "all", "json")


REFUSED: list[tuple[object, OutputType, str]] = [
    ("text", "table", "returned a value of type str; output_type 'table' needs a DataFrame"),
    (None, "table", "returned nothing (None)"),
    (None, "all", "return statement"),
    ({"a": 1}, "table", "type dict"),
    ([1, 2], "table", "type list"),
    (GRAPH, "table", "ask for output_type 'all'"),
    (pd.Series([1]), "table", ".reset_index()"),
    (EDGES, "all", "needs a graph, or a dict"),
    (EDGES, "shape", "needs a graph, or a dict"),
    ({}, "all", "type dict"),
    ({"nodes": NODES, "edges": EDGES, "more": 1}, "all", "other keys"),
    ({"nodes": 5}, "nodes", "the nodes of the returned graph are of type int, not a DataFrame"),
    ({"edges": pd.Series([1])}, "all", ".to_frame()"),
    (GRAPH.edges("not a frame"), "edges", "type str"),
]


@pytest.mark.parametrize("file_format", TABULAR)
@pytest.mark.parametrize(("value", "output_type", "said"), REFUSED)
def test_a_value_of_the_wrong_kind_is_refused_with_what_is_expected(
    value: object, output_type: OutputType, said: str, file_format: Format
) -> None:
    with pytest.raises(ResultNotSerializable) as caught:
        encoded(value, output_type, file_format)
    assert said in caught.value.message


@pytest.mark.parametrize("file_format", TABULAR)
def test_duplicate_column_names_are_refused(file_format: Format) -> None:
    frame = pd.DataFrame([[1, 2, 3]], columns=["a", "b", "a"])
    with pytest.raises(ResultNotSerializable, match="several columns are named 'a'"):
        encoded(frame, "table", file_format)
    with pytest.raises(ResultNotSerializable, match=r"result\['nodes'\]: several columns"):
        encoded({"nodes": frame}, "all", file_format)
