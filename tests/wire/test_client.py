# mypy: disable-error-code="no-untyped-def, no-untyped-call"
# The functions below travel as source text, where an annotation would need its import.
"""The whole of what PyGraphistry does with a server: sign in, upload, plot, find again, run, and what runs."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pandas as pd
import pytest
from graphistry.compute.exceptions import GFQLRemoteError

from tests.wire.conftest import new_client

if TYPE_CHECKING:
    from tests.conftest import LiveServer, Person

pytestmark = pytest.mark.e2e

EDGES = pd.DataFrame({"src": ["a", "b", "c"], "dst": ["b", "c", "d"], "kind": ["x", "y", "x"], "w": [1, 2, 3]})
NODES = pd.DataFrame({"name": ["a", "b", "c", "d"], "size": [10, 20, 30, 40], "kind": ["cat", "dog", "cat", "cow"]})


def address(server: LiveServer) -> dict[str, Any]:
    return {"api": 3, "protocol": "http", "server": server.url.removeprefix("http://")}


# Signing in


def test_register_with_a_password_signs_in(server: LiveServer, alice: Person) -> None:
    session = new_client()
    session.register(**address(server), username=alice.username, password=alice.password)
    assert session.api_token().count(".") == 2


def test_register_with_a_token_verifies_it(server: LiveServer, alice: Person) -> None:
    session = new_client()
    session.register(**address(server), token=alice.token)
    assert session.verify_token()


def test_register_with_ones_own_organisation_uses_it(server: LiveServer, alice: Person) -> None:
    session = new_client()
    session.register(**address(server), username=alice.username, password=alice.password, org_name=alice.username)
    assert session.org_name() == alice.username


@pytest.mark.parametrize(
    ("credentials", "said"),
    [
        ({"username": "nobody-here", "password": "wrong"}, "Unable to log in with provided credentials"),
        ({"org_name": "others"}, "others"),
    ],
    ids=["wrong password", "foreign organisation"],
)
def test_register_says_what_is_wrong(server: LiveServer, alice: Person, credentials: dict[str, str], said: str) -> None:
    asked = {"username": alice.username, "password": alice.password, **credentials}
    with pytest.raises(Exception, match=said):
        new_client().register(**address(server), **asked)


def test_a_token_that_is_none_does_not_verify(server: LiveServer, alice: Person) -> None:
    session = new_client()
    session.register(**address(server), token=alice.token)
    session.session.api_token = alice.token[:-2]
    assert not session.verify_token(fail_silent=True)


def test_refresh_keeps_a_token_that_has_plenty_of_life(client: Any) -> None:
    before = client.api_token()
    client.refresh()
    assert client.api_token() == before


# Uploading


def test_upload_makes_a_dataset_of_files(client: Any, alice: Person) -> None:
    graph = client.edges(EDGES, "src", "dst").nodes(NODES, "name").name("two tables").upload()
    described = alice.http.get(f"/api/v2/datasets/{graph._dataset_id}/").json()
    assert (described["node_count"], described["edge_count"], described["name"]) == (4, 3, "two tables")
    assert described["edge_files"] == [graph._edges_file_id]
    assert described["node_files"] == [graph._nodes_file_id]


def test_uploading_a_frame_again_reuses_the_file_for_a_new_dataset(client: Any) -> None:
    first = client.edges(EDGES, "src", "dst").upload()
    again = client.edges(EDGES.copy(), "src", "dst").upload()
    assert again._edges_file_id == first._edges_file_id
    assert again._dataset_id != first._dataset_id
    assert again.python_remote_json("def task(g): return len(g._edges)") == 3


def test_a_file_of_somebody_else_is_not_found(client: Any, server: LiveServer, bob: Person) -> None:
    file_id = client.edges(EDGES, "src", "dst").upload()._edges_file_id
    other = new_client()
    other.register(**address(server), token=bob.token)
    # The memory of this process names alice's file to the server.
    with pytest.raises(Exception, match=f"file {file_id} not found"):
        other.edges(EDGES, "src", "dst").upload()


def test_plot_sends_tables_inline_and_gives_the_address_of_a_page(client: Any) -> None:
    url = client.edges(EDGES, "src", "dst").nodes(NODES, "name").plot(render=False)
    dataset_id = parse_qs(urlsplit(url).query)["dataset"][0]
    found = client.bind(dataset_id=dataset_id).python_remote_g("def task(g): return g")
    pd.testing.assert_frame_equal(found._edges, EDGES)
    pd.testing.assert_frame_equal(found._nodes, NODES)


def test_running_code_uploads_a_graph_that_has_no_dataset_yet(client: Any) -> None:
    graph = client.edges(EDGES.assign(w=7), "src", "dst")
    assert graph.python_remote_json("def task(g): return int(g._edges['w'].sum())") == 21


# Finding it again


@pytest.fixture(scope="module")
def encoded(client: Any) -> Any:
    """A graph with every kind of encoding."""
    graph = client.edges(EDGES, "src", "dst").nodes(NODES, "name").name("encoded").description("all of them")
    graph = graph.bind(edge_title="kind", edge_weight="w", edge_label="kind", point_label="name", point_title="name")
    graph = graph.encode_point_size("size").encode_edge_color("w", as_continuous=True, palette=["black", "white"])
    graph = graph.encode_point_color("kind", categorical_mapping={"cat": "red", "dog": "#00f"}, default_mapping="gray")
    return graph.encode_point_icon("kind", categorical_mapping={"cat": "cat"}, default_mapping="question").upload()


def test_from_dataset_id_gives_back_bindings_and_encodings(client: Any, encoded: Any) -> None:
    found = client.from_dataset_id(encoded._dataset_id)
    assert found._dataset_id == encoded._dataset_id
    assert (found._source, found._destination, found._node) == ("src", "dst", "name")
    for binding in ("point_size", "point_title", "point_label", "edge_title", "edge_label", "edge_weight"):
        assert getattr(found, f"_{binding}") == getattr(encoded, f"_{binding}"), binding
    assert found._complex_encodings == encoded._complex_encodings
    assert (found._name, found._description) == ("encoded", "all of them")


def test_a_graph_found_again_runs_code(client: Any, encoded: Any) -> None:
    found = client.from_dataset_id(encoded._dataset_id)
    assert found.python_remote_json("def task(g): return sorted(g._nodes['name'])") == ["a", "b", "c", "d"]


def test_the_task_sees_bindings_encodings_and_name(encoded: Any) -> None:
    seen = encoded.python_remote_json("""
        def task(g):
            return {
                "bindings": [g._source, g._destination, g._node],
                "simple": [g._point_size, g._point_title, g._edge_title, g._edge_weight],
                "complex": g._complex_encodings,
                "about": [g._name, g._description],
            }
    """)
    assert seen == {
        "bindings": ["src", "dst", "name"],
        "simple": [encoded._point_size, encoded._point_title, encoded._edge_title, encoded._edge_weight],
        "complex": encoded._complex_encodings,
        "about": ["encoded", "all of them"],
    }


def test_a_deleted_dataset_is_gone_for_the_client_too(client: Any, alice: Person) -> None:
    graph = client.edges(EDGES, "src", "dst").upload()
    assert graph.python_remote_json("def task(g): return 1") == 1
    assert alice.http.delete(f"/api/v2/datasets/{graph._dataset_id}/").status_code == 204
    with pytest.raises(GFQLRemoteError, match=rf"404\): dataset {graph._dataset_id} not found"):
        graph.python_remote_json("def task(g): return 1")
    with pytest.raises(ValueError, match="HTTP 404"):
        client.from_dataset_id(graph._dataset_id)


# What can be run

PROGRAMS: dict[str, tuple[str, object]] = {
    "helper function": ("def twice(x): return 2 * x\ndef task(g): return twice(21)", 42),
    "helper below": ("def task(g): return twice(21)\ndef twice(x): return 2 * x", 42),
    "constant": ("LIMIT = 2\ndef task(g): return int((g._edges['w'] >= LIMIT).sum())", 2),
    "class": (
        """
        class Counter:
            def __init__(self): self.n = 0
            def add(self, x): self.n += x

        def task(g):
            counter = Counter()
            g._edges["w"].map(counter.add)
            return counter.n
        """,
        6,
    ),
    "dataclass": (
        """
        from dataclasses import dataclass

        @dataclass
        class Point:
            x: int
            y: "int" = 2

        def task(g): return Point(1)
        """,
        {"x": 1, "y": 2},
    ),
    "recursion": ("def fib(n): return n if n < 2 else fib(n - 1) + fib(n - 2)\ndef task(g): return fib(15)", 610),
    "closure": (
        """
        def task(g):
            seen = []
            def walk(n):
                if n:
                    seen.append(n)
                    walk(n - 1)
            walk(3)
            return seen
        """,
        [3, 2, 1],
    ),
    "imports": ("import math, numpy as np\ndef task(g): return [math.floor(2.5), int(np.arange(4).sum())]", [2, 6]),
    "import inside": ("def task(g):\n    from collections import Counter\n    return Counter('aab')", {"a": 2, "b": 1}),
    "annotations": (
        """
        import pandas as pd
        from typing import Any
        from graphistry import Plottable

        def task(g: Plottable) -> dict[str, Any]:
            frame: pd.DataFrame = g._edges
            return {"rows": len(frame)}
        """,
        {"rows": 3},
    ),
    "future import": ("from __future__ import annotations\ndef task(g: Nowhere) -> Nothing: return 1", 1),
    "triple quotes": ("def task(g):\n    return '''one\n  two\n\nthree'''", "one\n  two\n\nthree"),
    "global": ("n = 0\ndef task(g):\n    global n\n    n += 1\n    return n", 1),
    "comprehension": ("KEEP = {'x'}\ndef task(g): return [k for k in g._edges['kind'] if k in KEEP]", ["x", "x"]),
    "async inside": ("import asyncio\nasync def late(): return 5\ndef task(g): return asyncio.run(late())", 5),
    "generator": ("def rows(g):\n    yield from g._edges['w']\ndef task(g): return list(rows(g))", [1, 2, 3]),
    "decorator": (
        """
        import functools

        def loud(function):
            @functools.wraps(function)
            def call(g): return function(g).upper()
            return call

        @loud
        def task(g): return "quiet"
        """,
        "QUIET",
    ),
    "lines end like Windows'": ("def task(g):\r\n    x = 1\r\n    return x\r\n", 1),
    "tabs": ("def task(g):\n\tif True:\n\t\treturn 1\n", 1),
    "comment first": ("# -*- coding: utf-8 -*-\n\n\ndef task(g): return 'ü'", "ü"),
    "graph methods": (
        """
        def task(g):
            counted = g.materialize_nodes().get_degrees()
            return counted._nodes["degree"].tolist()
        """,
        [1, 2, 2, 1],
    ),
    "hop": (
        """
        import pandas as pd

        def task(g):
            g = g.materialize_nodes()
            return len(g.hop(pd.DataFrame({g._node: ["a"]}), hops=2)._edges)
        """,
        2,
    ),
    "gfql": ("from graphistry import n, e_forward\ndef task(g): return len(g.gfql([n(), e_forward(), n()])._edges)", 3),
}


@pytest.fixture(scope="module")
def uploaded(client: Any) -> Any:
    return client.edges(EDGES, "src", "dst").upload()


@pytest.mark.parametrize(("source", "expected"), PROGRAMS.values(), ids=PROGRAMS)
def test_source_text_of_every_kind_runs(uploaded: Any, source: str, expected: object) -> None:
    assert uploaded.python_remote_json(source) == expected


@pytest.mark.parametrize("name", ["class", "recursion", "triple quotes", "annotations"])
def test_source_text_may_be_indented_as_a_whole(uploaded: Any, name: str) -> None:
    source, expected = PROGRAMS[name]
    assert uploaded.python_remote_json(textwrap.indent(source, " " * 8)) == expected


def weights_by_kind(g):
    """What ``w`` adds up to."""
    import collections

    totals: collections.Counter[str] = collections.Counter()
    for kind, weight in zip(g._edges["kind"], g._edges["w"], strict=True):
        totals[kind] += int(weight)
    return totals


def nested(g):
    class Path:
        def __init__(self, steps):
            self.steps = steps

    def walk(node, steps):
        after = g._edges.loc[g._edges["src"] == node, "dst"]
        return walk(after.iloc[0], [*steps, node]) if len(after) else Path([*steps, node])

    return walk("a", []).steps


def quoting(g):
    text = """
    kept
      as it is
