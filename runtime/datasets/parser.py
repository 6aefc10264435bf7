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

    A column that is whole in one table and not in another becomes float64 if float64 holds all its numbers, or decimal.
    Other types that differ are refused. Reports and raises as ``parse_upload``.
    """
    with _refusals():
        parts = [pa.ipc.open_file(Body(fd).reader()).read_all() for fd in in_fds]
        note = PandasNote({}, frozenset())
        for part in parts:
            note = note.merged(PandasNote.of(part.schema.metadata))
        try:
            whole = pa.concat_tables(
                [part.replace_schema_metadata(None) for part in parts], promote_options="permissive"
            )
        except (pa.ArrowTypeError, pa.ArrowInvalid) as error:
            raise InvalidTable(
                f"the files cannot be concatenated: {str(error)[:300]}; give the column the same type in all of them"
            ) from error
        for part in parts:
            for field in part.schema:
                _refuse_change(field.name, field.type, whole.schema.field(field.name).type)
        whole = whole.replace_schema_metadata(note.metadata(whole.column_names))
        whole = tables.canonical(whole)
        return {**_described(whole), "byte_count": tables.write_canonical(whole, out_fd)}


def _refuse_change(name: str, given: Any, whole: Any) -> None:  # Any: pa.DataType, whose stubs lack attributes
    """Raise ``InvalidTable`` if Arrow makes floats of decimals, or bytes of text, to join files."""
    types = pa.types
    if types.is_dictionary(given) or types.is_dictionary(whole):
        given, whole = (kind.value_type if types.is_dictionary(kind) else kind for kind in (given, whole))
        _refuse_change(name, given, whole)
    elif types.is_nested(given) and types.is_nested(whole):
        for position in range(given.num_fields):
            inner = given.field(position)
            same = whole.get_field_index(inner.name) if types.is_struct(whole) else position
            _refuse_change(f"{name}.{inner.name}", inner.type, whole.field(same).type)
    elif types.is_decimal(given) and types.is_floating(whole):
        raise _not_the_same(name, "decimals", "floating-point numbers")
    elif (types.is_string(given) or types.is_large_string(given)) and _is_binary(whole):
        raise _not_the_same(name, "text", "bytes")


def _is_binary(given: Any) -> bool:
    return pa.types.is_binary(given) or pa.types.is_large_binary(given) or pa.types.is_fixed_size_binary(given)


def _not_the_same(name: str, one: str, other: str) -> InvalidTable:
    return InvalidTable(
        f"the files cannot be concatenated: column {name!r} has {one} in one file and {other} in another; give the "
        "column the same type in all of them"
    )


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
