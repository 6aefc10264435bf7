"""Readers of uploaded bytes, one a file type.

A reader takes the mapped body and the caller's options (contract 2.5) and returns a table, or raises
``InvalidTable`` with a sentence for the person who sent the bytes. To add a file type: write its module, name
it in ``READERS`` and take it out of ``_LATER``. To add a compression: a function from ``Body`` to ``Body``,
called in ``read_table``.
"""

from collections.abc import Callable, Mapping

import pyarrow as pa

from runtime.datasets.formats import arrow, csv, json, parquet
from runtime.datasets.formats.body import Body
from runtime.datasets.formats.options import Options
from runtime.errors import InvalidTable

Reader = Callable[[Body, Options], pa.Table]

READERS: Mapping[str, Reader] = {
    "arrow": arrow.read,
    "csv": csv.read,
    "json": json.read,
    "parquet": parquet.read,
}
_LATER = {"orc", "xls", "xlsx"}
_LATER_COMPRESSIONS = {"gzip", "bz2", "zip", "xz"}


def check_declared(file_type: str, file_compression: str = "") -> None:
    """Raises ``InvalidTable`` for a file type or compression that cannot be read, before any byte is sent."""
    if file_type in _LATER:
        raise InvalidTable(f"file_type {file_type} is not supported yet; use one of {', '.join(READERS)}.")
    if file_type not in READERS:
        raise InvalidTable(f"file_type {file_type!r} is unknown; use one of {', '.join(READERS)}.")
    if file_compression in _LATER_COMPRESSIONS:
        raise InvalidTable(f"file_compression {file_compression} is not supported yet; send the file uncompressed.")
    if file_compression:
        raise InvalidTable(f"file_compression {file_compression!r} is unknown; send the file uncompressed.")


def read_table(descriptor: int, file_type: str, file_compression: str, options: Options) -> pa.Table:
    """The table in a file, whose pages it may share. Raises ``InvalidTable``."""
    check_declared(file_type, file_compression)
    return READERS[file_type](Body(descriptor), options)