"""
    return text


def test_functions_run_as_they_are(uploaded: Any) -> None:
    assert uploaded.python_remote_json(weights_by_kind) == {"x": 4, "y": 2}
    assert uploaded.python_remote_json(nested) == ["a", "b", "c", "d"]
    assert uploaded.python_remote_json(quoting) == quoting(None)


def test_a_function_inside_another_runs(uploaded: Any) -> None:
    def heaviest(g):
        return g._edges.nlargest(1, "w")

    table = uploaded.python_remote_table(heaviest)
    pd.testing.assert_frame_equal(table, heaviest(uploaded).reset_index(drop=True))  # no index travels


def test_the_three_ways_to_run(uploaded: Any) -> None:
    graph = uploaded.python_remote_g("def task(g): return g.edges(g._edges[g._edges['w'] > 1])")
    assert graph._edges["w"].tolist() == [2, 3]
    assert uploaded.python_remote_table("def task(g): return g._edges[['w']]")["w"].tolist() == [1, 2, 3]
    assert uploaded.python_remote_json("def task(g): return None") is None


def test_a_run_may_have_a_label_and_a_token_of_its_own(uploaded: Any, alice: Person) -> None:
    source = "def task(g): return 1"
    assert uploaded.python_remote_json(source, run_label="nightly", api_token=alice.token) == 1
    with pytest.raises(GFQLRemoteError, match="401"):
        uploaded.python_remote_json(source, api_token="not.a.token")


def test_an_error_in_a_task_reaches_the_caller_with_its_type_and_text(uploaded: Any) -> None:
    with pytest.raises(GFQLRemoteError, match=r"422\): ZeroDivisionError: division by zero"):
        uploaded.python_remote_json("def task(g): return 1 / 0")
