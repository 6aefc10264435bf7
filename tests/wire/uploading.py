"""Tables in every form that clients upload, and the requests that upload them."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any

import httpx
import pandas as pd
import pyarrow as pa
import pyarrow.orc

from tests.conftest import LiveServer, Person

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


def stored(server: LiveServer) -> set[str]:
    """Names of the tables that the server keeps."""
    return {path.name for path in (server.data / "objects").rglob("*.arrow")}


def coming_in(server: LiveServer) -> list[str]:
    return [path.name for path in (server.data / "incoming").iterdir()]
