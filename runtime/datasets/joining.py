"""The rows of several tables as one table: columns by name, null for a table that lacks one.

Arrow finds the type that two types have in common. It knows no unsigned integers among signed ones, and too few digits
for integers among decimals, so such columns get their common type here if Arrow refuses them.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Final

import pyarrow as pa
from pandas.core.arrays.arrow.extension_types import (  # type: ignore[import-not-found]  # the stubs lack it
    ArrowIntervalType,
    ArrowPeriodType,
)
from pyarrow import types

from runtime.arrow_types import is_binary, is_list, is_text
from runtime.errors import InvalidTable

AnyChunks = Any  # pa.ChunkedArray: its stubs know no element type that would help here
AnyType = Any  # pa.DataType: its stubs lack the attributes of its subclasses

_REFUSALS: Final = (pa.ArrowTypeError, pa.ArrowInvalid)
_INTEGER_DIGITS: Final = 20  # of 2**64
_MOST_DIGITS: Final = 76


def join(parts: Sequence[pa.Table]) -> pa.Table:
    """Return the rows of all tables, without metadata. Raises ``InvalidTable``, which names the column.

    A column that is whole in one table and not in another becomes float64 if float64 holds all its numbers, or decimal.
    Signed and unsigned integers become int64, or uint64 if that holds all of them. Other types that differ are refused.
    """
    plain = [part.replace_schema_metadata(None) for part in parts]
    try:
        whole = _permissive(plain)
    except _REFUSALS:
        names = dict.fromkeys(name for part in plain for name in part.column_names)
        columns: list[Any] = [_column(name, plain) for name in names]
        whole = pa.Table.from_arrays(columns, names=list(names))
    for part in plain:
        for field in part.schema:
            _refuse_change(field.name, field.type, whole.schema.field(field.name).type)
    return whole


def _permissive(parts: list[pa.Table]) -> pa.Table:
    return pa.concat_tables(parts, promote_options="permissive")


def _column(name: str, parts: list[pa.Table]) -> AnyChunks:
    """Return a column of all tables. Raises ``InvalidTable``."""
    columns = [
        part.select([name]) if name in part.column_names else pa.table({name: pa.nulls(part.num_rows)})
        for part in parts
    ]
    try:
        return _permissive(columns).column(0)
    except _REFUSALS as error:
        kinds = list(dict.fromkeys(column.schema.field(0).type for column in columns))
        target = _common(kinds)
        if target is not None:
            try:
                schema = pa.schema([(name, target)])
                return _permissive([column.cast(schema) for column in columns]).column(0)
            except (*_REFUSALS, pa.ArrowNotImplementedError):
                pass
        raise _refusal(name, kinds, error) from error


def _common(kinds: Sequence[AnyType]) -> AnyType | None:
    """Return the type of integers or decimals at the places of these types, which are alike; None if they are not."""
    kinds = [kind for kind in kinds if not types.is_null(kind)]
    if not kinds:
        return pa.null()
    kind = kinds[0]
    if all(one == kind for one in kinds):
        return kind
    if all(map(_is_exact_number, kinds)):
        return _exact_number(kinds)
    if all(map(types.is_dictionary, kinds)):
        value = _common([one.value_type for one in kinds])
        return None if value is None else pa.dictionary(pa.int32(), value, ordered=kind.ordered)
    if all(map(types.is_struct, kinds)):
        names = dict.fromkeys(field.name for one in kinds for field in _fields(one))
        inner: dict[str, Any] = {
            name: _common([one.field(name).type for one in kinds if one.get_field_index(name) >= 0]) for name in names
        }
        return None if None in inner.values() else pa.struct(list(inner.items()))
    if all(map(types.is_map, kinds)):
        key, item = (_common([getattr(one, part) for one in kinds]) for part in ("key_type", "item_type"))
        return None if key is None or item is None else pa.map_(key, item)
    if all(map(is_list, kinds)):
        value = _common([one.value_type for one in kinds])
        return None if value is None else pa.large_list(value)
    return None


def _is_exact_number(kind: AnyType) -> bool:
    return types.is_integer(kind) or types.is_decimal(kind)


def _exact_number(kinds: Sequence[AnyType]) -> AnyType | None:
    decimals = [kind for kind in kinds if types.is_decimal(kind)]
    if not decimals:
        return pa.uint64()
    scale = max(0, *(kind.scale for kind in decimals))
    whole = max(_INTEGER_DIGITS, *(kind.precision - kind.scale for kind in decimals))
    return pa.decimal256(whole + scale, scale) if whole + scale <= _MOST_DIGITS else None


def _fields(kind: AnyType) -> Iterator[Any]:
    return (kind.field(position) for position in range(kind.num_fields))


def _refuse_change(name: str, given: AnyType, whole: AnyType) -> None:
    """Raise ``InvalidTable`` if Arrow makes floats of decimals, or bytes of text, to join files."""
    if types.is_dictionary(given) or types.is_dictionary(whole):
        given, whole = (kind.value_type if types.is_dictionary(kind) else kind for kind in (given, whole))
        _refuse_change(name, given, whole)
    elif types.is_nested(given) and types.is_nested(whole):
        for position, inner in enumerate(_fields(given)):
            same = whole.get_field_index(inner.name) if types.is_struct(whole) else position
            _refuse_change(f"{name}.{inner.name}", inner.type, whole.field(same).type)
    elif types.is_decimal(given) and types.is_floating(whole):
        raise _not_the_same(name, "decimals in one file and floating-point numbers in another")
    elif is_text(given) and is_binary(whole):
        raise _not_the_same(name, "text in one file and bytes in another")


def _refusal(name: str, kinds: Sequence[AnyType], error: BaseException) -> InvalidTable:
    """Return the error for a column whose types have no type in common, or none that holds all values."""
    told = list(dict.fromkeys(map(_told, kinds)))
    reason = str(error)
    beyond = f" ({reason[:1].lower()}{reason[1:200]})" if "incompatible types" not in reason else ""
    if len(told) < 2:
        return _not_the_same(name, f"types that differ{beyond}")
    return _not_the_same(name, f"the type {told[0]} in one file and {told[1]} in another{beyond}")


def _told(kind: AnyType) -> str:
    """Return a type as people know it."""
    if isinstance(kind, ArrowPeriodType):
        return f"period[{kind.freq}]"
    if isinstance(kind, ArrowIntervalType):
        return f"interval[{kind.subtype}, closed {kind.closed}]"
    if types.is_dictionary(kind):
        return f"category of {_told(kind.value_type)}"
    return "text" if is_text(kind) else "bytes" if is_binary(kind) else str(kind)[:200]


def _not_the_same(name: str, found: str) -> InvalidTable:
    return InvalidTable(
        f"the files cannot be concatenated: column {name!r} has {found}; give the column the same type in all of them"
    )
