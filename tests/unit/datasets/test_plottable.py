"""The graph that a task receives is the one that its owner uploaded."""

import ast
import os
import random
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from graphistry.compute import e_forward, n
from graphistry.io.metadata import serialize_plottable_metadata
from graphistry.pygraphistry import PyGraphistry
from graphistry.pygraphistry import edges as graph_of

import runtime.datasets.plottable
from runtime.datasets.plottable import build_plottable

EDGES = pd.DataFrame({"s": ["a", "b", "c"], "d": ["b", "c", "a"], "w": [1, 2, 3]})
NODES = pd.DataFrame({"id": ["a", "b", "c"], "kind": ["x", "y", "x"], "lat": [0.0, 1.0, 2.0]})
BOUND = {"edge_encodings": {"bindings": {"source": "s", "destination": "d"}}}

NODE_BINDINGS = {
    "node": ("_node", "id"),
    "node_color": ("_point_color", "kind"),
    "node_label": ("_point_label", "kind"),
    "node_opacity": ("_point_opacity", "lat"),
    "node_size": ("_point_size", "lat"),
    "node_title": ("_point_title", "kind"),
    "node_weight": ("_point_weight", "lat"),
    "node_icon": ("_point_icon", "kind"),
    "node_x": ("_point_x", "lat"),
    "node_y": ("_point_y", "lat"),
    "node_longitude": ("_point_longitude", "lat"),
    "node_latitude": ("_point_latitude", "lat"),
}
EDGE_BINDINGS = {
    "source": ("_source", "s"),
    "destination": ("_destination", "d"),
    "edge": ("_edge", "w"),
    "edge_color": ("_edge_color", "w"),
    "edge_source_color": ("_edge_source_color", "w"),
    "edge_destination_color": ("_edge_destination_color", "w"),
    "edge_label": ("_edge_label", "w"),
    "edge_opacity": ("_edge_opacity", "w"),
    "edge_size": ("_edge_size", "w"),
    "edge_title": ("_edge_title", "w"),
    "edge_weight": ("_edge_weight", "w"),
    "edge_icon": ("_edge_icon", "w"),
}


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Any request fails the test, and nobody is registered."""

    def refuse(*_arguments: Any, **_options: Any) -> None:
        raise AssertionError("a graph must not reach for the network")

    monkeypatch.setattr("requests.sessions.Session.request", refuse)
    assert PyGraphistry.session.api_token is None
    yield


def _sent(g: Any) -> dict[str, Any]:
    """The create request that ``g.upload()`` would send (protocol 3.1), made by the client's own code."""
    uploader = g._plot_dispatch(
        g._edges, g._nodes, g._name or "Untitled", g._description or "", g._style, memoize=False
    )
    return {
        "node_encodings": uploader.node_encodings,
        "edge_encodings": uploader.edge_encodings,
        "metadata": uploader.metadata,
        "name": uploader.name,
        "description": uploader.description,
        "edge_files": ["f" * 32],
        "org_name": None,
    }


def test_frames_and_bindings_arrive() -> None:
    g = build_plottable(EDGES, NODES, {**BOUND, "node_encodings": {"bindings": {"node": "id"}}})
    assert (g._source, g._destination, g._node) == ("s", "d", "id")
    assert g._edges is EDGES
    assert g._nodes is NODES


def test_without_a_node_table_nodes_and_their_binding_are_none() -> None:
    g = build_plottable(EDGES, None, {**BOUND, "node_encodings": {"bindings": {}}, "node_files": []})
    assert g._nodes is None
    assert g._node is None


@pytest.mark.parametrize("key", [*NODE_BINDINGS, *EDGE_BINDINGS])
def test_every_binding_of_the_protocol_is_bound(key: str) -> None:
    side = "node_encodings" if key in NODE_BINDINGS else "edge_encodings"
    attribute, column = (NODE_BINDINGS | EDGE_BINDINGS)[key]
    g = build_plottable(EDGES, NODES, {side: {"bindings": {key: column}}})
    bound = {a: getattr(g, a) for a, _ in (NODE_BINDINGS | EDGE_BINDINGS).values()}
    assert bound == {**dict.fromkeys(bound), attribute: column}


def test_an_edge_binding_among_the_node_bindings_is_found_as_the_client_finds_it() -> None:
    g = build_plottable(EDGES, None, {"node_encodings": {"bindings": {"source": "s", "destination": "d"}}})
    assert (g._source, g._destination) == ("s", "d")


