"""Parquet."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from runtime.datasets.formats.body import Body
from runtime.datasets.formats.options import Options, refuse_unknown
from runtime.errors import InvalidTable

AnyArray = Any  # pa.Array: its stubs lack the attributes of nested types


def read(body: Body, options: Options) -> pa.Table:
    """Return the decoded table. There are no options."""
    refuse_unknown(options, (), "parquet")
    if not body.looks_like("parquet"):
        raise body.refuse("a Parquet file")
    try:
        file = pq.ParquetFile(body.reader(), pre_buffer=False)
        table = file.read(use_threads=False)
        old = _old_times(file)
        return _with_far_times(table, body, old) if old else table
    except (MemoryError, InvalidTable):
        raise
    except (pa.ArrowException, OSError, ValueError, TypeError, LookupError) as error:
        raise InvalidTable(f"the Parquet file is truncated or damaged: {str(error)[:300]}") from error


def _old_times(file: pq.ParquetFile) -> list[str]:
    """Return the columns that have times in the old type INT96, which Spark and Hive write."""
    leaves = [file.schema.column(position) for position in range(len(file.schema))]
    return list(dict.fromkeys(leaf.path.split(".")[0] for leaf in leaves if leaf.physical_type == "INT96"))


def _with_far_times(table: pa.Table, body: Body, names: list[str]) -> pa.Table:
    """Return the table with times of microseconds in columns of INT96 that have times beyond nanoseconds.

    pyarrow wraps such times around: the year 9999 becomes 1815. Raises ``InvalidTable`` if such a column has
    nanoseconds, too, because no type holds both.
    """
    file = pq.ParquetFile(body.reader(), pre_buffer=False, coerce_int96_timestamp_unit="us")
    coarse = file.read(columns=names, use_threads=False)
    for name in names:
        fine_column, coarse_column = table.column(name), coarse.column(name)
        pairs = [
            (one.cast(pa.int64()), other.cast(pa.int64()))
            for fine, rough in zip(fine_column.chunks, coarse_column.chunks, strict=True)
            for one, other in zip(_times(fine), _times(rough), strict=True)
            if one.type != other.type
        ]
        if not any(_is_beyond_nanoseconds(rough) for _, rough in pairs):
            continue
        if any(_has_nanoseconds(*pair) for pair in pairs):
            raise InvalidTable(
                f"column {name!r} has times before 1677 or after 2262 and times with nanoseconds, which no type holds "
                "together; round its times to microseconds"
            )
        table = table.set_column(table.column_names.index(name), name, coarse_column)
    return table


def _times(array: AnyArray) -> Iterator[AnyArray]:
    """Yield the arrays of times in an array."""
    if pa.types.is_timestamp(array.type):
        yield array
    elif pa.types.is_struct(array.type):
        for position in range(array.type.num_fields):
            yield from _times(array.field(position))
    elif pa.types.is_map(array.type):
        yield from _times(array.keys)
        yield from _times(array.items)
    elif pa.types.is_nested(array.type):
        yield from _times(array.values)


def _is_beyond_nanoseconds(microseconds: AnyArray) -> bool:
    known = microseconds.drop_null().to_numpy()
    return bool(len(known)) and bool(max(-known.min(), known.max()) >= 2**63 // 1000)


def _has_nanoseconds(wrapped: AnyArray, microseconds: AnyArray) -> bool:
    """Return whether a time has digits beyond microseconds. They are right also in a time that wrapped around."""
    one, other = (array.drop_null().to_numpy() for array in (wrapped, microseconds))
    with np.errstate(over="ignore"):
        return bool((one != other * 1000).any())
