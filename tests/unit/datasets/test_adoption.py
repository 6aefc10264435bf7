"""Uploads that become the stored file as they are: only what would be written just so, to the last byte."""

import io
import os
import tempfile
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from runtime.datasets import tables
from runtime.datasets.frames import map_frame
from runtime.datasets.parser import parse_upload
from runtime.errors import DatasetUnreadable, InvalidTable
from tests.unit.datasets.conftest import Parsing

N = 50
FRAME = pd.DataFrame({"s": range(N), "d": range(N), "w": np.linspace(0, 1, N)})
TEXT = FRAME.assign(t=[f"é{number}" for number in range(N)])


def _sent_by_pygraphistry(frame: pd.DataFrame) -> bytes:
    table = pa.Table.from_pandas(frame, preserve_index=False).replace_schema_metadata({})
    return _file(table)


def _file(table: pa.Table, **options: Any) -> bytes:
    sink = io.BytesIO()
    with pa.RecordBatchFileWriter(sink, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_table(table)
    return sink.getvalue()


def _stream(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue()


def _parsed(content: bytes) -> tuple[dict[str, Any], bytes]:
    """The report, and what was written."""
    with tempfile.TemporaryFile() as body, tempfile.TemporaryFile() as out:
        body.write(content)
        body.flush()
        report = parse_upload({"file_type": "arrow", "adopt": True}, body.fileno(), out.fileno())
        return report, os.pread(out.fileno(), 1 << 24, 0)


def _rewritten(content: bytes) -> bytes:
    """What is stored where nothing is adopted."""
    with tempfile.TemporaryFile() as body, tempfile.TemporaryFile() as out:
        body.write(content)
        body.flush()
        parse_upload({"file_type": "arrow"}, body.fileno(), out.fileno())
        return os.pread(out.fileno(), 1 << 24, 0)


@pytest.mark.parametrize(
    "frame",
    [
        FRAME,
        TEXT,
        TEXT.assign(t=TEXT.t.where(FRAME.s % 3 > 0)),
        TEXT.iloc[7:31],
        FRAME.assign(b=FRAME.s % 2 == 0),
        FRAME.assign(at=pd.to_datetime(FRAME.s, unit="s", utc=True)),
        FRAME.assign(c=pd.Categorical(["a", "b"] * (N // 2))),
        FRAME.assign(i=pd.array([1, 2] * (N // 2), dtype="Int64")),
        FRAME.assign(many=pd.Series([[1, 2]] * N)),
    ],
    ids=["numbers", "text", "nulls", "slice", "bool", "times", "category", "Int64", "lists"],
)
def test_what_pygraphistry_sends_is_stored_as_it_is(frame: pd.DataFrame) -> None:
    sent = _sent_by_pygraphistry(frame)
    report, written = _parsed(sent)
    assert report["adopted"]
    assert report["byte_count"] == len(sent)
    assert written == b""
    assert _rewritten(sent) == sent


def test_a_schema_without_metadata_is_stored_as_it_is_too() -> None:
    sent = _file(pa.table({"a": [1, 2]}))
    assert pa.ipc.open_file(sent).schema.metadata is None
    assert _parsed(sent)[0]["adopted"]


PLAIN = pa.table({"s": pa.array(range(N)), "t": pa.array(["x"] * N, pa.large_string())})
SENT = _file(PLAIN)
WITH_FIELD_NOTE = pa.schema([PLAIN.schema.field(0).with_metadata({"a": "b"}), PLAIN.schema.field(1)])
WITHOUT_NULLS = pa.schema([PLAIN.schema.field(0).with_nullable(False), PLAIN.schema.field(1)])


@pytest.mark.parametrize(
    "sent",
    [
        _file(pa.table({"t": ["a", "b"]})),
        _file(pa.concat_tables([PLAIN, PLAIN])),
        _file(PLAIN.slice(0, 0)),
        _file(PLAIN, compression="zstd"),
        _stream(PLAIN),
        _file(pa.Table.from_pandas(FRAME)),
        _file(PLAIN.replace_schema_metadata({"a": "b"})),
        _file(PLAIN.cast(WITH_FIELD_NOTE)),
        _file(PLAIN.cast(WITHOUT_NULLS)),
        _file(pa.table({"c": pa.array(["a", "b"]).dictionary_encode()})),
        _file(pa.table({"v": pa.array(["a", "b"], pa.string_view())})),
        _file(pa.table({"i": [1, None]})),
        SENT + SENT,
    ],
    ids=[
        *("short text", "two batches", "no batch", "compressed", "stream", "index", "note", "note of a field"),
        *("no nulls", "javascript's text", "views", "integers with nulls", "two files"),
    ],
)
def test_everything_else_is_written_anew(sent: bytes) -> None:
    report, written = _parsed(sent)
    assert not report["adopted"]
    assert written == _rewritten(sent)
    assert report["byte_count"] == len(written)


def test_a_csv_that_begins_like_an_arrow_file_is_not_adopted() -> None:
    with tempfile.TemporaryFile() as body, tempfile.TemporaryFile() as out:
        body.write(b"ARROWS\n1\n")
        body.flush()
        report = parse_upload({"file_type": "csv", "adopt": True}, body.fileno(), out.fileno())
        assert not report["adopted"]
        assert os.fstat(out.fileno()).st_size == report["byte_count"]


@pytest.mark.parametrize("more", [b"\0", b"ARROW1"])
def test_an_end_that_is_no_footer_is_refused(more: bytes) -> None:
    with pytest.raises(InvalidTable):
        _parsed(SENT + more)


@pytest.mark.parametrize("bits", [0x80, *(pytest.param(bits, marks=pytest.mark.soak) for bits in (0x01, 0xFF))])
def test_whatever_byte_a_client_changes_only_what_we_would_write_is_adopted(bits: int) -> None:
    """Every byte of a file in turn: lengths, offsets, footers, padding. Either the change is a value, which a whole
    check has looked at, or the file is refused, or it is written anew."""
    sent = _sent_by_pygraphistry(TEXT.assign(t=TEXT.t.where(FRAME.s % 3 > 0)).iloc[:5])
    adopted = 0
    for position in range(len(sent)):
        changed = bytearray(sent)
        changed[position] ^= bits
        try:
            report, written = _parsed(bytes(changed))
        except InvalidTable:
            continue
        adopted += report["adopted"]
        stored = bytes(changed) if report["adopted"] else written
        assert stored == _rewritten(bytes(changed))
        _check_that_holders_see(stored)
    assert 50 < adopted < len(sent) // 2


def _check_that_holders_see(stored: bytes) -> None:
    table = pa.ipc.open_file(stored).read_all()
    table.validate(full=True)
    with tempfile.TemporaryFile() as file:
        file.write(stored)
        file.flush()
        try:
            frame = map_frame(file.fileno())
        except DatasetUnreadable as error:  # pragma: no cover
            raise AssertionError("a stored table that no holder can map") from error
    pd.testing.assert_frame_equal(frame, table.to_pandas())


@pytest.mark.parametrize("offset", [-1, 2**40, 3])
def test_an_offset_out_of_order_is_refused_not_adopted(offset: int) -> None:
    """In the middle of a column of text, where the check at mapping time does not look."""
    offsets = np.arange(N + 1, dtype="int64")
    offsets[N // 2] = offset
    array = pa.Array.from_buffers(pa.large_string(), N, [None, pa.py_buffer(offsets.data), pa.py_buffer(b"x" * N)])
    with pytest.raises(InvalidTable):
        _parsed(_file(pa.table({"t": array})))


def test_text_that_is_no_utf8_is_refused_not_adopted() -> None:
    array = pa.Array.from_buffers(
        pa.large_string(), 2, [None, pa.py_buffer(np.array([0, 1, 2]).data), pa.py_buffer(b"\xff\xfe")]
    )
    with pytest.raises(InvalidTable):
        _parsed(_file(pa.table({"t": array})))


def test_an_adopted_upload_is_the_object_itself_and_read_only(parsing: Parsing) -> None:
    received = parsing.received(_sent_by_pygraphistry(TEXT))
    inode = received.stat().st_ino
    stored = parsing.stored(received, "arrow")
    assert stored.stat().st_ino == inode
    assert stored.stat().st_mode & 0o777 == 0o444
    assert not parsing.left_over
    pd.testing.assert_frame_equal(pa.ipc.open_file(stored.read_bytes()).read_all().to_pandas(), TEXT)
    stored.unlink()


def test_an_upload_that_is_written_anew_stays_the_callers(parsing: Parsing) -> None:
    received = parsing.received(_stream(PLAIN))
    stored = parsing.stored(received, "arrow")
    assert parsing.left_over == [received]
    assert pa.ipc.open_file(stored.read_bytes()).read_all() == tables.canonical(PLAIN)
    received.unlink()
    stored.unlink()


def test_a_refused_upload_stays_the_callers_and_nothing_is_stored(
    parsing: Parsing, arrow_file: Callable[..., bytes]
) -> None:
    received = parsing.received(arrow_file(PLAIN)[:-20])
    with pytest.raises(InvalidTable):
        parsing.stored(received, "arrow")
    assert parsing.left_over == [received]
    received.unlink()
