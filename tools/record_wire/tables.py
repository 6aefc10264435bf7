"""One small table in every form in which it can be uploaded, and bytes that are no table. The same bytes each time."""

import bz2
import gzip
import io
import json
import lzma
import zipfile
from typing import Final, Literal

import pyarrow as pa
import pyarrow.orc
import pyarrow.parquet

TABLE: Final = pa.table(
    {"s": ["a", "b", "c"], "d": ["b", "c", "d"], "w": [1.5, 2.5, None], "n": pa.array([1, 2, 3], pa.int64())}
)
NODES: Final = pa.table({"id": ["a", "b", "c", "d"], "age": pa.array([30, 41, 52, 63], pa.int64())})
CSV: Final = b"s,d,w,n\na,b,1.5,1\nb,c,2.5,2\nc,d,,3\n"
_RECORDS: Final = TABLE.to_pylist()
_COLUMNS: Final = TABLE.to_pydict()
_EARLY: Final = (1980, 1, 1, 0, 0, 0)


def arrow(table: pa.Table, *, as_stream: bool = False, compression: Literal["lz4", "zstd"] | None = None) -> bytes:
    """Arrow IPC: a file, as PyGraphistry sends it, or a stream."""
    sink = pa.BufferOutputStream()
    make = pa.ipc.new_stream if as_stream else pa.ipc.new_file
    options = pa.ipc.IpcWriteOptions(compression=compression)
    with make(sink, table.schema, options=options) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


def parquet(table: pa.Table) -> bytes:
    """Parquet."""
    sink = io.BytesIO()
    pyarrow.parquet.write_table(table, sink)
    return sink.getvalue()


def orc(table: pa.Table) -> bytes:
    """ORC."""
    sink = pa.BufferOutputStream()
    pyarrow.orc.write_table(table, sink)
    return sink.getvalue().to_pybytes()


def as_json_bytes(value: object) -> bytes:
    """JSON."""
    return json.dumps(value).encode()


def zipped(**members: bytes) -> bytes:
    """A zip archive that holds nothing of the clock."""
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name, _EARLY), content, zipfile.ZIP_DEFLATED)
    return sink.getvalue()


def zstandard(content: bytes) -> bytes:
    """Compressed with zstd."""
    compressed = pa.Codec("zstd").compress(content, asbytes=True)
    assert isinstance(compressed, bytes)
    return compressed


def _dictionaries(table: pa.Table) -> pa.Table:
    """Texts as graphistry-js sends them."""
    for place, name in enumerate(("s", "d")):
        table = table.set_column(place, name, table[name].dictionary_encode())
    return table


ARROW: Final = arrow(TABLE)

GOOD: Final[dict[str, tuple[str, bytes]]] = {
    "arrow file": ("arrow", ARROW),
    "arrow stream": ("arrow", arrow(TABLE, as_stream=True)),
    "arrow with lz4": ("arrow", arrow(TABLE, compression="lz4")),
    "arrow with dictionaries": ("arrow", arrow(_dictionaries(TABLE))),
    "parquet": ("parquet", parquet(TABLE)),
    "orc": ("orc", orc(TABLE)),
    "csv": ("csv", CSV),
    "csv of Windows": ("csv", b"\xef\xbb\xbf" + CSV.replace(b"\n", b"\r\n")),
    "csv without rows": ("csv", b"s,d\n"),
    "json rows": ("json", as_json_bytes(_RECORDS)),
    "json columns": ("json", as_json_bytes(_COLUMNS)),
    "json lines": ("json", b"\n".join(map(as_json_bytes, _RECORDS))),
    "json of graphistry-js": ("json", as_json_bytes({**_COLUMNS, "agent_name": "x", "agent_version": "1"})),
}
"""Type and bytes, by what they are."""

COMPRESSED: Final[dict[str, bytes]] = {
    "gzip": gzip.compress(CSV, mtime=0),
    "bz2": bz2.compress(CSV),
    "xz": lzma.compress(CSV),
    "zstd": zstandard(CSV),
    "zip": zipped(**{"table.csv": CSV}),
}
"""The CSV, by compression."""

BROKEN: Final[dict[str, tuple[str, bytes]]] = {
    "empty arrow": ("arrow", b""),
    "empty csv": ("csv", b""),
    "empty json": ("json", b""),
    "empty parquet": ("parquet", b""),
    "empty orc": ("orc", b""),
    "half an arrow file": ("arrow", ARROW[: len(ARROW) // 2]),
    "half a parquet": ("parquet", parquet(TABLE)[:200]),
    "half a json": ("json", as_json_bytes(_RECORDS)[:60]),
    "ragged csv": ("csv", b"s,d\na,b\nc,d,e\n"),
    "ragged json": ("json", as_json_bytes({"s": ["a", "b"], "d": ["b"]})),
    "json of numbers": ("json", b"[1, 2, 3]"),
    "json of nothing": ("json", b"null"),
    "open quote in csv": ("csv", b's,d\na,"b\n'),
    "csv that is no text": ("csv", b"s,d\n\xff\xfe,b\n"),
    "csv of UTF-16": ("csv", "s,d\na,b\n".encode("utf-16")),
    "compressed csv, undeclared": ("csv", COMPRESSED["gzip"]),
    "csv as arrow": ("arrow", CSV),
    "arrow as csv": ("csv", ARROW),
    "arrow as parquet": ("parquet", ARROW),
    "parquet as json": ("json", parquet(TABLE)),
    "csv as orc": ("orc", CSV),
    "two columns of one name": ("arrow", arrow(pa.table([pa.array([1]), pa.array([2])], names=["s", "s"]))),
    "html": ("json", b"<html>502 Bad Gateway</html>"),
}
"""Type and bytes that are none of it."""
