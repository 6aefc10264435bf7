"""Uploads that are no table are refused, and nothing of them stays."""

from __future__ import annotations

import socket

import pyarrow as pa
import pyarrow.orc
import pytest

from tests.conftest import LiveServer, Person
from tests.waiting import WITHIN_S, eventually
from tests.wire.errors import assert_error
from tests.wire.uploading import (
    BINDINGS,
    CSV,
    RECORDS,
    TABLE,
    arrow,
    coming_in,
    dumps,
    edges_of,
    new_dataset,
    new_file,
    parquet,
    same,
    send,
    stored,
)

pytestmark = pytest.mark.e2e


@pytest.mark.protocol("2.2")
@pytest.mark.parametrize(
    "declared",
    [{"file_type": "csv", "file_compression": "gzip"}, {"file_type": "orc"}, {"file_type": "xlsx"}],
    ids=["gzip", "orc", "xlsx"],
)
def test_bytes_of_another_kind_than_declared_are_refused(alice: Person, declared: dict[str, str]) -> None:
    file_id = new_file(alice, **declared)
    assert_error(send(alice, file_id, CSV), 400, "InvalidTable", "files")


def half(content: bytes) -> bytes:
    return content[: len(content) // 2]


BROKEN: dict[str, tuple[str, bytes]] = {
    "empty arrow": ("arrow", b""),
    "empty csv": ("csv", b""),
    "empty json": ("json", b""),
    "empty parquet": ("parquet", b""),
    "truncated arrow file": ("arrow", half(arrow(TABLE))),
    "truncated arrow stream": ("arrow", half(arrow(TABLE, pa.ipc.new_stream))),
    "arrow without its last byte": ("arrow", arrow(TABLE)[:-1]),
    "truncated parquet": ("parquet", half(parquet())),
    "truncated json": ("json", half(dumps(RECORDS))),
    "ragged csv": ("csv", b"s,d\na,b\nc,d,e\n"),
    "ragged json": ("json", dumps({"s": ["a", "b"], "d": ["b"]})),
    "json of numbers": ("json", b"[1, 2, 3]"),
    "json of nothing": ("json", b"null"),
    "open quote in csv": ("csv", b's,d\na,"b\n'),
    "csv that is not text": ("csv", b"s,d\n\xff\xfe,b\n"),
    "csv sent as arrow": ("arrow", CSV),
    "arrow sent as parquet": ("parquet", arrow(TABLE)),
    "parquet sent as json": ("json", parquet()),
    "arrow sent as csv": ("csv", arrow(TABLE)),
    "zeros": ("arrow", bytes(10_000)),
    "two columns of one name": ("arrow", arrow(pa.table([pa.array([1]), pa.array([2])], names=["s", "s"]))),
    "html": ("json", b"<html>502 Bad Gateway</html>"),
}


@pytest.mark.protocol("2.2")
@pytest.mark.protocol("9.5")
@pytest.mark.parametrize(("file_type", "content"), BROKEN.values(), ids=BROKEN)
def test_bytes_that_are_no_table_are_refused_and_nothing_stays(
    server: LiveServer, alice: Person, file_type: str, content: bytes
) -> None:
    before = stored(server)
    file_id = new_file(alice, file_type)
    told = assert_error(send(alice, file_id, content, "?erase=true"), 400, "InvalidTable", "files")
    assert (told["is_valid"], told["is_uploaded"]) == (False, False)
    assert told["errors"]
    assert all(isinstance(error, str) and error for error in told["errors"])
    dataset_id = new_dataset(alice)
    path = f"/api/v2/upload/datasets/{dataset_id}/edges/{file_type}"
    assert_error(alice.http.post(path, content=content), 400, "InvalidTable")
    assert (stored(server), coming_in(server)) == (before, [])
    shown = alice.http.get(f"/api/v2/files/{file_id}").json()
    assert (shown["is_valid"], shown["tables_schemas"]) == (False, [])
    assert alice.http.get(f"/api/v2/datasets/{dataset_id}").json()["edge_count"] == 0


def test_a_file_id_is_usable_again_after_a_refusal(alice: Person) -> None:
    file_id = new_file(alice, "csv")
    assert not send(alice, file_id, b"", "?erase=true").json()["is_valid"]
    assert send(alice, file_id, CSV, "?erase=true").json()["is_valid"]
    same(edges_of(alice, new_dataset(alice, edge_files=[file_id])))


def test_a_refused_inline_table_leaves_the_one_before_it(alice: Person) -> None:
    dataset_id = alice.upload(TABLE)
    assert alice.http.post(f"/api/v2/upload/datasets/{dataset_id}/edges/arrow", content=b"no").status_code == 400
    same(edges_of(alice, dataset_id))


def test_a_file_without_bytes_makes_no_dataset(alice: Person) -> None:
    file_id = new_file(alice, "arrow")
    answer = alice.http.post("/api/v2/upload/datasets/", json={**BINDINGS, "edge_files": [file_id]})
    assert answer.status_code in (400, 404)
    assert file_id in assert_error(answer, answer.status_code, answer.json()["type"])["error"]


def test_an_upload_that_breaks_off_leaves_nothing(server: LiveServer, alice: Person) -> None:
    before = stored(server)
    file_id = new_file(alice, "csv")
    head = (
        f"POST /api/v2/upload/files/{file_id} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {alice.token}\r\n"
        "Content-Length: 1000000\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", server.port), timeout=WITHIN_S) as connection:
        connection.sendall(head.encode() + CSV)
        alice.http.get("/healthz")  # the server has seen the beginning by now, or never will
    eventually(lambda: not coming_in(server))
    assert (stored(server), coming_in(server)) == (before, [])
    assert not alice.http.get(f"/api/v2/files/{file_id}").json()["is_uploaded"]
