"""Uploads made to hurt, each through a parser as a server runs it: a clear refusal or a right answer, in time.

The parser takes uploads of 64 MiB here, so its memory ends at a few hundred.
"""

import io
import json
import time
from collections.abc import Callable, Iterator
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.orc as orc
import pyarrow.parquet as pq
import pytest

from runtime.errors import InvalidTable
from tests.unit.datasets.workbooks import NAMESPACE, sheet, sheet_xml, xlsx
from tests.waiting import WITHIN_S

Parse = Callable[..., pa.Table]
MIB = 1 << 20
SOON_S = WITHIN_S  # on a very busy machine; alone, each takes a few seconds at most


@pytest.fixture(autouse=True)
def in_time() -> Iterator[None]:
    """Every test ends soon, whatever it sends."""
    started = time.monotonic()
    yield
    assert time.monotonic() - started < SOON_S


def _ipc(*columns: Any, **options: Any) -> bytes:
    table = pa.record_batch(list(columns), names=[f"c{number}" for number in range(len(columns))])
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(allow_64bit=True, **options)) as writer:
        writer.write_batch(table)
    return sink.getvalue()


def _nulls(count: int) -> Any:
    return pa.Array.from_buffers(pa.null(), count, [None])


def _nested_type(depth: int) -> Any:
    given: Any = pa.int8()
    for _ in range(depth):
        given = pa.list_(given)
    return given


def _parquet(table: pa.Table, **options: Any) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink, **options)
    return sink.getvalue()


def _orc(table: pa.Table, compression: Literal["UNCOMPRESSED", "ZLIB"] = "ZLIB") -> bytes:
    sink = io.BytesIO()
    orc.write_table(table, sink, compression=compression)
    return sink.getvalue()


def _repeated(text: str, count: int) -> Any:
    return pa.DictionaryArray.from_arrays(pa.array([0] * count), pa.array([text]))


def _lists(values: Any, length: int) -> Any:
    return pa.LargeListArray.from_arrays(pa.array(range(0, len(values) + 1, length)), values)


def _lying_buffer() -> bytes:
    """A compressed buffer that says it holds 2^60 bytes."""
    content = bytearray(_ipc(pa.array(np.arange(1000)), compression="lz4"))
    position = content.find((8000).to_bytes(8, "little"))
    content[position : position + 8] = (1 << 60).to_bytes(8, "little")
    return bytes(content)


def _many_row_groups() -> bytes:
    sink = io.BytesIO()
    with pq.ParquetWriter(sink, pa.schema([("a", pa.int8())])) as writer:
        for _ in range(20_000):
            writer.write_table(pa.table({"a": pa.array([1], pa.int8())}))
    return sink.getvalue()


_ZEROS = pa.array(np.zeros(1 << 24, "i8"))
MEMORY = "does not fit into the memory that parsing may use|more memory|truncated or damaged|ended"

