"""The bytes of one upload, mapped from the file they were received into (or decompressed into)."""

import copy
import mmap
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass

import pyarrow as pa

from runtime.datasets.file_types import COMPRESSIONS, FILE_TYPES
from runtime.datasets.formats import charsets
from runtime.errors import InvalidTable


@dataclass(frozen=True, slots=True)
class Signature:
    """What the first bytes say of a file: its kind in words, and how to declare such a file."""

    magic: bytes
    words: str
    file_type: str = ""
    file_compression: str = ""
    first_entries: tuple[bytes, ...] = ()
    instead: str = ""

    def matches(self, head: bytes) -> bool:
        is_kind = not self.first_entries or head[_ZIP_NAME_AT:].startswith(self.first_entries)
        return is_kind and head.startswith(self.magic)

    @property
    def advice(self) -> str:
        """What to declare or to send instead; empty if nothing helps."""
        if self.instead:
            return f"; {self.instead}"
        if self.file_type:
            return f"; declare file_type '{self.file_type}'"
        return f"; declare file_compression '{self.file_compression}'" if self.file_compression else ""


_STEP = 1 << 16  # a slice of a map is a copy, which is searched while it is in the cache of the processor
_ZIP_NAME_AT = 30  # where the name of a zip archive's first entry begins
_AS_ZIP = "send its file alone, or in a zip archive"
_AS_PARQUET = "send its table as Parquet (pandas' to_parquet)"
_SIGNATURES = (
    *(
        Signature(kind.magic, kind.words, file_type=kind.name, first_entries=kind.first_entries)
        for kind in FILE_TYPES
        if kind.magic
    ),
    *(Signature(kind.magic, kind.words, file_compression=kind.name) for kind in COMPRESSIONS),
    Signature(b"PARE", "an encrypted Parquet file", instead="send it decrypted"),
    Signature(
        b"FEA1", "a Feather file of version 1", instead="write it again as version 2, pandas' own, which is Arrow"
    ),
    Signature(b"Rar!\x1a\x07", "a rar archive", instead=_AS_ZIP),
    Signature(b"7z\xbc\xaf\x27\x1c", "a 7z archive", instead=_AS_ZIP),
    Signature(b"\x04\x22\x4d\x18", "compressed with lz4", instead="compress it with zstd, or send it as it is"),
    Signature(b"%PDF-", "a PDF document", instead="send its table as CSV"),
    Signature(b"\x89HDF\r\n", "an HDF5 file", instead=_AS_PARQUET),
    Signature(b"SQLite format 3\0", "an SQLite database", instead="send each of its tables as Parquet or CSV"),
    Signature(b"Obj\x01", "an Avro file", instead=_AS_PARQUET),
    Signature(b"\x93NUMPY", "an array of numpy", instead=_AS_PARQUET),
    *(Signature(bytes([0x80, protocol, 0x95]), "a pickle of Python", instead=_AS_PARQUET) for protocol in (4, 5)),
)
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1f]")
"""Bytes that no text has, and that every binary format has near its beginning."""

_HEAD_BYTES = 4096
_TEXT_FORMATS = (
    (re.compile(rb"<(!doctype\s+html|html[\s>])", re.I), "an HTML page"),
    (re.compile(rb"(<\?xml.*?)?<graphml", re.I | re.S), "GraphML"),
    (re.compile(rb"(<\?xml.*?)?<gexf", re.I | re.S), "GEXF"),
    (re.compile(rb"<\?xml", re.I), "XML"),
    (re.compile(rb"(Creator[^\n]*\n\s*)?graph\s*(?=\[)", re.I), "GML"),
    (re.compile(rb"(strict\s+)?(di)?graph\s*(\w+|\"[^\"]*\")?\s*(?=\{)", re.I), "DOT"),
    (re.compile(rb"\*(vertices\s+[0-9]+|network\b[^,;|\t]*$)", re.I | re.M), "a Pajek file"),
)
_CLOSED = re.compile(rb"\s*(\Z|//|#|/\*|(strict\s+)?(di)?graph\b)", re.I)
"""What may stand after a graph in brackets."""


