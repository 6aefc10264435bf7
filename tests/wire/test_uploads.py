"""Tables on their way in: files and inline, in every format."""

from __future__ import annotations

import gzip

import pyarrow as pa
import pyarrow.orc
import pytest

from tests.conftest import Person
from tests.wire.uploading import BODIES, CSV, TABLE, WHOLE, arrow, edges_of, new_dataset, new_file, same, send

pytestmark = pytest.mark.e2e


@pytest.mark.protocol("2.2")
@pytest.mark.parametrize(("file_type", "content"), BODIES.values(), ids=BODIES)
def test_a_file_of_every_kind_becomes_a_dataset(alice: Person, file_type: str, content: bytes) -> None:
    file_id = new_file(alice, file_type)
    told = send(alice, file_id, content, "?erase=true").json()
    assert (told["is_valid"], told["is_uploaded"], told["errors"], told["file_id"]) == (True, True, [], file_id)
    assert told["bytes_count"] == len(content)
    schema = told["tables_schemas"][0]
    assert schema["num_rows"] == 3
    assert (schema["dtypes"]["w"], schema["dtypes"]["n"]) == ("float64", "int64")
    same(edges_of(alice, new_dataset(alice, edge_files=[file_id])))


@pytest.mark.protocol("3.2")
@pytest.mark.parametrize(("file_type", "content"), BODIES.values(), ids=BODIES)
def test_a_table_of_every_kind_can_follow_inline(alice: Person, file_type: str, content: bytes) -> None:
    dataset_id = new_dataset(alice)
    for role in ("edges", "nodes"):
        told = alice.http.post(f"/api/v2/upload/datasets/{dataset_id}/{role}/{file_type}", content=content).json()
        assert (told["success"], told["data"]["dataset_id"], told["data"]["num_rows"]) == (True, dataset_id, 3)
        assert told["data"]["dtypes"]["n"] == "int64"
    same(edges_of(alice, dataset_id))
    assert alice.run(dataset_id, "def task(g): return len(g._nodes)").json() == 3


@pytest.mark.protocol("9.1.4")
@pytest.mark.parametrize(
    "content_type", ["", "application/json", "application/x-www-form-urlencoded", "text/html", "multipart/form-data"]
)
def test_the_content_type_of_an_upload_means_nothing(alice: Person, content_type: str) -> None:
    told = send(alice, new_file(alice, "arrow"), arrow(TABLE), **{"Content-Type": content_type}).json()
    assert told["is_valid"], told


@pytest.mark.protocol("9.1.6")
def test_a_body_may_come_in_chunks(alice: Person) -> None:
    content = arrow(TABLE)
    pieces = (content[start : start + 100] for start in range(0, len(content), 100))
    answer = alice.http.post(f"/api/v2/upload/files/{new_file(alice, 'arrow')}", content=pieces)
    assert answer.json()["bytes_count"] == len(content)


def test_a_body_of_some_megabytes_is_kept_whole(alice: Person) -> None:
    numbers = pa.table({"s": pa.array(range(500_000)), "d": pa.array(range(1, 500_001))})
    dataset_id = alice.upload(numbers)
    code = "def task(g): return [len(g._edges), int(g._edges['s'].sum()), int(g._edges['d'].max())]"
    assert alice.run(dataset_id, code).json() == [500_000, 124_999_750_000, 500_000]


@pytest.mark.protocol("2.5")
def test_options_are_the_files_own_and_the_querys_over_them(alice: Person) -> None:
    content = b"s;d;w\na;b;1,5\n"
    file_id = new_file(alice, "csv", parser_options={"sep": "|", "decimal": ","})
    assert send(alice, file_id, content, "?sep=;").json()["tables_schemas"][0]["dtypes"] == {
        "s": "str",
        "d": "str",
        "w": "float64",
    }


def test_compressed_and_orc_files_are_read(alice: Person) -> None:
    orc = pa.BufferOutputStream()
    pa.orc.write_table(TABLE, orc)
    for declared, content in (
        ({"file_type": "csv", "file_compression": "gzip"}, gzip.compress(CSV)),
        ({"file_type": "orc"}, orc.getvalue().to_pybytes()),
    ):
        answer = send(alice, new_file(alice, **declared), content)
        assert answer.status_code == 200, answer.text
        assert answer.json()["is_valid"]


def test_no_rows_are_a_table_too(alice: Person) -> None:
    dataset_id = alice.upload(TABLE[:0])
    assert edges_of(alice, dataset_id).dtypes.astype(str).to_dict() == {
        "s": "str",
        "d": "str",
        "w": "float64",
        "n": "int64",
    }


@pytest.mark.protocol("3.2")
def test_an_inline_table_replaces_the_one_before_it(alice: Person) -> None:
    dataset_id = alice.upload(TABLE)
    assert len(edges_of(alice, dataset_id)) == 3
    path = f"/api/v2/upload/datasets/{dataset_id}/edges/csv"
    assert alice.http.post(path, content=b"s,d\nx,y\n").json()["success"]
    assert edges_of(alice, dataset_id).to_dict(orient="records") == [{"s": "x", "d": "y"}]


@pytest.mark.protocol("3.1")
@pytest.mark.protocol("9.6")
def test_several_files_of_a_dataset_are_put_together(alice: Person) -> None:
    ids = []
    for content in (b"s,d,w\na,b,1\n", b"d,s\nc,b\n"):
        ids.append(new_file(alice, "csv"))
        assert send(alice, ids[-1], content).json()["is_valid"]
    dataset_id = new_dataset(alice, edge_files=[ids[0], [ids[1], 0]])
    assert alice.run(dataset_id, WHOLE).json() == [{"s": "a", "d": "b", "w": 1}, {"s": "b", "d": "c", "w": None}]
