"""The values of a column as JSON texts, made for the whole column at once; the same texts as for single values.

A column of numbers becomes one JSON array, whose commas separate the values. Text needs only quotes if no byte of it
has to be escaped. A column that allows neither gets None here and is written row by row (``stream``).
"""

import datetime
import decimal
import uuid
from typing import Any, Final, NamedTuple

import numpy as np
import orjson
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types

from runtime.results.document import texts
from runtime.results.records import column_values
from runtime.results.survey import is_large
from runtime.results.times import iso_texts

Array = Any  # pa.Array: its stubs know no element type that would help here

_LIMIT_BYTES: Final = 16 * 1024 * 1024
"""The most text that is made of values that the frame holds only once, or not as text."""

_RUN: Final = 4096

_SCALARS: Final = frozenset(
    {
        type(None),
        bool,
        int,
        float,
        str,
        bytes,
        decimal.Decimal,
        uuid.UUID,
        datetime.date,
        datetime.time,
        datetime.datetime,
        datetime.timedelta,
        pd.Timestamp,
        pd.Timedelta,
        pd.Period,
        pd.Interval,
        type(pd.NaT),
        type(pd.NA),
    }
)
"""Exact types whose values are one line of JSON."""

_ESCAPES: Final = {byte: orjson.dumps(chr(byte))[1:-1] for byte in (ord("\\"), ord('"'), *range(0x20))}
"""The bytes that JSON strings must escape; the backslash first, because the other escapes contain it."""


class Cells(NamedTuple):
    """A text for each row (Arrow, ``large_binary``), and the bytes before and after every text."""

    texts: Array
    before: bytes
    after: bytes


def literal(text: bytes) -> "pa.Scalar[Any]":
    """Return text as an Arrow scalar of the type of cells."""
    return pa.scalar(text, pa.large_binary())


def cells(column: "pd.Series[Any]", end: bytes) -> Cells | None:
    """Return the values of a column as JSON, each followed by ``end``; None if they must be written row by row.

    The column has at least one row. ``end`` is a byte that occurs in no number.

    Raises:
        TypeError, ValueError, pyarrow.ArrowException: they must be written row by row, too.
    """
    dtype = column.dtype
    if isinstance(dtype, np.dtype) and dtype.kind in "biuf" and dtype.itemsize <= 8:
        return _numbers(column.to_numpy(), end)
    if isinstance(dtype, pd.DatetimeTZDtype) or (isinstance(dtype, np.dtype) and dtype.kind == "M"):
        return _strings(iso_texts(column), end)
    if isinstance(dtype, pd.CategoricalDtype):
        return _categories(column, end)
    if isinstance(dtype, (pd.ArrowDtype, pd.StringDtype)) or hasattr(dtype, "numpy_dtype"):
        array = pa.array(column, from_pandas=True)
        array = array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
        if types.is_string(array.type) or types.is_large_string(array.type):
            return _strings(array, end)
        if types.is_integer(array.type) or types.is_floating(array.type) or types.is_boolean(array.type):
            return _maybe_numbers(array, end)
        if types.is_timestamp(array.type):
            return _strings(iso_texts(array.to_pandas()), end)
    return _values(column_values(column), end)


def _numbers(values: "np.ndarray[Any, Any]", end: bytes) -> Cells:
    if values.dtype.kind == "f":
        values = values.astype(np.float64, copy=False)  # narrow floats are widened, digit for digit
    native = np.ascontiguousarray(values, values.dtype.newbyteorder("="))
    text = orjson.dumps(native, option=orjson.OPT_SERIALIZE_NUMPY)[1:-1] + b","
    if end != b",":
        text = text.replace(b",", end)
    offsets = np.empty(len(values) + 1, np.int64)
    offsets[0] = 0
    offsets[1:] = np.flatnonzero(np.frombuffer(text, np.uint8) == ord(end))
    offsets[1:] += 1
    buffers = [None, pa.py_buffer(offsets.data), pa.py_buffer(text)]
    return Cells(pa.Array.from_buffers(pa.large_binary(), len(values), buffers), b"", b"")


def _maybe_numbers(array: Array, end: bytes) -> Cells:
    """Return numbers of which some are missing."""
    zero = pa.scalar(0).cast(array.type)
    numbers = _numbers(array.fill_null(zero).to_numpy(zero_copy_only=False), end)
    if not array.null_count:
        return numbers
    return Cells(pc.if_else(array.is_null(), literal(b"null" + end), numbers.texts), b"", b"")


def _strings(array: Array, end: bytes) -> Cells:
    array.validate(full=True)  # a task may hold an Arrow array of bytes that are not UTF-8
    escaped = _escaped(array.cast(pa.large_string())).cast(pa.large_binary())
    if not escaped.null_count:
        return Cells(escaped, b'"', b'"' + end)
    quoted = pc.binary_join_element_wise(literal(b'"'), escaped, literal(b'"'), literal(b""))
    return Cells(quoted.fill_null(literal(b"null")), b"", end)


def _escaped(array: Array) -> Array:
    """Return strings as they stand between the quotes of JSON."""
    offsets = np.frombuffer(array.buffers()[1], np.int64)[array.offset : array.offset + len(array) + 1]
    data = array.buffers()[2]
    if data is None or offsets[0] == offsets[-1]:
        return array
    content = np.frombuffer(data, np.uint8)[offsets[0] : offsets[-1]]
    odd = content[(content < 0x20) | (content == ord('"')) | (content == ord("\\"))]
    found = set(np.unique(odd).tolist()) if len(odd) else set()
    for byte, escape in _ESCAPES.items():
        if byte in found:
            array = pc.replace_substring(array, chr(byte), escape.decode())
    return array


def _categories(column: "pd.Series[Any]", end: bytes) -> Cells | None:
    if len(column.cat.categories) > len(column):
        column = column.cat.remove_unused_categories()
    labels = cells(pd.Series(column.cat.categories), end)
    if labels is None:
        return None
    known = pc.binary_join_element_wise(literal(labels.before), labels.texts, literal(labels.after), literal(b""))
    # the missing value has code -1, which is the last place of the list
    choices = pa.concat_arrays([known, pa.array([b"null" + end], pa.large_binary())])
    codes = column.cat.codes.to_numpy()
    places = np.where(codes < 0, len(known), codes)
    if pc.binary_length(choices).to_numpy()[places].sum() > _LIMIT_BYTES:
        return None
    return Cells(choices.take(pa.array(places)), b"", b"")


def _values(values: list[Any], end: bytes) -> Cells | None:
    """Return Python objects, if each is one line of JSON and together they are small."""
    kinds = set(map(type, values))
    if kinds <= {str, type(None)}:
        if sum(map(len, filter(None, values))) > _LIMIT_BYTES:
            return None
        return _strings(pa.array(values, pa.large_string()), end)
    if not all(kind in _SCALARS or (issubclass(kind, np.generic) and not issubclass(kind, np.void)) for kind in kinds):
        return None
    lines: list[bytes] = []
    for start in range(0, len(values), _RUN):
        run = values[start : start + _RUN]
        if is_large(run, 0):
            return None
        lines += texts(run)
    return Cells(pa.array(lines, pa.large_binary()), b"", end)
