"""Decompression of an upload into a file that the parser was given.

The data is written in pieces as it is decompressed, so only a window of it is in memory. Two limits end it:
``Allowance.decompressed_bytes``, and ``RATIO`` times the size of the upload (at least ``FREE_BYTES``), so that a small
upload cannot fill a disk.

A zip archive must hold exactly one file. Directories and the files that macOS adds do not count.
"""

import bz2
import io
import lzma
import os
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import pyarrow as pa

from runtime.datasets.file_types import COMPRESSION_NAMES
from runtime.datasets.formats.body import Body
from runtime.datasets.formats.options import Options
from runtime.errors import InvalidTable

RATIO = 250
FREE_BYTES = 64 * 1024 * 1024
_PIECE = 1024 * 1024
_FED = 64 * 1024
_LZMA_MEMORY = 256 * 1024 * 1024  # four times what xz -9 needs
_DIRECTORY_BYTES = 8 * 1024 * 1024
_UNCOMPRESSED = (None, "", "none", "None")
_SYNONYMS = {"gz": "gzip", "zst": "zstd", "bzip2": "bz2"}
_DAMAGE = (
    *(OSError, EOFError, ValueError, NotImplementedError, RuntimeError),
    *(zlib.error, zipfile.BadZipFile, pa.ArrowException),
)
_METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}

Stream = Iterator[bytes]


@dataclass(frozen=True, slots=True)
class Allowance:
    """The most bytes that a compressed upload may decompress to, and the file that takes them."""

    descriptor: int
    decompressed_bytes: int


def check(name: str) -> None:
    """Raise ``InvalidTable`` for an unknown compression."""
    if name and name not in _STREAMS:
        raise InvalidTable(f"file_compression {name!r} is unknown; use one of {', '.join(COMPRESSION_NAMES)}, or none")


def asked(body: Body, file_compression: str, options: Options) -> str:
    """Return the compression that the file's declaration or the option ``compression`` names; empty for none.

    ``infer`` decides by the first bytes. Raises ``InvalidTable`` if the two contradict each other.
    """
    given = options.get("compression")
    if given == "infer":
        found = body.signature()
        return file_compression or (found.file_compression if found is not None else "")
    named = "" if given in _UNCOMPRESSED else str(given)
    named = _SYNONYMS.get(named, named)
    if named not in ("", *_STREAMS):
        raise InvalidTable(f"compression {given!r} is unknown; use one of {', '.join(COMPRESSION_NAMES)}, or infer")
    if file_compression and named not in ("", file_compression):
        raise InvalidTable(f"file_compression is {file_compression!r}, but the option 'compression' is {named!r}")
    return file_compression or named


def decompress(body: Body, compression: str, allowance: Allowance) -> Body:
    """Return the decompressed body. Raises ``InvalidTable``, and ``OSError`` from writing."""
    limit = min(allowance.decompressed_bytes, max(FREE_BYTES, RATIO * body.size))
    pieces = _STREAMS[compression](body)
    written = 0
    while piece := _next(pieces, body, compression):
        if written + len(piece) > limit:
            raise InvalidTable(f"{body.name} is larger than its limit of {limit:,} bytes once decompressed")
        written += _write(allowance.descriptor, piece, written)
    return Body(allowance.descriptor, f"the decompressed {compression} data")


def _next(pieces: Stream, body: Body, compression: str) -> bytes:
    """Return the next piece; empty at the end."""
    try:
        return next(pieces, b"")
    except (MemoryError, InvalidTable):
        raise
    except lzma.LZMAError as error:
        if "Memory usage limit" in str(error):
            raise InvalidTable("the xz data needs too large a dictionary; compress it with xz -9 or less") from error
        raise _damaged(body, compression, error) from error
    except _DAMAGE as error:
        raise _damaged(body, compression, error) from error