def test_what_a_client_uploads_is_what_a_task_receives() -> None:
    local = (
        graph_of(EDGES, "s", "d")
        .nodes(NODES, "id")
        .bind(point_title="kind", point_weight="lat", edge_title="w", edge_weight="w", point_longitude="lat")
        .encode_point_color("kind", categorical_mapping={"x": "red"}, default_mapping="gray")
        .encode_edge_color("w", ["blue", "red"], as_continuous=True)
        .encode_point_icon("kind", shape="circle", categorical_mapping={"x": "laptop"})
        .name("my graph")
        .description("what it is")
        .style(bg={"color": "#fff"}, page={"title": "t"})
    )
    g = build_plottable(EDGES, NODES, _sent(local))
    assert serialize_plottable_metadata(g) == serialize_plottable_metadata(local)
    assert g._complex_encodings == local._complex_encodings
    assert (g._point_weight, g._point_longitude) == ("lat", "lat")


@pytest.mark.parametrize("dataset_id", [None, "0" * 32])
def test_it_equals_what_from_dataset_id_gives(monkeypatch: pytest.MonkeyPatch, dataset_id: str | None) -> None:
    local = (
        graph_of(EDGES, "s", "d")
        .nodes(NODES, "id")
        .bind(point_color="kind", point_size="lat", edge_label="w")
        .encode_axis([{"r": 14, "external": True, "label": "outermost"}])
        .name("n")
    )
    payload = {**_sent(local), **({"dataset_id": dataset_id} if dataset_id else {})}

    class Answer:
        status_code = 200

        def json(self) -> dict[str, Any]:
            return {"data": {**payload, "dataset_id": "0" * 32}}

    monkeypatch.setattr("graphistry.pygraphistry.requests.get", lambda *_, **__: Answer())
    remote = PyGraphistry.from_dataset_id("0" * 32, api_token="t")
    g = build_plottable(EDGES, NODES, payload)
    ignored = {"_edges", "_nodes", "_url", "_dataset_id"}
    differing = {key for key, value in vars(remote).items() if key not in ignored and repr(vars(g)[key]) != repr(value)}
    assert differing == set()
    assert g._dataset_id == dataset_id


def test_style_may_also_be_named_as_such() -> None:
    g = build_plottable(EDGES, None, {"style": {"fg": {"blendMode": "screen"}}, "metadata": {"bg": {"color": "red"}}})
    assert g._style == {"fg": {"blendMode": "screen"}}


@pytest.mark.parametrize(
    "payload",
    [
        {},
        {"node_encodings": None, "edge_encodings": [], "metadata": "x", "name": 5, "description": None},
        {"node_encodings": {"bindings": {"node": None, "node_color": 7, "node_size": ""}}},
        {"edge_encodings": {"bindings": ["source"]}},
        {"edge_encodings": {"complex": {"default": [], "current": None}}},
        {"node_encodings": {"complex": 5}},
        {"node_encodings": {"bindings": {"colour": "red", "unknown": "x"}}, "edge_hypergraph_transform": {}},
        {"metadata": {"bg": "white", "agent": "x"}, "dataset_id": 9},
        {"url_params": {"play": []}},
    ],
    ids=str,
)
def test_what_is_unknown_or_misshapen_is_ignored(payload: dict[str, Any]) -> None:
    g = build_plottable(EDGES, None, payload)
    assert [getattr(g, a) for a, _ in (NODE_BINDINGS | EDGE_BINDINGS).values()] == [None] * 24
    assert (g._name, g._description, g._style, g._dataset_id) == (None, None, None, None)
    assert g._edges is EDGES


@pytest.mark.parametrize(
    "payload",
    [
        {"metadata": {"bindings": 5, "encodings": {"point_color": ["x"], "complex_encodings": 7}}},
        {"metadata": {"style": {"nonsense": 1}, "url_params": 5}},
        {"style": {"nonsense": 1}, "url_params": {"a": {"b": "c"}}},
        {"node_encodings": {"complex": {"default": {"pointAxisEncoding": "no axis"}}}},
        {"edge_encodings": {"complex": {"current": {"edgeColorEncoding": None}}}},
    ],
    ids=str,
)
def test_hostile_metadata_never_keeps_a_dataset_from_being_built(payload: dict[str, Any]) -> None:
    g = build_plottable(EDGES, None, {**payload, **BOUND})
    assert g._edges is EDGES
    assert g.materialize_nodes(engine="pandas").get_degrees()._nodes["degree"].tolist() == [2, 2, 2]