class Body:
    """A file's bytes. They are mapped, so a table that is read without copying costs no memory of its own.

    Raises ``InvalidTable`` if the file is empty. The caller keeps the descriptor.
    """

    def __init__(self, descriptor: int, name: str = "the body") -> None:
        self.name = name
        self.size = os.fstat(descriptor).st_size
        if self.size == 0:
            raise InvalidTable(f"{name} is empty")
        self._map = mmap.mmap(descriptor, self.size, access=mmap.ACCESS_READ)
        self._start = 0

    def after(self, count: int) -> "Body":
        """Return the body without its first bytes, over the same map. Raises ``InvalidTable`` if none are left."""
        if count >= self.size:
            raise InvalidTable(f"{self.name} is empty after its first line")
        return self._part(count, self.size - count)

    def without_outer_blank_lines(self, *ends: bytes) -> "Body":
        """Return the body from its first line that is not blank to its last, over the same map.

        ``ends``: the letters that end a line, which are equally long.
        """
        start, end, width = 0, self.size, len(ends[0])
        view = self.view()
        while start < end and view[start : start + width] in ends:
            start += width
        while end > start and view[end - width : end] in ends:
            end -= width
        return self if start == end else self._part(start, end - start)

    def _part(self, start: int, size: int) -> "Body":
        part = copy.copy(self)
        part._start, part.size = self._start + start, size
        return part

    def head(self, count: int) -> bytes:
        """Return the first bytes, at most ``count``."""
        return self._map[self._start : self._start + min(count, self.size)]

    def view(self) -> memoryview:
        """Return all bytes without copying them."""
        return memoryview(self._map)[self._start : self._start + self.size]

    def find(self, needle: bytes, start: int = 0) -> int:
        """Return the first position of ``needle`` from ``start`` on, or -1."""
        found = self._map.find(needle, self._start + start, self._start + self.size)
        return found if found < 0 else found - self._start

    def contains(self, *words: bytes) -> bool:
        """Return whether one of these words occurs."""
        overlap = max(map(len, words)) - 1
        # Python looks for one byte ten times as fast as for two.
        return any(word[-1:] in piece and word in piece for piece in self._pieces(overlap) for word in words)

    def has_line_end(self) -> bool:
        return self.find(b"\n") >= 0 or self.find(b"\r") >= 0

    def lines(self, start: int = 0) -> Iterator[memoryview]:
        """Yield the lines from ``start`` on without their ends and without copying them."""
        view = self.view()
        while start < self.size:
            end = self.find(b"\n", start)
            end = self.size if end < 0 else end
            yield view[start:end]
            start = end + 1

    def count(self, letter: bytes) -> int:
        return sum(piece.count(letter) for piece in self._pieces())

    def _pieces(self, overlap: int = 0) -> Iterator[bytes]:
        """Yield the bytes in pieces, each with the first ``overlap`` bytes of the next one."""
        end = self._start + self.size
        return (self._map[start : min(start + _STEP + overlap, end)] for start in range(self._start, end, _STEP))

    def reader(self) -> pa.BufferReader:
        """Return all bytes as a file, not copied: an Arrow file with enough of Python's methods for others."""
        return pa.BufferReader(pa.py_buffer(self._map).slice(self._start, self.size))

    def signature(self) -> Signature | None:
        """Return what the first bytes say this is; None unless they are those of a known binary format."""
        head = self.head(200)
        return next((known for known in _SIGNATURES if known.matches(head)), None)

    def looks_like(self, file_type: str) -> bool:
        """Return whether the first bytes are those of a binary file type."""
        found = self.signature()
        return found is not None and found.file_type == file_type

    def refuse(self, expected: str) -> InvalidTable:
        """Return the error for bytes that are not what was declared; it says what to declare instead."""
        found = self.signature()
        if found is None:
            return InvalidTable(f"{self.name} is not {expected}")
        return InvalidTable(f"{self.name} is {found.words}, not {expected}{found.advice}")

    def refuse_graph(self, expected: str) -> None:
        """Raise ``InvalidTable`` for text in a format of graphs or pages: it would become a nonsense table."""
        head = self.head(_HEAD_BYTES).removeprefix(b"\xef\xbb\xbf").lstrip()
        matches = ((pattern.match(head), words) for pattern, words in _TEXT_FORMATS)
        found = next((words for match, words in matches if match and not _is_header(head[match.end() :])), None)
        if found is not None:
            raise InvalidTable(
                f"{self.name} is {found}, not {expected}; read it where it is (networkx and igraph can), and send its "
                "nodes and its edges as two tables"
            )

    def refuse_binary(self, expected: str, *, zeros: bool = False) -> None:
        """Raise ``InvalidTable`` unless the bytes can be text of the declared format.

        ``zeros``: allow zero bytes, which occur in UTF-16.
        """
        found = self.signature()
        # A text may begin like a binary file: ``PARENT,CHILD``, ``ORCID,name``.
        if found is not None and not (found.magic.isalnum() and not _CONTROL.search(self.head(200))):
            raise self.refuse(expected)
        if zeros:
            return
        marked = next((name for mark, name in charsets.MARKS.items() if self.head(4).startswith(mark)), None)
        if marked is not None:
            wide = marked[: len("utf-16")]
            hint = f"name it with the option encoding='{wide}'" if expected == "CSV" else "send UTF-8"
            raise InvalidTable(f"{self.name} looks like {wide.upper()} text; {hint}")
        position = self.find(b"\0")
        if position >= 0:
            raise InvalidTable(f"{self.name} is not {expected}: it contains zero bytes, the first at {position}")


def _is_header(rest: bytes) -> bool:
    """Return whether a bracket that opens here belongs to a name in a header, as in ``graph [m],weight``.

    Then it closes in the same line, and something else follows.
    """
    if rest[:1] not in (b"[", b"{"):
        return False
    opening, closing = (b"[", b"]") if rest[:1] == b"[" else (b"{", b"}")
    depth = 0
    line = rest.splitlines()[0]
    for position in range(len(line)):
        letter = line[position : position + 1]
        depth += (letter == opening) - (letter == closing)
        if depth == 0:
            return not _CLOSED.match(rest[position + 1 :])
    return False
