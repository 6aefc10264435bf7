"""Compress files as clients do before they upload them."""

import bz2
import gzip
import io
import lzma
import zipfile
from collections.abc import Callable

import pyarrow as pa


def compressed(content: bytes, compression: str) -> bytes:
    """The content as a file of that compression."""
    pack: dict[str, Callable[[bytes], bytes]] = {
        "gzip": gzip.compress,
        "bz2": bz2.compress,
        "xz": lzma.compress,
        "zip": lambda data: zipped(("table.csv", data)),
        "zstd": lambda data: bytes(pa.compress(data, codec="zstd", asbytes=True)),
    }
    return pack[compression](content)


def zipped(*members: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """An archive of members."""
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", method) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return sink.getvalue()
