"""Uploads on disk: bytes or a table go in as a file, the stored table comes out as one.

``upload`` parses in this process, ``parse_in_job`` in the limited process that a server uses.
"""

import asyncio
import io
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from runtime.datasets.parser import parse_upload
from runtime.datasets.store.local import LocalStore
from runtime.sandbox.host.template import TemplateProcess
from runtime.uploads import Uploads
from tests.unit.standing_walls import walls

MIB = 1024 * 1024


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

    def store(
        content: bytes | pa.Table,
        file_type: str = "arrow",
        options: Mapping[str, Any] | None = None,
        compression: str = "",
    ) -> Stored:
        body_bytes = arrow_file(content) if isinstance(content, pa.Table) else content
        descriptor, name = tempfile.mkstemp(dir=tmp_path, suffix=".arrow")
        with tempfile.TemporaryFile() as body, os.fdopen(descriptor, "wb") as out:
            body.write(body_bytes)
            body.flush()
            request = {"file_type": file_type, "file_compression": compression, "options": options or {}}
            return Stored(parse_upload(request, body.fileno(), out.fileno()), Path(name))

    return store


@dataclass(frozen=True, slots=True)
class Parsing:
    """A store, and the limited processes that a server has parse what comes into it."""

    store: LocalStore
    template: TemplateProcess
    uploads: Uploads
    runner: asyncio.Runner

    def received(self, content: bytes) -> Path:
        """The file of an upload that has come whole."""
        path = self.store.incoming()
        path.write_bytes(content)
        return path

    def stored(
        self, received: Path, file_type: str, options: Mapping[str, Any] | None = None, compression: str = ""
    ) -> Path:
        """Have it parsed; the object's file."""
        parsing = self.uploads.parse(received.name, file_type, compression, dict(options or {}), user="1")
        return self.store.object_path(self.runner.run(parsing)["id"])

    @property
    def left_over(self) -> list[Path]:
        return list(self.store.incoming().parent.iterdir())


@pytest.fixture(scope="session")
def parsing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Parsing]:
    """Of uploads of 64 MiB."""
    store = LocalStore(tmp_path_factory.mktemp("parsing"))
    store.prepare()
    template = TemplateProcess(walls())

    async def start() -> None:
        template.start()
        await template.ready()

    with asyncio.Runner() as runner:
        runner.run(start())
        yield Parsing(store, template, Uploads(store, template, 64 * MIB), runner)
        runner.run(template.close())


@pytest.fixture(scope="session")
def parse_in_job(parsing: Parsing) -> Callable[..., pa.Table]:
    """``parse_in_job(content, file_type, options, compression)``: the stored table."""

    def parse(
        content: bytes, file_type: str, options: Mapping[str, Any] | None = None, compression: str = ""
    ) -> pa.Table:
        path = parsing.received(content)
        try:
            stored = parsing.stored(path, file_type, options, compression)
        finally:
            path.unlink(missing_ok=True)
        try:
            return pa.ipc.open_file(io.BytesIO(stored.read_bytes())).read_all()
        finally:
            stored.unlink()
            assert not parsing.left_over

    return parse
