"""Readers of uploaded bytes, one per file type (``runtime.datasets.file_types`` lists them).

A reader takes the mapped body and the caller's options (protocol 2.5) and returns a table. It raises ``InvalidTable``
with a sentence for the person who sent the bytes.
"""

from collections.abc import Callable, Mapping
from importlib import import_module

import pyarrow as pa

from runtime.datasets.file_types import FILE_TYPES, FileType
from runtime.datasets.formats import bounds, compression
from runtime.datasets.formats.body import Body
from runtime.datasets.formats.compression import Allowance
from runtime.datasets.formats.options import Options, refuse_unknown
from runtime.errors import InvalidTable

__all__ = ["READERS", "Allowance", "check_declared", "check_options", "read_table"]

Reader = Callable[[Body, Options], pa.Table]


def _reader(kind: FileType) -> Reader:
    module, function = kind.reader.split(".")
    reader: Reader = getattr(import_module(f"{__name__}.{module}"), function)
    return reader


READERS: Mapping[str, Reader] = {kind.name: _reader(kind) for kind in FILE_TYPES}


def check_declared(file_type: str, file_compression: str = "") -> None:
    """Raise ``InvalidTable`` for an unknown file type or compression, before any byte is sent."""
    if file_type not in READERS:
        raise InvalidTable(f"file_type {file_type!r} is unknown; use one of {', '.join(READERS)}")
    compression.check(file_compression)


def check_options(file_type: str, options: Options) -> None:
    """Raise ``InvalidTable`` for an option that this file type does not have, as its reader would."""
    module, _, _ = next(kind.reader for kind in FILE_TYPES if kind.name == file_type).partition(".")
    refuse_unknown(options, getattr(import_module(f"{__name__}.{module}"), "KNOWN", ()), file_type)


def read_table(body: Body, file_type: str, file_compression: str, options: Options, allowance: Allowance) -> pa.Table:
    """Return the table in a file, whose pages it may share. Raises ``InvalidTable``."""
    check_declared(file_type, file_compression)
    named = compression.asked(body, file_compression, options)
    if named:
        body = compression.decompress(body, named, allowance)
    table = READERS[file_type](body, options)
    bounds.check(table)
    return table