def _damaged(body: Body, compression: str, error: Exception) -> InvalidTable:
    found = body.signature()
    if found is not None and found.file_compression == compression:
        return InvalidTable(f"the {compression} data is truncated or damaged: {str(error)[:200]}")
    what = "" if found is None else f"{found.words}, "
    return InvalidTable(
        f"the body is {what}not {compression} data; declare its file_compression, or none if it is not compressed"
    )


def _write(descriptor: int, piece: bytes, position: int) -> int:
    sent = 0
    view = memoryview(piece)
    while sent < len(view):
        sent += os.pwrite(descriptor, view[sent:], position + sent)
    return sent


def _gzip_or_zstd(codec: Literal["gzip", "zstd"]) -> Callable[[Body], Stream]:
    def stream(body: Body) -> Stream:
        source = pa.CompressedInputStream(body.reader(), codec)
        while piece := source.read(_PIECE):
            yield piece

    return stream


def _bz2_or_xz(make_decoder: Callable[[], bz2.BZ2Decompressor | lzma.LZMADecompressor]) -> Callable[[Body], Stream]:
    def stream(body: Body) -> Stream:
        view, position = body.view(), 0
        while position < body.size:
            decoder = make_decoder()
            while not decoder.eof:
                fed = bytes(view[position : position + _FED]) if decoder.needs_input else b""
                position += len(fed)
                if decoder.needs_input and not fed:
                    raise EOFError("it ends too early")
                if piece := decoder.decompress(fed, _PIECE):
                    yield piece
            position -= len(decoder.unused_data)
            while view[position : position + 4] == bytes(4):  # xz pads its streams with zeros
                position += 4

    return stream


def _xz_decoder() -> lzma.LZMADecompressor:
    return lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_LZMA_MEMORY)


def _zip(body: Body) -> Stream:
    with archive(body) as opened:
        files = [member for member in opened.infolist() if not _is_beside_the_point(member)]
        if len(files) != 1:
            names = ", ".join(repr(member.filename[:60]) for member in files[:5])
            told = f"{len(files)} files ({names}{', …' if len(files) > 5 else ''})" if files else "no file"
            raise InvalidTable(f"the zip archive holds {told}; it must hold exactly one")
        member = files[0]
        if member.flag_bits & 0x1:
            raise InvalidTable("the zip archive is encrypted")
        if member.compress_type not in _METHODS:
            raise InvalidTable("the zip archive uses a compression method other than deflate")
        with opened.open(member) as content:
            while piece := content.read(_PIECE):
                yield piece


def archive(body: Body) -> zipfile.ZipFile:
    """Open a body as a zip archive whose directory is bounded. Raises as ``zipfile``, and ``InvalidTable``."""
    return zipfile.ZipFile(_Archive(body))


def _is_beside_the_point(member: zipfile.ZipInfo) -> bool:
    name = member.filename
    return member.is_dir() or name.startswith("__MACOSX/") or name.rsplit("/", 1)[-1] == ".DS_Store"


class _Archive(io.RawIOBase):
    """A body as the file that ``zipfile`` needs. ``zipfile`` reads the directory whole, so its length is bounded."""

    def __init__(self, body: Body) -> None:
        self._view = body.view()
        self._position = 0

    def read(self, count: int | None = -1) -> bytes:
        rest = len(self._view) - self._position
        count = rest if count is None or count < 0 else min(count, rest)
        if count > _DIRECTORY_BYTES:
            raise InvalidTable("the zip archive lists too many files")
        piece = bytes(self._view[self._position : self._position + count])
        self._position += len(piece)
        return piece

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: len(self._view)}[whence]
        if base + offset < 0:
            raise ValueError("negative position")
        self._position = base + offset
        return self._position

    def tell(self) -> int:
        return self._position

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True


_STREAMS: Mapping[str, Callable[[Body], Stream]] = {
    "gzip": _gzip_or_zstd("gzip"),
    "bz2": _bz2_or_xz(bz2.BZ2Decompressor),
    "zip": _zip,
    "xz": _bz2_or_xz(_xz_decoder),
    "zstd": _gzip_or_zstd("zstd"),
}
