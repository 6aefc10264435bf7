"""Uploads in memory: bytes go in as a file, the stored table comes out as one."""

import io
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from runtime.datasets.parser import parse_upload

Upload = Callable[..., "Stored"]


class Stored:
    """The answer of one parse and the file that it wrote."""

    def __init__(self, report: dict[str, Any], path: Path) -> None:
        self.report = report
        self.path = path

    @property
    def table(self) -> pa.Table:
        return pa.ipc.open_file(io.BytesIO(self.path.read_bytes())).read_all()

    def open(self) -> int:
        return os.open(self.path, os.O_RDONLY)


@pytest.fixture
def upload(tmp_path: Path) -> Iterator[Upload]:
    """``upload(content, file_type, **options)``: the stored table of these bytes."""

    def store(content: bytes, file_type: str, options: Mapping[str, Any] | None = None) -> Stored:
        path = Path(tempfile.mktemp(dir=tmp_path, suffix=".arrow"))  # noqa: S306
        with tempfile.TemporaryFile() as body, path.open("wb") as out:
            body.write(content)
            body.flush()
            request = {"file_type": file_type, "file_compression": "", "options": options or {}}
            return Stored(parse_upload(request, body.fileno(), out.fileno()), path)

    yield store


def arrow_file(table: pa.Table, **options: Any) -> bytes:
    """The table as an Arrow IPC file."""
    return _ipc(pa.ipc.new_file, table, options)


def arrow_stream(table: pa.Table, **options: Any) -> bytes:
    """The table as an Arrow IPC stream."""
    return _ipc(pa.ipc.new_stream, table, options)


def _ipc(new: Callable[..., Any], table: pa.Table, options: dict[str, Any]) -> bytes:
    sink = pa.BufferOutputStream()
    with new(sink, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


def parquet_file(table: pa.Table) -> bytes:
    """The table as a Parquet file."""
    sink = io.BytesIO()
    pq.write_table(table, sink)
    return sink.getvalue()
