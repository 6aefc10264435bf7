"""Damaged files of every format, each through a parser as a server runs it: read or refused, never a crash, never long.

``pytest -m soak`` tries several thousand of each.
"""

import io
import json
import os
import string
import tempfile
import time
from collections.abc import Callable
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.orc as orc
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runtime.datasets.frames import map_frame
from runtime.datasets.tables import write_canonical
from runtime.errors import InvalidTable
from tests.unit.datasets.compressions import compressed
from tests.unit.datasets.workbooks import DATE, XLS, cell, sheet, xlsx
from tests.waiting import SLOW_S

Parse = Callable[..., pa.Table]
Edit = tuple[str, float, int, bytes]

HANG_S = SLOW_S
CRASHED = "the reader of this file ended"
SAMPLE = pa.table(
    {
        "src": ["a", "b", None, "ü"] * 20,
        "dst": pa.array(["b", "c", "d", "e"] * 20).dictionary_encode(),
        "w": [1.5, None, 3.0, -1e300] * 20,
        "n": list(range(80)),
        "t": pa.array([0, 1, None, 10**15] * 20, pa.timestamp("us")),
        "l": [[1, 2], [], None, [3]] * 20,
        "o": [{"x": 1, "y": "z"}, None, {"x": 2, "y": None}, {"x": 3, "y": "w"}] * 20,
    }
)
PLAIN = SAMPLE.drop_columns(["t", "l", "o"]).set_column(1, "dst", SAMPLE["dst"].cast(pa.string()))


def _arrow(table: pa.Table, *, stream: bool = False, **options: Any) -> bytes:
    sink = io.BytesIO()
    make: Any = pa.ipc.new_stream if stream else pa.ipc.new_file
    with make(sink, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_table(table, max_chunksize=50)
    return sink.getvalue()


def _parquet(table: pa.Table, **options: Any) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink, row_group_size=50, **options)
    return sink.getvalue()


def _orc(table: pa.Table, compression: Any) -> bytes:
    sink = io.BytesIO()
    orc.write_table(table, sink, compression=compression)
    return sink.getvalue()


def _csv(table: pa.Table) -> bytes:
    return table.to_pandas().to_csv(index=False).encode()


def _json(table: pa.Table, **options: Any) -> bytes:
    return str(table.to_pandas().to_json(**options)).encode()


def _xlsx(table: pa.Table) -> bytes:
    rows = [list(row.values()) for row in table.to_pylist()]
    return xlsx({"S": sheet([table.column_names, *rows, ["a", cell(45292, DATE), True, None]])})


_NO_DICTIONARY = SAMPLE.set_column(1, "dst", PLAIN["dst"])
SAMPLES: dict[str, tuple[bytes, str, dict[str, Any], str]] = {
    "arrow file": (_arrow(SAMPLE), "arrow", {}, ""),
    "arrow stream": (_arrow(SAMPLE, stream=True), "arrow", {}, ""),
    "arrow lz4": (_arrow(SAMPLE, compression="lz4"), "arrow", {}, ""),
    "parquet": (_parquet(SAMPLE), "parquet", {}, ""),
    "parquet plain": (_parquet(SAMPLE, use_dictionary=False, compression="none"), "parquet", {}, ""),
    "parquet v2": (_parquet(SAMPLE, data_page_version="2.0", compression="zstd"), "parquet", {}, ""),
    "orc": (_orc(_NO_DICTIONARY, "UNCOMPRESSED"), "orc", {}, ""),
    "orc zlib": (_orc(_NO_DICTIONARY, "ZLIB"), "orc", {}, ""),
    "csv": (_csv(PLAIN), "csv", {}, ""),
    "csv by pandas": (_csv(PLAIN), "csv", {"skiprows": 0, "thousands": "."}, ""),
    "csv by python": (_csv(PLAIN), "csv", {"skipfooter": 1}, ""),
    "json rows": (_json(PLAIN, orient="records"), "json", {}, ""),
    "json columns": (_json(PLAIN), "json", {}, ""),
    "json lines": (_json(PLAIN, orient="records", lines=True), "json", {}, ""),
    "json split": (_json(PLAIN, orient="split"), "json", {"orient": "split"}, ""),
    "xlsx": (_xlsx(PLAIN), "xlsx", {}, ""),
    "xls": (XLS, "xls", {}, ""),
    "gzip": (compressed(_csv(PLAIN), "gzip"), "csv", {}, "gzip"),
    "bz2": (compressed(_csv(PLAIN), "bz2"), "csv", {}, "bz2"),
    "zip": (compressed(_csv(PLAIN), "zip"), "csv", {}, "zip"),
    "xz": (compressed(_csv(PLAIN), "xz"), "csv", {}, "xz"),
    "zstd": (compressed(_csv(PLAIN), "zstd"), "csv", {}, "zstd"),
}

