"""Readers of uploaded bytes: what each format gives, and what is said of bytes that are none of it."""

import datetime
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.orc as orc
import pyarrow.parquet as pq
import pytest

from runtime.datasets.file_types import COMPRESSION_NAMES
from runtime.datasets.formats import READERS, bounds, check_declared, compression, excel
from runtime.datasets.formats.csv import KNOWN as CSV_OPTIONS
from runtime.datasets.formats.excel import KNOWN as EXCEL_OPTIONS
from runtime.datasets.formats.json import KNOWN as JSON_OPTIONS
from runtime.errors import InvalidTable

Upload = Callable[..., Any]

TABLE = pa.table({"src": ["a", "b", None], "dst": ["b", "c", "d"], "w": [1.5, None, 3.0], "n": [1, 2, 3]})


def _stream(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


def _arrow_file(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


def _parquet(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink, row_group_size=2)
    return sink.getvalue()


def _orc(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    orc.write_table(table, sink, compression="ZLIB")
    return sink.getvalue()


def _frame(stored: Any) -> pd.DataFrame:
    frame: pd.DataFrame = stored.table.to_pandas()
    return frame


@pytest.mark.parametrize("file_type", READERS)
def test_a_known_type_can_be_declared(file_type: str) -> None:
    check_declared(file_type)


@pytest.mark.parametrize(
    ("file_type", "file_compression", "words"),
    [
        ("tiff", "", "file_type 'tiff' is unknown; use one of arrow, csv"),
        ("", "", "file_type '' is unknown"),
        ("csv", "rar", "file_compression 'rar' is unknown; use one of gzip, bz2, zip, xz, zstd, or none"),
    ],
)
def test_what_cannot_be_read_is_said_honestly(file_type: str, file_compression: str, words: str) -> None:
    with pytest.raises(InvalidTable, match=words):
        check_declared(file_type, file_compression)


def test_every_type_compression_option_and_limit_is_documented() -> None:
    page = (Path(__file__).parents[3] / "docs" / "formats.md").read_text()
    names = {*READERS, *COMPRESSION_NAMES, *CSV_OPTIONS, *JSON_OPTIONS, *EXCEL_OPTIONS}
    assert [name for name in sorted(names) if f"`{name}`" not in page] == []
    assert f"{bounds.MAX_COLUMNS:,}" in page
    assert f"{excel.MAX_SHEET_CELLS // 1_000_000} million" in page
    assert f"{compression.RATIO} times" in page


@pytest.mark.parametrize("file_type", READERS)
def test_an_unknown_option_is_named(upload: Upload, file_type: str) -> None:
    with pytest.raises(InvalidTable, match=f"'colour' is not an option of file_type {file_type}"):
        upload(b"x", file_type, {"colour": "red"})


@pytest.mark.parametrize("file_type", READERS)
def test_an_empty_body_is_called_empty(upload: Upload, file_type: str) -> None:
    with pytest.raises(InvalidTable, match="the body is empty"):
        upload(b"", file_type)


def test_arrow_files_and_streams_parquet_and_orc_give_the_same(
    upload: Upload, arrow_file: Callable[..., bytes]
) -> None:
    for content, file_type in (
        (arrow_file(TABLE), "arrow"),
        (arrow_file(TABLE, compression="lz4"), "arrow"),
        (_stream(TABLE), "arrow"),
        (_parquet(TABLE), "parquet"),
        (_orc(TABLE), "orc"),
    ):
        assert upload(content, file_type).table.to_pydict() == TABLE.to_pydict()


def test_a_stream_of_many_batches_with_growing_dictionaries_is_read(upload: Upload) -> None:
    parts = [pa.table({"s": pa.array(values).dictionary_encode()}) for values in (["a"], ["b", "a"], ["c"])]
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, parts[0].schema) as writer:
        for part in parts:
            writer.write_table(part)
    stored = upload(bytes(sink.getvalue()))
    assert stored.table.column("s").to_pylist() == ["a", "b", "a", "c"]
    assert stored.report["dtypes"] == {"s": "str"}


@pytest.mark.parametrize("kind", [pa.timestamp("us"), pa.timestamp("us", "UTC"), pa.list_(pa.timestamp("us"))], ids=str)
def test_orc_beyond_nanoseconds_is_not_called_damaged(upload: Upload, kind: Any) -> None:
    far = datetime.datetime(2300, 1, 1)
    content = _orc(pa.table({"t": pa.array([[far] if pa.types.is_list(kind) else far], kind)}))
    with pytest.raises(InvalidTable, match="a time before 1678 or after 2261"):
        upload(content, "orc")


def test_parquet_keeps_nullable_integers_and_categories(upload: Upload) -> None:
    frame = pd.DataFrame({"i": pd.array([1, None], dtype="Int64"), "c": pd.Categorical(["a", "b"])})
    pd.testing.assert_frame_equal(_frame(upload(_parquet(pa.Table.from_pandas(frame)), "parquet")), frame)


@pytest.mark.parametrize(
    ("make", "file_type", "words"),
    [
        (lambda _: b"hello, world\n", "arrow", "not Arrow IPC"),
        (lambda _: _parquet(TABLE), "arrow", "the body is a Parquet file, not Arrow IPC"),
        (lambda encode: encode(TABLE)[:-50], "arrow", "truncated or damaged"),
        (lambda encode: encode(TABLE)[:9], "arrow", "truncated or damaged"),
        (lambda _: _stream(TABLE)[:-60], "arrow", "truncated"),
        (lambda _: b"hello, world\n", "parquet", "is not a Parquet file"),
        (lambda encode: encode(TABLE), "parquet", "the body is an Arrow file, not a Parquet file"),
        (lambda _: _parquet(TABLE)[:-50], "parquet", "truncated or damaged"),
        (lambda _: b"PAR1", "parquet", "truncated or damaged"),
        (lambda _: _parquet(TABLE), "csv", "the body is a Parquet file, not CSV"),
        (lambda _: b"\x1f\x8b\x08" + bytes(20), "csv", "is gzip data, not CSV; declare file_compression 'gzip'"),
        (lambda _: _parquet(TABLE), "json", "a Parquet file, not JSON; declare file_type 'parquet'"),
        (lambda _: b"%PDF-1.7", "orc", "a PDF document, not an ORC file"),
        (
            lambda _: b"FEA1" + bytes(20),
            "arrow",
            "a Feather file of version 1, not Arrow IPC; write it again as version",
        ),
        (lambda _: b"FEA1" + bytes(20), "csv", "a Feather file of version 1, not CSV"),
        (lambda _: b"\x80\x04\x95" + bytes(20), "parquet", "a pickle of Python, .*; send its table as Parquet"),
        (lambda _: b"SQLite format 3\0", "csv", "an SQLite database, not CSV; send each of its tables"),
        (lambda _: b"ORC", "orc", "truncated or damaged"),
        (lambda _: b"PK\x03\x04" + bytes(40), "parquet", "declare file_compression 'zip'"),
        (lambda _: b"a,b\n\0,1\n", "csv", "contains zero bytes"),
        (lambda encode: encode(TABLE), "json", "an Arrow file, not JSON"),
    ],
)
def test_wrong_and_truncated_bytes_are_told_apart(
    upload: Upload,
    arrow_file: Callable[..., bytes],
    make: Callable[[Callable[..., bytes]], bytes],
    file_type: str,
    words: str,
) -> None:
    with pytest.raises(InvalidTable, match=words) as caught:
        upload(make(arrow_file), file_type)
    assert caught.value.fields["errors"] == [caught.value.message]


@pytest.mark.parametrize("seed", range(40))
def test_damaged_bytes_are_refused_or_read_but_never_raise_otherwise(
    upload: Upload, arrow_file: Callable[..., bytes], seed: int
) -> None:
    random = np.random.default_rng(seed)
    encode = [arrow_file, _stream, _parquet][seed % 3]
    content = bytearray(encode(TABLE))
    for position in random.integers(0, len(content), 3):
        content[position] = random.integers(0, 256)
    try:
        upload(bytes(content), "parquet" if encode is _parquet else "arrow")
    except InvalidTable as error:
        assert error.message


@pytest.mark.parametrize("write", [_stream, _arrow_file])
def test_categories_that_arrow_does_not_read_are_named(upload: Upload, write: Callable[[pa.Table], bytes]) -> None:
    table = pa.Table.from_pandas(pd.DataFrame({"age": pd.cut([1, 2, 3], 2)}))
    with pytest.raises(InvalidTable, match=r"such as the intervals of pd\.cut; send it as text"):
        upload(write(table), "arrow")
