"""Readers of uploaded bytes, one a file type.

A reader takes the mapped body and the caller's options (protocol 2.5) and returns a table, or raises
``InvalidTable`` with a sentence for the person who sent the bytes. To add a file type: write its module and name
it in ``READERS``. To add a compression: a stream in ``compression``.
"""

from collections.abc import Callable, Mapping

import pyarrow as pa

from runtime.datasets.formats import arrow, bounds, compression, csv, excel, json, orc, parquet
from runtime.datasets.formats.body import Body
from runtime.datasets.formats.compression import COMPRESSIONS, Allowance
from runtime.datasets.formats.options import Options
from runtime.errors import InvalidTable

__all__ = ["COMPRESSIONS", "READERS", "Allowance", "check_declared", "read_table"]

Reader = Callable[[Body, Options], pa.Table]

READERS: Mapping[str, Reader] = {
    "arrow": arrow.read,
    "csv": csv.read,
    "json": json.read,
    "orc": orc.read,
    "parquet": parquet.read,
    "xls": excel.read_xls,
    "xlsx": excel.read_xlsx,
}


def check_declared(file_type: str, file_compression: str = "") -> None:
    """Raises ``InvalidTable`` for a file type or compression that cannot be read, before any byte is sent."""
    if file_type not in READERS:
        raise InvalidTable(f"file_type {file_type!r} is unknown; use one of {', '.join(READERS)}.")
    compression.check(file_compression)


def read_table(body: Body, file_type: str, file_compression: str, options: Options, allowance: Allowance) -> pa.Table:
    """The table in a file, whose pages it may share. Raises ``InvalidTable``."""
    check_declared(file_type, file_compression)
    named = compression.asked(body, file_compression, options)
    if named:
        body = compression.decompress(body, named, allowance)
    table = READERS[file_type](body, options)
    bounds.check(table)
    return table
