"""The bytes of one upload, mapped from the file they were received into."""

import mmap
import os

import pyarrow as pa

from runtime.errors import InvalidTable

_SIGNATURES = {
    b"ARROW1": "an Arrow file",
    b"PAR1": "a Parquet file",
    b"PK\x03\x04": "a zip archive or an Excel file",
    b"\x1f\x8b": "gzip data",
    b"BZh": "bzip2 data",
    b"\xfd7zXZ": "xz data",
    b"ORC": "an ORC file",
    b"\xd0\xcf\x11\xe0": "an old Excel file",
}


class Body:
    """A file's bytes. They are mapped, so a table read without copying costs no memory of its own.

    Raises ``InvalidTable`` where there are none. The descriptor stays the caller's.
    """

    def __init__(self, descriptor: int) -> None:
        self.size = os.fstat(descriptor).st_size
        if self.size == 0:
            raise InvalidTable("The body is empty.")
        self._map = mmap.mmap(descriptor, self.size, access=mmap.ACCESS_READ)

    def head(self, count: int) -> bytes:
        """The first bytes, at most ``count``."""
        return self._map[:count]

    def view(self) -> memoryview:
        """All bytes, not copied."""
        return memoryview(self._map)

    def contains(self, needle: bytes) -> bool:
        """Whether the bytes occur anywhere."""
        return self._map.find(needle) >= 0

    def count(self, needle: bytes) -> int:
        """How often the bytes occur."""
        step = 1 << 24  # a slice of a map is a copy
        return sum(self._map[start : start + step].count(needle) for start in range(0, self.size, step))

    def reader(self) -> pa.BufferReader:
        """All bytes as an Arrow file, not copied."""
        return pa.BufferReader(pa.py_buffer(self._map))

    def looks_like(self) -> str | None:
        """What the first bytes say this is, in words, where they are those of a known binary format."""
        head = self.head(8)
        return next((words for magic, words in _SIGNATURES.items() if head.startswith(magic)), None)

    def refuse_binary(self, expected: str) -> None:
        """Raises ``InvalidTable`` where a text format was announced and these bytes are something else."""
        found = self.looks_like()
        if found is not None:
            raise InvalidTable(f"The body is {found}, not {expected}.")
        if b"\0" in self.head(4096):
            raise InvalidTable(f"The body is not {expected}: it contains zero bytes.")
