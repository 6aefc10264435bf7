"""The ways by which a table comes into the server: the bytes that each sends, and which values it may change."""

import csv
import io
import json
from collections.abc import Callable, Sequence
from typing import Any, Final

import graphistry
import pandas as pd
import pyarrow as pa
import pyarrow.orc
import pyarrow.parquet

from tests.unit.values.columns import Column

Rows = Sequence[int | None]
Bytes = tuple[str, bytes]
"""The type of a file, and what is in it."""


def table_of(columns: Sequence[Column], rows: Rows) -> pa.Table:
    return pa.table({column.name: column.array(list(rows)) for column in columns})


def arrow_file(columns: Sequence[Column], rows: Rows) -> Bytes:
    return "arrow", _ipc(table_of(columns, rows), pa.ipc.new_file)


def arrow_stream(columns: Sequence[Column], rows: Rows) -> Bytes:
    return "arrow", _ipc(table_of(columns, rows), pa.ipc.new_stream)


def parquet(columns: Sequence[Column], rows: Rows) -> Bytes:
    out = io.BytesIO()
    pyarrow.parquet.write_table(table_of(columns, rows), out)
    return "parquet", out.getvalue()


def orc(columns: Sequence[Column], rows: Rows) -> Bytes:
    out = io.BytesIO()
    pyarrow.orc.write_table(table_of(columns, rows), out)
    return "orc", out.getvalue()


def pygraphistry_arrow(columns: Sequence[Column], rows: Rows) -> Bytes:
    """An Arrow table that a user gives to PyGraphistry's ``edges()``."""
    return _as_pygraphistry_sends(table_of(columns, rows))


def pygraphistry_pandas(columns: Sequence[Column], rows: Rows) -> Bytes:
    """A frame of nullable dtypes that a user gives to PyGraphistry's ``edges()``."""
    table = table_of(columns, rows)
    return _as_pygraphistry_sends(table.to_pandas(types_mapper=_NULLABLE.get, integer_object_nulls=True))


def text_csv(columns: Sequence[Column], rows: Rows) -> Bytes:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["row", *(column.name for column in columns)])
    for number, row in enumerate(rows):
        writer.writerow([number, *("" if row is None else column.csv[row] for column in columns)])
    return "csv", out.getvalue().encode()


def json_records(columns: Sequence[Column], rows: Rows) -> Bytes:
    return "json", json.dumps(_records(columns, rows)).encode()


def json_lines(columns: Sequence[Column], rows: Rows) -> Bytes:
    return "json", "\n".join(map(json.dumps, _records(columns, rows))).encode()


def json_columns(columns: Sequence[Column], rows: Rows) -> Bytes:
    """What graphistry-js sends in the body of the request that makes the dataset."""
    return "json", json.dumps(
        {column.name: [None if row is None else column.json[row] for row in rows] for column in columns}
    ).encode()


TYPED: Final[dict[str, Callable[[Sequence[Column], Rows], Bytes]]] = {
    "Arrow file": arrow_file,
    "Arrow stream": arrow_stream,
    "Parquet": parquet,
    "ORC": orc,
    "PyGraphistry, Arrow": pygraphistry_arrow,
    "PyGraphistry, pandas": pygraphistry_pandas,
}
"""Ways on which a column has its type."""

UNTYPED: Final[dict[str, Callable[[Sequence[Column], Rows], Bytes]]] = {
    "CSV": text_csv,
    "JSON records": json_records,
    "JSON Lines": json_lines,
    "JSON columns": json_columns,
}
"""Ways on which the values decide the type."""

_NULLABLE: Final = {
    getattr(pa, dtype.lower())(): getattr(pd, f"{dtype}Dtype")()
    for dtype in ("Int8", "Int16", "Int32", "Int64", "UInt8", "UInt16", "UInt32", "UInt64")
}


def _records(columns: Sequence[Column], rows: Rows) -> list[dict[str, Any]]:
    return [{column.name: None if row is None else column.json[row] for column in columns} for row in rows]


def _as_pygraphistry_sends(frame: Any) -> Bytes:
    client: Any = graphistry
    table: pa.Table = client.bind()._table_to_arrow(frame, memoize=False)
    return "arrow", _ipc(table, pa.ipc.new_file)


def _ipc(table: pa.Table, new: Callable[..., Any]) -> bytes:
    out = io.BytesIO()
    with new(out, table.schema) as writer:
        writer.write_table(table)
    return out.getvalue()
