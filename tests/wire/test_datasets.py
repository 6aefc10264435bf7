"""Files and datasets: listed, kept as they were created, bound, and deleted."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pyarrow as pa
import pyarrow.orc
import pyarrow.parquet
import pytest

from tests.conftest import SMALL_EDGES, LiveServer, Person, arrow_file
from tests.wire.errors import assert_error
from tests.wire.uploading import BINDINGS, CSV, WHOLE, edges_of, new_dataset, new_file, same, send, stored

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def dave(make_user: Callable[..., Person]) -> Iterator[Person]:
    """A user of whose files and datasets only this module's tests make any."""
    person = make_user(f"dave-{uuid4().hex[:8]}")
    yield person
    person.http.close()


@pytest.mark.protocol("2.3")
@pytest.mark.protocol("3.3")
def test_files_and_datasets_are_listed_newest_first_by_pages(dave: Person) -> None:
    for kind, key, made in (
        ("files", "file_id", [new_file(dave, "csv", name=str(number)) for number in range(3)]),
        ("datasets", "dataset_id", [new_dataset(dave, name=str(number)) for number in range(3)]),
    ):
        listing = dave.http.get(f"/api/v2/{kind}/").json()
        assert [item[key] for item in listing["results"]] == made[::-1]
        assert (listing["count"], listing["next"], listing["previous"]) == (3, None, None)
        first = dave.http.get(f"/api/v2/{kind}/?limit=2").json()
        assert [item[key] for item in first["results"]] == [made[2], made[1]]
        second = dave.http.get(first["next"]).json()
        assert [item[key] for item in second["results"]] == [made[0]]
        assert second["next"] is None
        assert dave.http.get(second["previous"]).status_code == 200


@pytest.mark.protocol("3.4")
def test_a_dataset_returns_the_fields_that_it_was_created_with(alice: Person) -> None:
    complex_encodings = {
        "current": {"edgeColorEncoding": {"attribute": "w", "mapping": {"categorical": {"fixed": {"1": "ä"}}}}}
    }
    payload = {
        "node_encodings": {"bindings": {"node": "id", "node_color": "c"}, "complex": {"default": {}}},
        "edge_encodings": {"bindings": {"source": "s", "destination": "d"}, "complex": complex_encodings},
        "metadata": {"agent": "pygraphistry", "bg": {"color": "red"}, "usertag": "t"},
        "name": "näme",
        "description": "",
        "something_new": [1, None],
    }
    dataset_id = alice.http.post("/api/v2/upload/datasets/", json=payload).json()["data"]["dataset_id"]
    assert alice.http.get(f"/api/v2/upload/datasets/{dataset_id}").json()["data"] == {
        **payload,
        "dataset_id": dataset_id,
    }
    shown = alice.http.get(f"/api/v2/datasets/{dataset_id}/").json()
    assert (shown["name"], shown["uri_tag"], shown["agent_name"]) == ("näme", "t", "pygraphistry")


@pytest.mark.protocol("3.1")
@pytest.mark.parametrize("payload", [{}, {"name": None, "edge_files": []}], ids=["nothing", "nulls"])
def test_a_dataset_may_omit_optional_fields(alice: Person, payload: dict[str, Any]) -> None:
    assert alice.http.post("/api/v2/upload/datasets/", json=payload).status_code == 201


@pytest.mark.protocol("2.3")
@pytest.mark.protocol("3.5")
def test_deleting_a_file_leaves_its_dataset_whole(server: LiveServer, alice: Person) -> None:
    file_id = new_file(alice, "csv")
    send(alice, file_id, CSV)
    dataset_id = new_dataset(alice, edge_files=[file_id])
    answer = alice.http.delete(f"/api/v2/files/{file_id}")
    assert (answer.status_code, answer.content) == (204, b"")
    assert alice.http.get(f"/api/v2/files/{file_id}").status_code == 404
    same(edges_of(alice, dataset_id))
    before = stored(server)
    answer = alice.http.delete(f"/api/v2/datasets/{dataset_id}/")
    assert (answer.status_code, answer.content) == (204, b"")
    assert len(before - stored(server)) == 1  # now nobody needs the bytes
    assert alice.run(dataset_id, WHOLE).status_code == 404
    assert alice.http.delete(f"/api/v2/datasets/{dataset_id}/").status_code == 404


def test_a_dataset_made_of_a_deleted_file_is_refused(alice: Person) -> None:
    file_id = new_file(alice, "csv")
    send(alice, file_id, CSV)
    alice.http.delete(f"/api/v2/files/{file_id}")
    answer = alice.http.post("/api/v2/upload/datasets/", json={**BINDINGS, "edge_files": [file_id]})
    assert f"file {file_id} not found" in assert_error(answer, 404, "NotFound")["message"]


@pytest.mark.protocol("9.2")
def test_a_dataset_that_is_refused_has_the_keys_that_clients_look_into(alice: Person) -> None:
    answer = alice.http.post("/api/v2/upload/datasets/", json={"edge_files": ["0" * 32]})
    assert (answer.status_code, answer.json()["success"], answer.json()["data"]) == (404, False, {})


# Bindings


@pytest.mark.protocol("9.6")
@pytest.mark.parametrize("nodes", [None, pa.table({"id": ["a"]})], ids=["no node table", "node table"])
def test_node_bindings_may_be_empty(alice: Person, nodes: pa.Table | None) -> None:
    dataset_id = alice.upload(SMALL_EDGES, nodes)
    seen = alice.run(dataset_id, "def task(g): return [g._node, None if g._nodes is None else len(g._nodes)]").json()
    assert seen == [None, None if nodes is None else 1]


@pytest.mark.protocol("9.6")
def test_a_binding_to_a_column_that_is_not_there_is_refused_with_the_columns_that_there_are(alice: Person) -> None:
    """The vendor leaves open what happens. A node binding without a table of nodes is no mistake."""
    body = {"edge_encodings": {"bindings": {"source": "nowhere"}}, "node_encodings": {"bindings": {"node": "neither"}}}
    dataset_id = alice.http.post("/api/v2/upload/datasets/", json=body).json()["data"]["dataset_id"]
    refused = alice.http.post(f"/api/v2/upload/datasets/{dataset_id}/edges/arrow", content=arrow_file(SMALL_EDGES))
    assert (refused.status_code, refused.json()["type"]) == (400, "InvalidRequest")
    assert "edge_encodings.bindings.source names the column 'nowhere'" in refused.json()["error"]
    assert all(column in refused.json()["error"] for column in SMALL_EDGES.column_names)
    assert alice.run(alice.upload(SMALL_EDGES, node="neither"), "def task(g): return g._node").text == "neither"


@pytest.mark.protocol("9.6")
def test_ids_of_nodes_and_edges_may_differ_in_type(alice: Person) -> None:
    dataset_id = alice.upload(SMALL_EDGES, pa.table({"id": [1, 2]}), node="id")
    code = "def task(g): return [str(g._edges['s'].dtype), str(g._nodes['id'].dtype)]"
    assert alice.run(dataset_id, code).json() == ["str", "int64"]