REFUSED: dict[str, tuple[Callable[[], bytes], str, dict[str, Any], str]] = {
    "arrow: nulls without end": (lambda: _ipc(_nulls(1 << 50)), "arrow", {}, "hold no values"),
    "arrow: a null column of many beside real ones": (
        lambda: _ipc(pa.array(np.zeros(1 << 20, "i1")), *[_nulls(1 << 20)] * 300), "arrow", {}, "hold no values"),
    "arrow: empty structs without end": (
        lambda: _ipc(pa.StructArray.from_buffers(pa.struct([]), 1 << 50, [None])), "arrow", {}, "hold no values"),
    "arrow: runs of null without end": (
        lambda: _ipc(pa.RunEndEncodedArray.from_arrays(pa.array([1 << 50]), pa.nulls(1))), "arrow", {},
        "hold no values"),
    "arrow: one run without end": (
        lambda: _ipc(pa.RunEndEncodedArray.from_arrays(pa.array([1 << 50]), pa.array([7]))), "arrow", {}, MEMORY),
    "arrow: a buffer that lies": (_lying_buffer, "arrow", {}, MEMORY),
    "arrow: nested too deeply": (lambda: _ipc(pa.nulls(1, _nested_type(60))), "arrow", {}, "damaged|nested"),
    "arrow: a list of nulls without end": (
        lambda: _ipc(pa.LargeListArray.from_arrays(pa.array([0, 1 << 50]), _nulls(1 << 50))), "arrow", {}, "."),
    "parquet: a constant, 130 million times": (
        lambda: _parquet(pa.table({f"c{n}": _ZEROS for n in range(8)})), "parquet", {}, MEMORY),
    "parquet: dictionary of one long text": (
        lambda: _parquet(pa.table({"s": _repeated("x" * MIB, 2000)}), store_schema=False), "parquet", {}, MEMORY),
    "parquet: nested without end": (
        lambda: _parquet(pa.table({f"c{n}": _lists(_lists(_ZEROS, 1024), 1024) for n in range(8)})), "parquet", {},
        MEMORY),
    "orc: one long text": (lambda: _orc(pa.table({"s": pa.array(["x" * MIB] * 600)})), "orc", {}, MEMORY),
    "json: nested without end": (lambda: b"[" * (30 * MIB), "json", {}, "not JSON"),
    "json: nested objects without end": (lambda: b'{"a":' * (5 * MIB), "json", {}, "not JSON"),
    "json: empty lists without end": (lambda: b"[" + b"[]," * (20 * MIB) + b"[]]", "json", {}, MEMORY),
    "json: empty rows without end": (lambda: b"{}\n" * (20 * MIB), "json", {}, MEMORY),
    "json: a key of its own in every row": (
        lambda: b"\n".join(b'{"k%d":1}' % number for number in range(200_000)), "json", {}, "16,385 columns"),
    "json: a key of its own in every object": (
        lambda: b"[" + b",".join(b'{"a":{"k%d":1}}' % number for number in range(60_000)) + b"]", "json", {}, "."),
    "json: wide, then long": (
        lambda: json.dumps([{f"k{number}": 1 for number in range(16_000)}] + [{}] * 200_000).encode(), "json", {},
        "send it as Parquet or Arrow"),
    "json: a number of many digits": (lambda: b"[{" + b'"a":' + b"9" * MIB + b"}]", "json", {}, "number is infinity"),
    "json: a million columns": (
        lambda: json.dumps({f"k{number}": [1] for number in range(1_000_000)}).encode(), "json", {}, "columns"),
    "csv: a million columns": (lambda: b"a," * 1_000_000 + b"a\n", "csv", {}, "1,000,001 columns"),
    "csv: a million columns for pandas": (
        lambda: b"x\n" + b"a," * 1_000_000 + b"a\n", "csv", {"skiprows": 1}, "1,000,001 columns"),
    "csv: a million columns further down": (
        lambda: b"a,b\n1,2\n" + b"1," * 1_000_000 + b"1\n", "csv", {}, "Expected 2 columns|columns"),
    "csv: a quote that never ends": (lambda: b'a,b\n1,"' + b"x,y\n" * (2 * MIB), "csv", {}, "EOF inside string"),
    "csv: an expression for a separator": (lambda: b"a" * MIB, "csv", {"sep": "(a|a)*b"}, "use one character"),
    "csv: names that are books": (lambda: b",".join([b"n" * MIB] * 4) + b"\n1,2,3,4\n", "csv", {}, "too long in total"),
    "csv: many zero bytes": (lambda: b"a,b\n" + bytes(MIB), "csv", {}, "zero bytes"),
    "xlsx: a stray cell": (
        lambda: xlsx({"S": sheet_xml('<row r="1"><c r="A1"><v>1</v></c></row><row r="99999"><c r="XFD99999">'
                                     "<v>1</v></c></row>")}), "xlsx", {}, "spans 99,999 rows and 16,384 columns"),
    "xlsx: a stray cell, oddly written": (
        lambda: xlsx({"S": sheet_xml('<row r="1"><c r="A1"><v>1</v></c></row><row r = "1048576"><c r = "xfd1048576">'
                                     "<v>1</v></c></row>")}), "xlsx", {}, "."),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_bombs_are_refused_in_words(parse_in_job: Parse, name: str) -> None:
    make, file_type, options, words = REFUSED[name]
    with pytest.raises(InvalidTable, match=words) as caught:
        parse_in_job(make(), file_type, options)
    assert len(caught.value.message) < 1000


def _wide_csv() -> bytes:
    return (",".join(f"c{n}" for n in range(10_000)) + "\n" + ",".join(["1"] * 10_000) + "\n").encode()


READ: dict[str, tuple[Callable[[], bytes], str, tuple[int, int]]] = {
    "arrow: 10,000 columns": (lambda: _ipc(*[pa.array([1])] * 10_000), "arrow", (1, 10_000)),
    "parquet: 10,000 columns": (
        lambda: _parquet(pa.table({f"c{n}": [1] for n in range(10_000)})), "parquet", (1, 10_000)),
    "parquet: 20,000 row groups": (_many_row_groups, "parquet", (20_000, 1)),
    "parquet: a constant, 16 million times": (
        lambda: _parquet(pa.table({"a": _ZEROS})), "parquet", (1 << 24, 1)),
    "orc: 10,000 columns": (
        lambda: _orc(pa.table({f"c{n}": [1] for n in range(10_000)}), "UNCOMPRESSED"), "orc", (1, 10_000)),
    "csv: 10,000 columns": (_wide_csv, "csv", (1, 10_000)),
    "csv: a cell of 20 MB": (lambda: b"a,b\n1," + b"x" * 20_000_000 + b"\n", "csv", (1, 2)),
    "csv: a quoted cell of 100,000 commas": (lambda: b'a,b\n1,"' + b"," * 100_000 + b'"\n', "csv", (1, 2)),
    "json: 10,000 columns": (
        lambda: json.dumps([{f"c{n}": 1 for n in range(10_000)}]).encode(), "json", (1, 10_000)),
    "json: a cell of 50 MB": (lambda: b'[{"a": "' + b"x" * 50_000_000 + b'"}]', "json", (1, 1)),
    "xlsx: a million texts": (
        lambda: xlsx({"S": sheet([["a"], ['<c t="s"><v>999999</v></c>']])},
                     {"xl/sharedStrings.xml": f"<sst {NAMESPACE}>" + "<si><t>x</t></si>" * 1_000_000 + "</sst>"}),
        "xlsx", (1, 1)),
    "xlsx: 10,000 columns": (
        lambda: xlsx({"S": sheet([[f"c{n}" for n in range(10_000)], [1] * 10_000])}), "xlsx", (1, 10_000)),
}  # fmt: skip


@pytest.mark.soak
@pytest.mark.parametrize("name", READ)
def test_what_is_odd_and_large_is_read_rightly(parse_in_job: Parse, name: str) -> None:
    make, file_type, shape = READ[name]
    assert parse_in_job(make(), file_type).shape == shape