def test_graphs_do_not_share_encodings() -> None:
    payload = {"node_encodings": {"complex": {"default": {"pointColorEncoding": {"attribute": "kind"}}}}}
    first, second = build_plottable(EDGES, NODES, payload), build_plottable(EDGES, NODES, payload)
    first._complex_encodings["node_encodings"]["default"].clear()
    assert second._complex_encodings["node_encodings"]["default"] != {}
    assert build_plottable(EDGES, NODES, {})._complex_encodings["node_encodings"]["default"] == {}


def test_graph_methods_work_offline() -> None:
    g = build_plottable(EDGES.copy(), None, BOUND)
    assert g.materialize_nodes(engine="pandas")._nodes["id"].tolist() == ["a", "b", "c"]
    assert g._nodes is None
    degrees = g.get_degrees()._nodes
    assert degrees.set_index("id")["degree"].to_dict() == {"a": 2, "b": 2, "c": 2}
    full = build_plottable(EDGES.copy(), NODES.copy(), {**BOUND, "node_encodings": {"bindings": {"node": "id"}}})
    hop = full.hop(NODES[NODES["id"] == "a"], hops=1, direction="forward", engine="pandas")
    assert hop._edges[["s", "d"]].to_dict("records") == [{"s": "a", "d": "b"}]
    found = full.gfql([n({"kind": "x"}), e_forward(), n()], engine="pandas")
    assert sorted(found._edges["w"]) == [1, 3]


def test_a_graph_over_a_mapped_file_has_all_methods(tmp_path: Path, upload: Any) -> None:
    import pyarrow as pa

    from runtime.datasets.frames import map_frame

    stored = upload(pa.Table.from_pandas(EDGES))
    descriptor = stored.open()
    g = build_plottable(map_frame(descriptor), None, BOUND)
    os.close(descriptor)
    nodes = g.materialize_nodes(engine="pandas").get_degrees()._nodes
    assert nodes["degree"].tolist() == [2, 2, 2]
    found = g.gfql([n(), e_forward({"w": 2}), n()], engine="pandas")
    assert found._edges["s"].tolist() == ["b"]


def test_importing_and_building_starts_no_thread_and_no_cudf() -> None:
    code = """
import sys
sys.modules["cudf"] = None
import os, threading
import pandas as pd
import pyarrow as pa
pa.set_cpu_count(1)
from runtime.datasets.frames import map_frame
from runtime.datasets.plottable import build_plottable
build_plottable(pd.DataFrame({"s": [1]}), None, {"metadata": {}})
print(len(os.listdir("/proc/self/task")), sys.modules["cudf"])
"""
    environment = {
        "PATH": os.environ["PATH"],
        "OPENBLAS_NUM_THREADS": "1",
        "JE_ARROW_MALLOC_CONF": "background_thread:false",
        "PYTHONPATH": str(Path(__file__).parents[3]),
    }
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert done.stdout.split() == ["1", "None"], done.stderr


def test_the_template_imports_no_more_than_it_needs() -> None:
    source = Path(str(runtime.datasets.plottable.__file__)).read_text()
    imported = {
        (node.module or "").split(".")[0] if isinstance(node, ast.ImportFrom) else alias.name.split(".")[0]
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    assert imported == {"collections", "copy", "typing", "graphistry", "pandas"}


ODD: list[Any] = [
    None, True, -1, 1e308, "", "\n\x1b[2J", "a" * 1000, [], [1], {}, {"a": 1}, {"current": []},
    {"default": {"pointAxisEncoding": {"rows": 7}}}, {"current": {"pointAxisEncoding": {"rows": [{"r": "x"}, 7]}}},
    {"default": {"pointAxisEncoding": [1], "pointColorEncoding": 3}},
]  # fmt: skip
KEYS = (
    "name", "description", "metadata", "style", "url_params", "node_encodings", "edge_encodings", "encodings",
    "bindings", "complex", "default", "current", "node", "source", "point_color", "complex_encodings", "bg",
    "page", "play", "dataset_id", "__class__", "_nodes", "session",
)  # fmt: skip


def _odd(chance: random.Random, depth: int) -> Any:
    if depth > 4 or (depth and chance.random() < 0.4):
        return chance.choice(ODD)
    return {chance.choice(KEYS): _odd(chance, depth + 1) for _ in range(chance.randrange(6))}


def test_whatever_a_dataset_was_created_with_there_is_a_graph() -> None:
    chance = random.Random(1)
    for _ in range(2000):
        payload = _odd(chance, 0)
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # the client's library warns with words of the payload, into our log
            graph = build_plottable(EDGES, None, payload)
        assert graph._edges is EDGES, payload
