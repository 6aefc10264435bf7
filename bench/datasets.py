"""The data of a run, made from its size alone.

It is written column by column to disk, so that making 4 GB needs no memory. Each file is what a client would upload: an
Arrow IPC file with one record batch.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import psutil
import pyarrow as pa

Kind = Literal["numbers", "text", "noise"]

ROW_BYTES: dict[Kind, int] = {"numbers": 24, "text": 40, "noise": 24}
_CHUNK_ROWS = 1_000_000
_SPARE_BYTES = 2 * 2**30
"""Disk and memory that everything else may need while a file is made and used."""


class NoRoom(Exception):
    """A size needs more disk or memory than there is. The message says which."""


@dataclass(frozen=True, slots=True)
class Edges:
    """A table of edges: ``s``, ``d`` (int64, ten edges for each id) and ``w`` (float64).

    The kind ``text`` also has a column ``t`` of strings of eight characters. The kind ``noise`` has ids from all of
    int64, which no format can compress.
    """

    kind: Kind
    rows: int

    @classmethod
    def of_bytes(cls, kind: Kind, byte_count: int) -> "Edges":
        """Return edges with as many rows as fill so many bytes."""
        return cls(kind, byte_count // ROW_BYTES[kind])

    @property
    def byte_count(self) -> int:
        """The size of the buffers. The file is hardly larger."""
        return self.rows * ROW_BYTES[self.kind]

    @property
    def name(self) -> str:
        return f"{self.kind}-{self.rows}"

    def file(self, folder: Path) -> Path:
        """Return the Arrow file in ``folder``. The first call makes it. Raises ``NoRoom``."""
        path = folder / f"{self.name}.arrow"
        if not path.exists():
            require_disk(folder, 2 * self.byte_count)
            draft = folder / f"{self.name}.draft"
            draft.mkdir()
            try:
                self._write(draft, draft / "whole")
                (draft / "whole").rename(path)
            finally:
                shutil.rmtree(draft)
        return path

    def _write(self, draft: Path, path: Path) -> None:
        columns = {"s": self._column(draft, "s"), "d": self._column(draft, "d"), "w": self._column(draft, "w")}
        if self.kind == "text":
            columns["t"] = self._texts(draft)
        batch = pa.RecordBatch.from_arrays(list(columns.values()), names=list(columns))
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, batch.schema) as writer:
            writer.write_batch(batch)

    def _column(self, draft: Path, name: str) -> Any:  # Any: an array, whose stubs want a type of element
        dtype = np.dtype("float64" if name == "w" else "int64")
        values = np.memmap(draft / name, dtype, "w+", shape=(self.rows,))
        random = np.random.default_rng([7, ord(name)])
        most = 2**63 - 1 if self.kind == "noise" else max(10, self.rows // 10)
        for start, stop in _chunks(self.rows):
            count = stop - start
            values[start:stop] = random.random(count) if name == "w" else random.integers(0, most, count)
        return pa.array(values)

    def _texts(self, draft: Path) -> Any:
        """Return strings with 64-bit offsets, as pandas 3 sends them."""
        offsets = np.memmap(draft / "offsets", "int64", "w+", shape=(self.rows + 1,))
        letters = np.memmap(draft / "letters", "S8", "w+", shape=(self.rows,))
        random = np.random.default_rng([7, ord("t")])
        words = np.array([f"t{number:07d}" for number in range(100_000)], "S8")
        for start, stop in _chunks(self.rows):
            offsets[start : stop + 1] = np.arange(start, stop + 1) * 8
            letters[start:stop] = words[random.integers(0, len(words), stop - start)]
        buffers = [None, pa.py_buffer(offsets.data), pa.py_buffer(letters.data)]
        return pa.Array.from_buffers(pa.large_string(), self.rows, buffers)


def require_disk(folder: Path, byte_count: int) -> None:
    """Raise ``NoRoom`` unless so many bytes can be written and some disk is left."""
    free = shutil.disk_usage(folder).free
    if free < byte_count + _SPARE_BYTES:
        raise NoRoom(f"{byte_count / 1e9:.1f} GB of disk are needed, {free / 1e9:.1f} GB are free")


def require_memory(byte_count: int) -> None:
    """Raise ``NoRoom`` unless so many bytes of memory are available and some memory is left."""
    available = psutil.virtual_memory().available
    if available < byte_count + _SPARE_BYTES:
        raise NoRoom(f"{byte_count / 1e9:.1f} GB of memory are needed, {available / 1e9:.1f} GB are available")


def forget(path: Path) -> None:
    """Delete a file if it exists."""
    with suppress(FileNotFoundError):
        os.unlink(path)


def _chunks(rows: int) -> Iterator[tuple[int, int]]:
    for start in range(0, rows, _CHUNK_ROWS):
        yield start, min(start + _CHUNK_ROWS, rows)
