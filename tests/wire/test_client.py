"""What PyGraphistry does with a server: sign in, upload, plot, find again, by configuration or by hand."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import pandas as pd
import pytest
from graphistry.compute.exceptions import GFQLRemoteError

from tests.conftest import LiveServer, Person
from tests.waiting import WITHIN_S
from tests.wire.conftest import new_client

pytestmark = pytest.mark.e2e

EDGES = pd.DataFrame({"src": ["a", "b", "c"], "dst": ["b", "c", "d"], "kind": ["x", "y", "x"], "w": [1, 2, 3]})


NODES = pd.DataFrame({"name": ["a", "b", "c", "d"], "size": [10, 20, 30, 40], "kind": ["cat", "dog", "cat", "cow"]})


def address(server: LiveServer) -> dict[str, Any]:
    return {"api": 3, "protocol": "http", "server": server.url.removeprefix("http://")}


# Signing in


@pytest.mark.protocol("1.2")
def test_register_with_a_password_signs_in(server: LiveServer, alice: Person) -> None:
    session = new_client()
    session.register(**address(server), username=alice.username, password=alice.password)
    assert session.api_token().count(".") == 2


@pytest.mark.protocol("1.4")
def test_register_with_a_token_verifies_it(server: LiveServer, alice: Person) -> None:
    session = new_client()
    session.register(**address(server), token=alice.token)
    assert session.verify_token()


def test_register_with_the_users_own_organization_uses_it(server: LiveServer, alice: Person) -> None:
    session = new_client()
    session.register(**address(server), username=alice.username, password=alice.password, org_name=alice.username)
    assert session.org_name() == alice.username


@pytest.mark.parametrize(
    ("credentials", "said"),
    [
        ({"username": "nobody-here", "password": "wrong"}, "Unable to log in with provided credentials"),
        ({"org_name": "others"}, "others"),
    ],
    ids=["wrong password", "foreign organization"],
)
def test_a_failed_register_says_why(server: LiveServer, alice: Person, credentials: dict[str, str], said: str) -> None:
    asked = {"username": alice.username, "password": alice.password, **credentials}
    with pytest.raises(Exception, match=said):
        new_client().register(**address(server), **asked)


def test_an_invalid_token_does_not_verify(server: LiveServer, alice: Person) -> None:
    session = new_client()
    session.register(**address(server), token=alice.token)
    session.session.api_token = alice.token[:-2]
    assert not session.verify_token(fail_silent=True)


@pytest.mark.protocol("1.3")
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


@pytest.mark.protocol("9.4")
def test_uploading_a_frame_again_reuses_the_file_for_a_new_dataset(client: Any) -> None:
    first = client.edges(EDGES, "src", "dst").upload()
    again = client.edges(EDGES.copy(), "src", "dst").upload()
    assert again._edges_file_id == first._edges_file_id
    assert again._dataset_id != first._dataset_id
    assert again.python_remote_json("def task(g): return len(g._edges)") == 3


@pytest.mark.protocol("9.4")
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


@pytest.mark.protocol("3.4")
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


@pytest.mark.protocol("4.4")
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


@pytest.mark.protocol("9.4")
def test_a_changed_graph_becomes_a_new_dataset_on_the_next_call(client: Any, alice: Person) -> None:
    graph = client.edges(EDGES, "src", "dst").upload()
    assert graph.bind(source="src")._dataset_id == graph._dataset_id
    changed = graph.name(f"changed-{uuid4().hex}").encode_edge_color("src", categorical_mapping={"a": "red"})
    assert changed._dataset_id is None
    assert changed.python_remote_json("def task(g): return [g._name, g._source]") == [changed._name, "src"]
    found = alice.http.get("/api/v2/datasets/", params={"search": changed._name}).json()
    assert [item["dataset_id"] != graph._dataset_id for item in found["results"]] == [True]


@pytest.mark.protocol("9.6")
def test_plot_binds_a_title_by_itself_and_the_server_keeps_it(client: Any, alice: Person) -> None:
    nodes = pd.DataFrame({"name": ["a", "b", "c"], "x": [1, 2, 3]})
    url = client.edges(EDGES, "src", "dst").nodes(nodes, "name").plot(render=False)
    dataset_id = parse_qs(urlsplit(url).query)["dataset"][0]
    told = alice.http.get(f"/api/v2/upload/datasets/{dataset_id}").json()["data"]
    assert told["node_encodings"]["bindings"] == {"node": "name", "node_title": "name"}
    assert alice.run(dataset_id, "def task(g): return [g._point_title]").json() == ["name"]


# Configuration by environment


UNREGISTERED = """
import graphistry, json, pandas as pd
graph = graphistry.edges(pd.DataFrame({"s": ["a"], "d": ["b"]}), "s", "d")
print(json.dumps(graph.python_remote_json("def task(g): return len(g._edges)", engine="pandas")))
"""


def in_python(code: str, environment: dict[str, str]) -> Any:
    """What a PyGraphistry of its own, which knows nothing but this environment, prints."""
    ended = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, timeout=WITHIN_S,
        env={"PATH": os.environ["PATH"], "HOME": "/nonexistent", "NO_PROXY": "*", **environment}, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr[-3000:]
    return json.loads(ended.stdout.splitlines()[-1])


@pytest.mark.protocol("9.8")
@pytest.mark.parametrize("where", ["environment", "file"])
def test_server_and_token_come_from_the_environment_or_a_file(
    server: LiveServer, alice: Person, tmp_path: Path, where: str
) -> None:
    told = {
        "GRAPHISTRY_HOSTNAME": f"127.0.0.1:{server.port}",
        "GRAPHISTRY_PROTOCOL": "http",
        "GRAPHISTRY_API_VERSION": "3",
        "GRAPHISTRY_API_TOKEN": alice.token,
    }
    config = tmp_path / "graphistry.json"
    config.write_text(json.dumps(told))
    assert in_python(UNREGISTERED, told if where == "environment" else {"PYGRAPHISTRY_CONFIG": str(config)}) == 1
