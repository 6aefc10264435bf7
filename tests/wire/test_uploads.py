"""Tables on their way in: files and inline, every format, what is refused, and what is left behind (protocol 2, 3)."""

from __future__ import annotations

import gzip
import io
import json
import socket
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import httpx
import pandas as pd
import pyarrow as pa
import pyarrow.orc
import pytest

from tests.wire.test_errors import assert_error

if TYPE_CHECKING:
    from tests.conftest import LiveServer, Person

pytestmark = pytest.mark.e2e

FRAME = pd.DataFrame({"s": ["a", "b", "c"], "d": ["b", "c", "d"], "w": [1.5, 2.5, 3.5], "n": [1, 2, 3]})
RECORDS = FRAME.to_dict(orient="records")
COLUMNAR = FRAME.to_dict(orient="list")
TABLE = pa.Table.from_pandas(FRAME, preserve_index=False)
CSV = FRAME.to_csv(index=False).encode()


def arrow(table: pa.Table, writer: Callable[..., Any] = pa.ipc.new_file, **options: Any) -> bytes:
    sink = pa.BufferOutputStream()
    with writer(sink, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as stream:
        stream.write_table(table, max_chunksize=2)
    return bytes(sink.getvalue())


def parquet(**options: Any) -> bytes:
    sink = io.BytesIO()
    FRAME.to_parquet(sink, index=False, **options)
    return sink.getvalue()


def as_dictionaries(table: pa.Table) -> pa.Table:
    """Strings as graphistry-js sends them: each column of them as dictionary<int32, utf8>."""
    for position, name in enumerate(("s", "d")):
        table = table.set_column(position, name, table[name].cast(pa.string()).dictionary_encode())
    return table


def dumps(value: object) -> bytes:
    return json.dumps(value).encode()


BODIES: dict[str, tuple[str, bytes]] = {
    "arrow file": ("arrow", arrow(TABLE)),
    "arrow stream": ("arrow", arrow(TABLE, pa.ipc.new_stream)),
    "arrow with lz4": ("arrow", arrow(TABLE, compression="lz4")),
    "arrow of graphistry-js": ("arrow", arrow(as_dictionaries(TABLE), unify_dictionaries=True)),
    "parquet": ("parquet", parquet()),
    "parquet with zstd": ("parquet", parquet(compression="zstd")),
    "csv": ("csv", CSV),
    "csv of Windows": ("csv", b"\xef\xbb\xbf" + CSV.replace(b"\n", b"\r\n")),
    "json rows": ("json", dumps(RECORDS)),
    "json columnar": ("json", dumps(COLUMNAR)),
    "json lines": ("json", b"\n".join(map(dumps, RECORDS))),
    "json columnar of graphistry-js": ("json", dumps({**COLUMNAR, "agent_name": "x", "agent_version": "1"})),
}

WHOLE = "def task(g): return g._edges"
BINDINGS = {"node_encodings": {"bindings": {}}, "edge_encodings": {"bindings": {"source": "s", "destination": "d"}}}


@pytest.fixture(scope="module")
def dave(make_user: Callable[..., Person]) -> Iterator[Person]:
    """A user of whose files and datasets only this module's tests make any."""
    person = make_user(f"dave-{uuid4().hex[:8]}")
    yield person
    person.http.close()


def new_file(person: Person, file_type: str, **fields: Any) -> str:
    created = person.http.post("/api/v2/files/", json={"file_type": file_type, "name": "table", **fields})
    assert created.status_code == 201, created.text
    return str(created.json()["file_id"])


def new_dataset(person: Person, **fields: Any) -> str:
    created = person.http.post("/api/v2/upload/datasets/", json={**BINDINGS, "metadata": {}, "name": "x", **fields})
    assert created.status_code == 201, created.text
    assert created.json()["success"]
    return str(created.json()["data"]["dataset_id"])


def send(person: Person, file_id: str, content: bytes, query: str = "", **headers: str) -> httpx.Response:
    return person.http.post(f"/api/v2/upload/files/{file_id}{query}", content=content, headers=headers)


def edges_of(person: Person, dataset_id: str) -> pd.DataFrame:
    answer = person.run(dataset_id, WHOLE, output_type="table", format="parquet")
    assert answer.status_code == 200, answer.text
    return pd.read_parquet(io.BytesIO(answer.content))


def same(got: pd.DataFrame) -> None:
    """The frame that went up, but for the small column that graphistry-js adds where a test sent that."""
    pd.testing.assert_frame_equal(got[list(FRAME.columns)], FRAME)


# What goes in comes out


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


@pytest.mark.parametrize(("file_type", "content"), BODIES.values(), ids=BODIES)
def test_a_table_of_every_kind_can_follow_inline(alice: Person, file_type: str, content: bytes) -> None:
    dataset_id = new_dataset(alice)
    for role in ("edges", "nodes"):
        told = alice.http.post(f"/api/v2/upload/datasets/{dataset_id}/{role}/{file_type}", content=content).json()
        assert (told["success"], told["data"]["dataset_id"], told["data"]["num_rows"]) == (True, dataset_id, 3)
        assert told["data"]["dtypes"]["n"] == "int64"
    same(edges_of(alice, dataset_id))
    assert alice.run(dataset_id, "def task(g): return len(g._nodes)").json() == 3


@pytest.mark.parametrize(
    "content_type", ["", "application/json", "application/x-www-form-urlencoded", "text/html", "multipart/form-data"]
)
def test_the_content_type_of_an_upload_means_nothing(alice: Person, content_type: str) -> None:
    told = send(alice, new_file(alice, "arrow"), arrow(TABLE), **{"Content-Type": content_type}).json()
    assert told["is_valid"], told


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


def test_options_are_the_files_own_and_the_querys_over_them(alice: Person) -> None:
    content = b"s;d;w\na;b;1,5\n"
    file_id = new_file(alice, "csv", parser_options={"sep": "|", "decimal": ","})
    assert send(alice, file_id, content, "?sep=;").json()["tables_schemas"][0]["dtypes"] == {
        "s": "str",
        "d": "str",
        "w": "float64",
    }


@pytest.mark.parametrize(
    "declared",
    [{"file_type": "csv", "file_compression": "gzip"}, {"file_type": "orc"}, {"file_type": "xlsx"}],
    ids=["gzip", "orc", "xlsx"],
)
def test_bytes_of_another_kind_than_declared_are_refused(alice: Person, declared: dict[str, str]) -> None:
    file_id = new_file(alice, **declared)
    assert_error(send(alice, file_id, CSV), 400, "InvalidTable", "files")


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


def test_an_inline_table_replaces_the_one_before_it(alice: Person) -> None:
    dataset_id = alice.upload(TABLE)
    assert len(edges_of(alice, dataset_id)) == 3
    path = f"/api/v2/upload/datasets/{dataset_id}/edges/csv"
    assert alice.http.post(path, content=b"s,d\nx,y\n").json()["success"]
    assert edges_of(alice, dataset_id).to_dict(orient="records") == [{"s": "x", "d": "y"}]


def test_several_files_of_a_dataset_are_put_together(alice: Person) -> None:
    ids = []
    for content in (b"s,d,w\na,b,1\n", b"d,s\nc,b\n"):
        ids.append(new_file(alice, "csv"))
        assert send(alice, ids[-1], content).json()["is_valid"]
    dataset_id = new_dataset(alice, edge_files=[ids[0], [ids[1], 0]])
    assert alice.run(dataset_id, WHOLE).json() == [{"s": "a", "d": "b", "w": 1}, {"s": "b", "d": "c", "w": None}]


# What is not a table


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


def stored(server: LiveServer) -> set[str]:
    """Names of the tables that the server keeps."""
    return {path.name for path in (server.data / "objects").rglob("*.arrow")}


def coming_in(server: LiveServer) -> list[str]:
    return [path.name for path in (server.data / "incoming").iterdir()]


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
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(head.encode() + CSV)
        alice.http.get("/healthz")  # the server has seen the beginning by now, or never will
    for _ in range(50):
        if not coming_in(server):
            break
        alice.http.get("/readyz")
    assert (stored(server), coming_in(server)) == (before, [])
    assert not alice.http.get(f"/api/v2/files/{file_id}").json()["is_uploaded"]


# Lists, metadata, deletion


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


def test_what_a_dataset_was_created_with_is_given_back(alice: Person) -> None:
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


@pytest.mark.parametrize(
    "payload", [{}, {"edge_encodings": {}}, {"name": None, "edge_files": []}], ids=["nothing", "no bindings", "nulls"]
)
def test_a_dataset_may_say_little_of_itself(alice: Person, payload: dict[str, Any]) -> None:
    assert alice.http.post("/api/v2/upload/datasets/", json=payload).status_code == 201


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


def test_every_route_takes_both_slash_forms_without_a_redirect(alice: Person) -> None:
    http = alice.http
    for slash in ("", "/"):
        file_id = http.post(f"/api/v2/files{slash}", json={"file_type": "csv"}).json()["file_id"]
        assert http.post(f"/api/v2/upload/files/{file_id}{slash}?erase=true", content=CSV).status_code == 200
        made = http.post(f"/api/v2/upload/datasets{slash}", json={**BINDINGS, "edge_files": [file_id]})
        dataset_id = made.json()["data"]["dataset_id"]
        inline = f"/api/v2/upload/datasets/{dataset_id}/nodes/csv{slash}"
        assert http.post(inline, content=b"id\na\n").status_code == 200
        for path in (
            f"/api/v2/files{slash}",
            f"/api/v2/files/{file_id}{slash}",
            f"/api/v2/datasets{slash}",
            f"/api/v2/datasets/{dataset_id}{slash}",
            f"/api/v2/upload/datasets/{dataset_id}{slash}",
        ):
            assert http.get(path).status_code == 200, path
        for path in (
            f"/api/v2/datasets/{dataset_id}/python{slash}",
            f"/api/v2/etl/datasets/{dataset_id}/python{slash}",
        ):
            assert http.post(path, json={"execute": "def task(g): return 1"}).json() == 1, path
        credentials = {"username": alice.username, "password": alice.password}
        for path in (f"/api-token-auth{slash}", f"/api/v2/auth/token/generate{slash}"):
            assert http.post(path, json=credentials).json()["token"], path
        for path in (f"/api/v2/auth/token/refresh{slash}", f"/api-token-refresh{slash}", f"/api-token-verify{slash}"):
            assert http.post(path, json={"token": alice.token}).json() == {"token": alice.token}, path
        switch = http.post(f"/api/v2/o/{alice.username}/switch{slash}", data={"slug": alice.username})
        assert switch.json()["status"] == "OK"
        assert http.post(f"/api/v2/share/link{slash}", json={"obj_pk": dataset_id}).json()["status"] == "OK"
        assert http.delete(f"/api/v2/datasets/{dataset_id}{slash}").status_code == 204
        assert http.delete(f"/api/v2/files/{file_id}{slash}").status_code == 204
