"""Uploads on disk: bytes or a table go in as a file, the stored table comes out as one."""

import io
import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from runtime.datasets.parser import parse_upload


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
def arrow_file() -> Callable[..., bytes]:
    """``arrow_file(table, **write_options)``: the table as the bytes of an Arrow IPC file."""

    def encode(table: pa.Table, **options: Any) -> bytes:
        sink = pa.BufferOutputStream()
        with pa.ipc.new_file(sink, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
            writer.write_table(table)
        return bytes(sink.getvalue())

    return encode


@pytest.fixture
def upload(tmp_path: Path, arrow_file: Callable[..., bytes]) -> Callable[..., Stored]:
    """``upload(content, file_type, options)`` parses bytes, ``upload(table)`` an Arrow table."""

    def store(content: bytes | pa.Table, file_type: str = "arrow", options: Mapping[str, Any] | None = None) -> Stored:
        body_bytes = arrow_file(content) if isinstance(content, pa.Table) else content
        descriptor, name = tempfile.mkstemp(dir=tmp_path, suffix=".arrow")
        with tempfile.TemporaryFile() as body, os.fdopen(descriptor, "wb") as out:
            body.write(body_bytes)
            body.flush()
            request = {"file_type": file_type, "file_compression": "", "options": options or {}}
            return Stored(parse_upload(request, body.fileno(), out.fileno()), Path(name))

    return store
