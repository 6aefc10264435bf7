"""Arrow arrays as lists of Python values, without a digit lost: no integer passes through a float on its way."""

import contextlib
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import types

from runtime.arrow_types import is_list
from runtime.results.times import iso_datetimes, iso_times
from runtime.results.unwritable import Unwritable
from runtime.results.zones import is_there

Array = Any  # pa.Array or pa.ChunkedArray: their stubs know no element type that would help here
Type = Any  # pa.DataType: its stubs lack the attributes of its subclasses

_READABLE: Final = frozenset({"arrow.uuid", "arrow.json", "arrow.bool8"})
"""Extension types whose Python values say more than their storage does."""


def arrow_values(array: Array) -> list[Any]:
    """Return the values of an array as a list. A missing one is None or NaT; a time may be text.

    Maps are lists of pairs, and values of an extension type are those of its storage.
    """
    kind = array.type
    if is_plain(kind):
        with contextlib.suppress(OverflowError):  # a date after the year 9999
            values: list[Any] = array.to_pylist()
            return values
    if types.is_run_end_encoded(kind):
        return arrow_values(decoded(array))
    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks()
        if isinstance(array, pa.ChunkedArray):  # no chunk at all, or more than fit into one
            return [value for chunk in array.chunks for value in arrow_values(chunk)]
    if isinstance(kind, pa.BaseExtensionType):
        return _of_extension(array)
    if types.is_timestamp(kind):
        refuse_unknown_zone(kind)
        return list(iso_datetimes(array.to_pandas()))
    if types.is_date(kind):
        midnights = iso_datetimes(array.cast(pa.timestamp("s")).to_pandas())
        return [None if text is None else text.partition("T")[0] for text in midnights]
    if types.is_duration(kind):
        return list(array.to_pandas().tolist())
    if types.is_time64(kind):
        return list(iso_times(array.cast(pa.int64()).to_pylist()))
    if types.is_dictionary(kind):
        choices = arrow_values(array.dictionary)
        return [None if index is None else choices[index] for index in array.indices.to_pylist()]
    if types.is_interval(kind):
        return [None if value is None else tuple(value) for value in array.to_pylist()]
    if types.is_map(kind):
        rows = [None if row.values is None else arrow_values(row.values) for row in array]
        return [None if row is None else [tuple(entry.values()) for entry in row] for row in rows]
    if types.is_struct(kind):
        return _of_struct(array)
    if types.is_union(kind):
        return [arrow_values(pa.array([scalar.value], scalar.value.type))[0] for scalar in array]
    if is_list(kind):
        return [None if row.values is None else arrow_values(row.values) for row in array]
    plain: list[Any] = array.to_pylist()
    return plain


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


def decoded(column: Array) -> Array:
    """Return a dictionary's values, or those of runs, as a column of the type that they have without views."""
    kind: Type = without_views(column.type.value_type)
    if hasattr(column, "chunks"):
        return pa.chunked_array([decoded(chunk) for chunk in column.chunks], kind)
    if types.is_dictionary(column.type):
        return column.dictionary.cast(kind).take(column.indices)
    rows = np.arange(column.offset, column.offset + len(column))
    runs = np.searchsorted(column.run_ends.to_numpy(), rows, side="right")
    return column.values.cast(kind).take(pa.array(runs))


def without_views(kind: Type) -> Type:
    """Return the type with plain texts and bytes for views of them, and in lists for bytes of one length.

    Arrow writes, cuts and picks few columns of views, and pandas reads no such lists.
    """
    if types.is_string_view(kind):
        return pa.large_string()
    if types.is_binary_view(kind):
        return pa.large_binary()
    if types.is_struct(kind):
        return pa.struct([_field_without_views(kind.field(index)) for index in range(kind.num_fields)])
    if types.is_map(kind):
        return pa.map_(without_views(kind.key_type), without_views(kind.item_type))
    if not is_list(kind):
        return kind
    item = _field_without_views(kind.value_field)
    if types.is_fixed_size_binary(item.type):
        item = item.with_type(pa.binary())
    if types.is_fixed_size_list(kind):
        return pa.list_(item, kind.list_size)
    if types.is_list_view(kind) or types.is_large_list_view(kind):
        return pa.list_view(item) if types.is_list_view(kind) else pa.large_list_view(item)
    return pa.large_list(item) if types.is_large_list(kind) else pa.list_(item)


def _field_without_views(field: Any) -> Any:
    return field.with_type(without_views(field.type))


def refuse_unknown_zone(kind: Type) -> None:
    """Raise ``Unwritable`` for times in a zone that nobody knows, which Arrow allows."""
    if types.is_timestamp(kind) and kind.tz is not None and not is_there(kind.tz):
        raise Unwritable(f"its times are in the zone {kind.tz[:100]!r}, which is unknown; cast them to UTC")


def is_of_pandas(kind: Type) -> bool:
    """Return True for the extension types of pandas, which come back as its own ``Period`` and ``Interval``."""
    return isinstance(kind, pa.BaseExtensionType) and kind.extension_name.startswith("pandas.")


def are_intervals_with_a_gap(array: Array) -> bool:
    """Return True for intervals of integers of which one is missing: pandas makes up an interval in its place."""
    kind: Type = array.type
    return bool(
        array.null_count
        and kind.extension_name == "pandas.interval"
        and types.is_integer(kind.storage_type.field("left").type)
    )


def _of_extension(array: Array) -> list[Any]:
    if is_of_pandas(array.type):
        if are_intervals_with_a_gap(array):
            rows, closed = array.storage.to_pylist(), array.type.closed
            return [None if row is None else pd.Interval(row["left"], row["right"], closed) for row in rows]
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
