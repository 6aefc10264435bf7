"""Arrow arrays as lists of Python values, without a digit lost: no integer passes through a float on its way."""

from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types

from runtime.results.times import iso_datetimes, iso_times

Array = Any  # pa.Array or pa.ChunkedArray: their stubs know no element type that would help here
Type = Any  # pa.DataType: its stubs lack the attributes of its subclasses

_LISTS: Final = (
    types.is_list,
    types.is_large_list,
    types.is_fixed_size_list,
    types.is_list_view,
    types.is_large_list_view,
)
TEXTS: Final = (types.is_string, types.is_large_string, types.is_string_view)
run_end_decode: Final = getattr(pc, "run_end_decode")  # noqa: B009  # its stubs lack it

_READABLE: Final = frozenset({"arrow.uuid", "arrow.json", "arrow.bool8"})
"""Extension types whose Python values say more than their storage does."""


def arrow_values(array: Array) -> list[Any]:
    """Return the values of an array as a list. A missing one is None or NaT; a time may be text.

    Maps are lists of pairs, and values of an extension type are those of its storage.
    """
    kind = array.type
    if is_plain(kind):
        values: list[Any] = array.to_pylist()
        return values
    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks()
        if isinstance(array, pa.ChunkedArray):  # no chunk at all, or more than fit into one
            return [value for chunk in array.chunks for value in arrow_values(chunk)]
    if isinstance(kind, pa.BaseExtensionType):
        return _of_extension(array)
    if types.is_timestamp(kind):
        return list(iso_datetimes(array.to_pandas()))
    if types.is_duration(kind):
        return list(array.to_pandas().tolist())
    if types.is_time64(kind):
        return list(iso_times(array.cast(pa.int64()).to_pylist()))
    if types.is_dictionary(kind):
        choices = arrow_values(array.dictionary)
        return [None if index is None else choices[index] for index in array.indices.to_pylist()]
    if types.is_run_end_encoded(kind):
        return arrow_values(run_end_decode(array))
    if types.is_interval(kind):
        return [None if value is None else tuple(value) for value in array.to_pylist()]
    if types.is_map(kind):
        rows = [None if row.values is None else arrow_values(row.values) for row in array]
        return [None if row is None else [tuple(entry.values()) for entry in row] for row in rows]
    if types.is_struct(kind):
        return _of_struct(array)
    if types.is_union(kind):
        return [arrow_values(pa.array([scalar.value], scalar.value.type))[0] for scalar in array]
    return [None if row.values is None else arrow_values(row.values) for row in array]


def is_plain(kind: Type) -> bool:
    """Return True if Arrow itself turns each value of this type into a Python value without losing anything."""
    if isinstance(kind, pa.BaseExtensionType):
        return kind.extension_name in _READABLE
    if types.is_map(kind):
        return is_plain(kind.key_type) and is_plain(kind.item_type)
    if is_list(kind):
        return is_plain(kind.value_type)
    if types.is_struct(kind):
        return all(is_plain(kind.field(index).type) for index in range(kind.num_fields))
    if types.is_dictionary(kind) or types.is_run_end_encoded(kind):
        return is_plain(kind.value_type)
    if types.is_time64(kind):
        return bool(kind.unit == "us")
    return not (types.is_timestamp(kind) or types.is_duration(kind) or types.is_interval(kind) or types.is_union(kind))


def is_list(kind: Type) -> bool:
    """Return True for each of Arrow's types of lists; a map is none."""
    return any(is_one(kind) for is_one in _LISTS)


def decoded(column: Array) -> Array:
    """Return a dictionary's values as a column of the type that they have."""
    kind: Type = column.type
    if hasattr(column, "chunks"):
        return pa.chunked_array([decoded(chunk) for chunk in column.chunks], kind.value_type)
    return column.dictionary.take(column.indices)


def is_of_pandas(kind: Type) -> bool:
    """Return True for the extension types of pandas, which come back as its own ``Period`` and ``Interval``."""
    return isinstance(kind, pa.BaseExtensionType) and kind.extension_name.startswith("pandas.")


def _of_extension(array: Array) -> list[Any]:
    if is_of_pandas(array.type):
        return list(array.to_pandas().tolist())
    return arrow_values(array.storage)


def _of_struct(array: Array) -> list[Any]:
    names = [array.type.field(index).name for index in range(array.type.num_fields)]
    columns = [arrow_values(pc.struct_field(array, [index])) for index in range(len(names))]
    rows = zip(*columns, strict=True) if names else ((),) * len(array)
    present = array.is_valid().to_pylist()
    return [
        dict(zip(names, row, strict=True)) if is_there else None for row, is_there in zip(rows, present, strict=True)
    ]
