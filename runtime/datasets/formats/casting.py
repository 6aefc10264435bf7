"""Columns in the types that the option ``dtype`` names. A value that the type does not hold is refused."""

import re
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from runtime.datasets.formats import dtypes
from runtime.datasets.formats.columns import refuse_missing
from runtime.datasets.formats.text_values import Spelling, exact_below, overflow, underflow
from runtime.errors import InvalidTable

AnyChunks = Any  # pa.ChunkedArray: its stubs know no element type that would help here

_PLAIN = Spelling()
_TOO_LARGE = re.compile(r"Failed to parse string: ('[+-]?[0-9]{1,60}') as")


def apply(table: pa.Table, dtype: dict[str, str] | str | None) -> pa.Table:
    """Return the table with its columns cast. Raises ``InvalidTable``."""
    per_column = dict.fromkeys(table.column_names, dtype) if isinstance(dtype, str) else dtype or {}
    refuse_missing("dtype", per_column, table.column_names)
    for name, wanted in per_column.items():
        column = converted(name, table.column(name), wanted, _PLAIN)
        table = table.set_column(table.column_names.index(name), name, column)
    return table


def converted(name: str, column: AnyChunks, dtype: str, spelling: Spelling) -> AnyChunks:
    """Return a column in the type of that name; text is read as ``spelling`` says. Raises ``InvalidTable``."""
    target = dtypes.arrow_type(dtype)
    is_text = pa.types.is_string(column.type) or pa.types.is_large_string(column.type)
    if is_text and pa.types.is_boolean(target):
        flags = spelling.flags(column)
        if flags is None:
            raise _refusal(name, dtype, "a value is neither true nor false")
        return flags
    if is_text and (pa.types.is_integer(target) or pa.types.is_floating(target)):
        return _number(name, column, dtype, spelling)
    if pa.types.is_boolean(target) and pa.types.is_integer(column.type):
        extremes: Any = pc.min_max(column).as_py()
        if not set(extremes.values()) <= {0, 1, None}:
            raise _refusal(name, dtype, "a value is neither 0 nor 1")
    converted = _cast(name, column, dtype)
    are_floats = pa.types.is_floating(target) and pa.types.is_floating(column.type)
    if are_floats and _count_infinite(converted) > _count_infinite(column):
        raise _refusal(name, dtype, "a number is too large for it")
    if are_floats and _count_zero(converted) > _count_zero(column):
        raise _refusal(name, dtype, "a number is too small for it and would be 0")
    return converted.dictionary_encode() if dtype == dtypes.CATEGORY else converted


def _number(name: str, column: AnyChunks, dtype: str, spelling: Spelling) -> AnyChunks:
    trimmed: AnyChunks = pc.utf8_trim_whitespace(column)
    whole = pa.types.is_integer(dtypes.arrow_type(dtype))
    is_other: AnyChunks = pc.invert(spelling.is_number(trimmed, whole=whole))
    refused: AnyChunks = pc.filter(trimmed, is_other).drop_null()
    if len(refused):
        raise _refusal(name, dtype, f"{refused[0].as_py()[:60]!r} is no {'whole ' if whole else ''}number")
    plain = spelling.plain(trimmed)
    numbers = _cast(name, plain, dtype)
    if pa.types.is_floating(numbers.type):
        if overflow(trimmed, numbers):
            raise _refusal(name, dtype, "a number is too large for it")
        if underflow(plain, numbers):
            raise _refusal(name, dtype, "a number is too small for it and would be 0")
        _refuse_changed(name, trimmed, numbers, dtype, spelling)
    return numbers


def _refuse_changed(name: str, texts: AnyChunks, numbers: AnyChunks, dtype: str, spelling: Spelling) -> None:
    """Refuse whole numbers that the type has not exactly. It has all of them up to a bound."""
    is_far: AnyChunks = pc.greater_equal(pc.abs(numbers), pa.scalar(exact_below(numbers.type), numbers.type))
    far_texts, far_numbers = pc.filter(texts, is_far), pc.filter(numbers, is_far)  # few, mostly none
    is_whole = spelling.is_number(far_texts, whole=True)
    for text, number in zip(spelling.plain(far_texts.filter(is_whole)), far_numbers.filter(is_whole), strict=True):
        if int(text.as_py()) != number.as_py():
            raise _refusal(name, dtype, f"{text.as_py()[:60]!r} would change; without dtype it stays as it is")


def _count_infinite(numbers: AnyChunks) -> int:
    is_infinite: AnyChunks = pc.is_inf(numbers)
    return int(pc.sum(is_infinite, min_count=0).as_py())


def _count_zero(numbers: AnyChunks) -> int:
    is_zero: AnyChunks = pc.equal(numbers, pa.scalar(0, numbers.type))
    return int(pc.sum(is_zero, min_count=0).as_py())


def _cast(name: str, column: AnyChunks, dtype: str) -> AnyChunks:
    try:
        return column.cast(dtypes.arrow_type(dtype))
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        too_large = _TOO_LARGE.match(str(error))
        raise _refusal(name, dtype, f"{too_large[1]} does not fit" if too_large else str(error)[:300]) from error


def _refusal(name: str, dtype: str, reason: str) -> InvalidTable:
    return InvalidTable(f"column {name!r} cannot be read as {dtype}: {reason}")
