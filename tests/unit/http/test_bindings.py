"""What is bound to a column that a table does not have is refused when the table comes (protocol 3.1)."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.http.test_files import Desk

EDGES: dict[str, Any] = {"edge_encodings": {"bindings": {"source": "s", "destination": "d"}}}


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    made = Desk(tmp_path)
    made.runners.columns = ("s", "d", "kind")
    yield made
    made.site.close()


def complex_of(side: str, name: str, column: str, mode: str = "default") -> dict[str, Any]:
    return {side: {"bindings": {}, "complex": {mode: {name: {"attribute": column, "variation": "categorical"}}}}}


WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("edge", {"edge_encodings": {"bindings": {"source": "src", "destination": "d"}}}, "edge_encodings.bindings.source"),
    ("edge", {"edge_encodings": {"bindings": {"destination": "S"}}}, "edge_encodings.bindings.destination"),
    ("edge", {"edge_encodings": {"bindings": {"edge_weight": "w"}}}, "edge_encodings.bindings.edge_weight"),
    ("edge", {"edge_encodings": {"bindings": {"edge_source_color": " s"}}}, "edge_source_color"),
    ("node", {"node_encodings": {"bindings": {"node": "id"}}}, "node_encodings.bindings.node"),
    ("node", {"node_encodings": {"bindings": {"node_longitude": "lon"}}}, "node_encodings.bindings.node_longitude"),
    ("node", complex_of("node_encodings", "pointColorEncoding", "k"), "complex.default.pointColorEncoding.attribute"),
    ("edge", complex_of("edge_encodings", "edgeIconEncoding", "k", "current"), "complex.current.edgeIconEncoding"),
]


@pytest.mark.parametrize(("kind", "body", "named"), WRONG)
def test_a_dataset_of_files_is_refused_and_told_the_columns(
    desk: Desk, kind: str, body: dict[str, Any], named: str
) -> None:
    file_id = desk.file()
    assert desk.upload(file_id).status_code == 200
    answer = desk.create(**{f"{kind}_files": [file_id]}, **body)
    assert answer.status_code == 400, answer.text
    assert named in answer.json()["error"]
    assert f"the table of {kind}s does not have; its columns are s, d, kind" in answer.json()["error"]
    assert answer.json()["message"] == answer.json()["error"]


@pytest.mark.parametrize(("kind", "body", "named"), WRONG)
def test_a_table_that_comes_after_its_bindings_is_refused_and_not_kept(
    desk: Desk, kind: str, body: dict[str, Any], named: str
) -> None:
    """PyGraphistry's ``plot()`` creates the dataset first."""
    dataset_id = desk.create(**body).json()["data"]["dataset_id"]
    answer = desk.attach(dataset_id, f"{kind}s")
    assert (answer.status_code, named in answer.json()["error"]) == (400, True)
    assert desk.objects() == 0
    other = "nodes" if kind == "edge" else "edges"
    assert desk.attach(dataset_id, other).status_code == 200  # the bindings of one table say nothing of the other


@pytest.mark.parametrize(
    "body",
    [
        EDGES,
        {},
        {"node_encodings": {"bindings": {"node": "id"}}},  # there is no table of nodes
        {"edge_encodings": {"bindings": {"source": "", "destination": None, "edge_color": 7}}},
        {"edge_encodings": {"bindings": {"edge_future": "nothing"}, "complex": None}},
        complex_of("edge_encodings", "pointAxisEncoding", "degree"),
        complex_of("edge_encodings", "edgeColorEncoding", "nothing", "draft"),
        {"edge_encodings": {"bindings": {}, "complex": {"default": [1], "current": {"x": "y"}}}},
    ],
)
def test_what_names_no_column_or_a_column_that_is_there_is_accepted(desk: Desk, body: dict[str, Any]) -> None:
    file_id = desk.file()
    desk.upload(file_id)
    assert desk.create(edge_files=[file_id], **body).status_code == 201
    dataset_id = desk.create(**body).json()["data"]["dataset_id"]
    assert desk.attach(dataset_id, "edges").status_code == 200


def test_a_stored_dataset_with_a_wrong_binding_can_still_be_given_its_columns_again(desk: Desk) -> None:
    """It is from before the server looked."""
    dataset_id = desk.create(**EDGES).json()["data"]["dataset_id"]
    assert desk.attach(dataset_id, "edges").status_code == 200
    stored = desk.site.services.datasets
    table = stored.get(dataset_id)
    assert table is not None
    payload = {"edge_encodings": {"bindings": {"source": "gone", "destination": "d"}}}
    old = stored.create(table.owner_id, "old", "", payload, {"edges": table.tables["edges"]})
    assert desk.attach(old.id, "edges").status_code == 200
    desk.runners.columns = ("s", "kind")
    refused = desk.attach(old.id, "edges")
    assert (refused.status_code, "bindings.destination" in refused.json()["error"]) == (400, True)


def test_a_table_of_several_files_has_the_columns_of_all(desk: Desk) -> None:
    first, second = desk.file(), desk.file()
    desk.runners.columns = ("s",)
    desk.upload(first)
    desk.runners.columns = ("d",)
    desk.upload(second)
    assert desk.create(edge_files=[first, second], **EDGES).status_code == 201
    assert desk.create(edge_files=[second], **EDGES).status_code == 400


def test_columns_are_told_up_to_a_number_and_cut(desk: Desk) -> None:
    desk.runners.columns = tuple(f"{number}{'x' * 1000}" for number in range(100))
    dataset_id = desk.create(**EDGES).json()["data"]["dataset_id"]
    answer = desk.attach(dataset_id, "edges")
    assert answer.status_code == 400
    assert len(answer.json()["error"]) < 5000