_NUMBERS = [0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 1 << 40, (1 << 63) - 1]
_TOKENS = [b'"', b",", b"\n", b"\0", b"[", b"{", b"}", b"<", b"&x;", b"\xff\xfe", b"NaN", b"1e999", b"-", b"\\u0000"]
_PIECES = st.one_of(
    st.binary(min_size=1, max_size=8),
    st.sampled_from(_TOKENS),
    st.tuples(st.sampled_from(_NUMBERS), st.sampled_from([1, 2, 4, 8])).map(
        lambda drawn: (drawn[0] & ((1 << 8 * drawn[1]) - 1)).to_bytes(drawn[1], "little")
    ),
)
_EDITS: st.SearchStrategy[list[Edit]] = st.lists(
    st.tuples(
        st.sampled_from(["write", "write", "write", "insert", "delete", "repeat", "cut", "move"]),
        st.floats(0, 1, exclude_max=True),
        st.integers(1, 64),
        _PIECES,
    ),
    min_size=1,
    max_size=6,
)


def mutated(content: bytes, edits: list[Edit]) -> bytes:
    """The content after each edit, in turn, at its relative place."""
    data = bytearray(content)
    for kind, place, length, piece in edits:
        start = int(place * len(data))
        match kind:
            case "write":
                data[start : start + len(piece)] = piece
            case "insert":
                data[start:start] = piece
            case "delete":
                del data[start : start + length]
            case "repeat":
                data[start:start] = data[start : start + length] * 3
            case "move":
                data.extend(data[start : start + length])
            case "cut":
                del data[max(start, len(data) - length) :]
    return bytes(data)


def _read_or_refused(parse: Parse, name: str, edits: list[Edit]) -> None:
    content, file_type, options, compression = SAMPLES[name]
    started = time.monotonic()
    try:
        table = parse(mutated(content, edits), file_type, options, compression)
    except InvalidTable as refusal:
        assert refusal.message
        # A cell in the far corner of an xls sheet is legal, and its rectangle more than this parser's memory.
        assert file_type == "xls" or not refusal.message.startswith(CRASHED), refusal.message
    else:
        table.validate(full=True)
        _reads_back(table)
    finally:
        assert time.monotonic() - started < HANG_S


def _reads_back(table: pa.Table) -> None:
    """The frame over the stored table is the table's own."""
    with tempfile.TemporaryFile() as stored:
        write_canonical(table, stored.fileno())
        os.lseek(stored.fileno(), 0, os.SEEK_SET)
        pd.testing.assert_frame_equal(map_frame(stored.fileno()), table.to_pandas())


def _examples(count: int) -> settings:
    return settings(
        max_examples=count,
        deadline=None,
        database=None,
        derandomize=count < 1000,
        suppress_health_check=list(HealthCheck),
    )


@pytest.mark.parametrize("name", SAMPLES)
@_examples(25)
@given(edits=_EDITS)
def test_damaged_files_are_read_or_refused(parse_in_job: Parse, name: str, edits: list[Edit]) -> None:
    _read_or_refused(parse_in_job, name, edits)


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("name", SAMPLES)
@_examples(4000)
@given(edits=_EDITS)
def test_thousands_of_damaged_files_are_read_or_refused(parse_in_job: Parse, name: str, edits: list[Edit]) -> None:
    _read_or_refused(parse_in_job, name, edits)


_TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20).filter(
    lambda text: text.strip() == text
)
_NAMES = st.lists(st.text(string.ascii_letters, min_size=1, max_size=8), min_size=3, max_size=3, unique=True)
_ROWS = st.lists(
    st.tuples(
        st.integers(-(2**53) + 1, 2**53 - 1), st.floats(-1e15, 1e15).map(lambda x: round(x, 3) + 0.0), _TEXT
    ),
    min_size=1,
    max_size=30,
)  # fmt: skip

WRITERS: dict[str, Callable[[pa.Table], bytes]] = {
    "arrow": _arrow,
    "parquet": _parquet,
    "orc": lambda table: _orc(table, "ZLIB"),
    "csv": _csv,
    "json": lambda table: json.dumps(table.to_pylist()).encode(),
    "xlsx": lambda table: xlsx({"S": sheet([table.column_names, *(list(row.values()) for row in table.to_pylist())])}),
}
_TYPES: list[pa.DataType] = [pa.int64(), pa.float64(), pa.large_string()]


@pytest.mark.parametrize("file_type", WRITERS)
@_examples(25)
@given(names=_NAMES, rows=_ROWS)
def test_what_was_written_reads_back_equal(parse_in_job: Parse, file_type: str, names: list[str], rows: Any) -> None:
    columns = [pa.array(values, kind) for values, kind in zip(zip(*rows, strict=True), _TYPES, strict=True)]
    table = pa.Table.from_arrays(columns, names=names)
    texts = {names[1]: "float64", names[2]: "str"} if file_type in ("csv", "json", "xlsx") else {}
    options = {"dtype": texts, **({"keep_default_na": False} if file_type == "csv" else {})} if texts else {}
    assert parse_in_job(WRITERS[file_type](table), file_type, options).to_pydict() == table.to_pydict()
