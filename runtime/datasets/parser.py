"""The work of the parsing process: it reads uploaded bytes and writes a canonical table.

It runs in a limited child process that may be killed, and opens no file: it is given descriptors.
"""

import errno
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import orjson
import pyarrow as pa

from runtime.datasets import adoption, tables
from runtime.datasets.formats import Allowance, read_table
from runtime.datasets.formats.body import Body
from runtime.datasets.joining import join
from runtime.datasets.pandas_schema import PandasNote
from runtime.datasets.store.durable import storing
from runtime.errors import InvalidTable

Report = dict[str, Any]  # JSON: row_count, column_count, dtypes, byte_count, and adopted if the request allows it

DECOMPRESSED_BYTES = 1 << 30
"""The most that a compressed upload may decompress to, unless the request says otherwise."""

MAX_NAMES_BYTES = 2 * 1024 * 1024
"""Size of column names and dtypes as JSON: they travel in one frame and are stored in the catalog."""


def parse_upload(request: Mapping[str, Any], in_fd: int, out_fd: int, scratch_fd: int | None = None) -> Report:
    """Write the table in ``in_fd`` to ``out_fd`` in canonical form.

    ``request`` has ``file_type``, ``file_compression`` and ``options`` (protocol 2.1, 2.5), and ``decompressed_bytes``,
    the most that a compressed upload may decompress to. The decompressed data goes to ``scratch_fd``, an empty file, or
    to memory if there is none. The report has ``row_count``, ``column_count``, ``dtypes`` (column name to pandas dtype)
    and ``byte_count`` (of the canonical file). Raises ``InvalidTable`` (with ``errors``) and ``StorageFull``.

    If ``request`` has ``adopt``, the report has ``adopted``: true if ``in_fd`` is in canonical form already. Nothing is
    written then.
    """
    with _refusals():
        options = request.get("options") or {}
        compression = request.get("file_compression") or ""
        scratch = os.memfd_create("decompressed", os.MFD_CLOEXEC) if scratch_fd is None else scratch_fd
        try:
            allowance = Allowance(scratch, int(request.get("decompressed_bytes", DECOMPRESSED_BYTES)))
            body = Body(in_fd)
            # One expression: canonical() frees each column as it goes, which a name held here would prevent.
            table = tables.canonical(read_table(body, request["file_type"], compression, options, allowance))
            report = _described(table)
            if request.get("adopt"):
                report["adopted"] = adoption.is_stored_form(table, body)
            report["byte_count"] = body.size if report.get("adopted") else tables.write_canonical(table, out_fd)
            return report
        finally:
            if scratch_fd is None:
                os.close(scratch)


def concatenate(in_fds: list[int], out_fd: int) -> Report:
    """Write the rows of several canonical tables to ``out_fd``: columns by name, null for a table that lacks one.

    Reports and raises as ``parse_upload``; ``joining.join`` has the rules for types that differ.
    """
    with _refusals():
        parts = [pa.ipc.open_file(Body(fd).reader()).read_all() for fd in in_fds]
        note = PandasNote({}, frozenset())
        for part in parts:
            note = note.merged(PandasNote.of(part.schema.metadata))
        whole = join(parts)
        whole = whole.replace_schema_metadata(note.metadata(whole.column_names))
        whole = tables.canonical(whole)
        return {**_described(whole), "byte_count": tables.write_canonical(whole, out_fd)}


def _described(table: pa.Table) -> Report:
    info = tables.describe(table)
    if len(orjson.dumps(info.dtypes)) > MAX_NAMES_BYTES:
        raise InvalidTable("the column names are too long in total")
    return {"row_count": info.row_count, "column_count": info.column_count, "dtypes": info.dtypes}


@contextmanager
def _refusals() -> Iterator[None]:
    """Turn every failure that the bytes can cause into an ``InvalidTable`` whose ``errors`` list its sentence."""
    try:
        with storing():
            yield
    except InvalidTable as error:
        error.fields.setdefault("errors", [error.message])
        raise
    except MemoryError as error:
        raise _refusal("the table does not fit into the memory that parsing may use") from error
    except RecursionError as error:
        raise _refusal("the table is nested too deeply") from error
    except pa.ArrowException as error:
        raise _refusal(f"the table cannot be read: {str(error)[:300]}") from error
    except OSError as error:
        if error.errno != errno.EFBIG:
            raise
        raise _refusal("the decoded table is larger than a stored table may be") from error


def _refusal(sentence: str) -> InvalidTable:
    return InvalidTable(sentence, errors=[sentence])
