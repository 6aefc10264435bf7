"""Frames as Parquet: as pandas and Arrow write it, and in a form that both read back where they would not."""

import datetime
import enum
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, BinaryIO, Final, cast

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.pandas_compat
import pyarrow.parquet
from pyarrow import types

from runtime.arrow_types import is_list
from runtime.results.arrow_values import (
    are_intervals_with_a_gap,
    decoded,
    is_of_pandas,
    refuse_unknown_zone,
    without_views,
)
from runtime.results.cell_texts import text_column
from runtime.results.frames import column_names, to_arrow
from runtime.results.object_columns import REFUSALS, array_of, kinds_of
from runtime.results.unwritable import Unwritable, found_at
from runtime.results.values import plain
from runtime.results.zones import in_known_zone

if TYPE_CHECKING:
    from runtime.results.frames import Frame
    from runtime.results.sink import Sink

Column = Any  # pa.ChunkedArray: its stubs know no element type that would help here

_ONE_KIND: Final[tuple[tuple[type, ...], ...]] = (
    (int, np.integer),
    (datetime.date, datetime.time, np.datetime64),
    (datetime.timedelta, np.timedelta64),
    (dict, list, tuple, set, frozenset, np.ndarray, pd.DataFrame, pd.Series),
)
"""Types whose texts can be told from each other's, or need not be: a column may mix them and be text."""

_SIMPLER: Final = (set, frozenset, enum.Enum)
_MOST_SECONDS: Final = (2**63 - 1) // 1000
_KEPT_EXTENSIONS: Final = ("arrow.uuid", "arrow.json")
_NULLABLE: Final = {
    getattr(pa, f"{sign.lower()}{bits}")(): f"{sign}{bits}" for sign in ("Int", "UInt") for bits in (8, 16, 32, 64)
}
_STORABLE: Final = frozenset(
    {
        *_NULLABLE,
        *(pa.float16(), pa.float32(), pa.float64(), pa.bool_(), pa.string(), pa.large_string(), pa.date32()),
        *(pa.timestamp(unit) for unit in ("ms", "us", "ns")),
    }
)
"""Types that Parquet has, and readers read. Most columns are of one of them."""

_EXACT: Final = frozenset({*_NULLABLE.values(), *(f"{kind}[pyarrow]" for kind in _NULLABLE)})
_NO_INDEX: Final = b'"index_columns": [],'
_NOTHING_SAID: Final = {
    "column_indexes": [],
    "creator": {"library": "pyarrow", "version": pa.__version__},
    "pandas_version": pd.__version__,
}
_FOR_DICTIONARIES: Final = (types.is_string, types.is_large_string, types.is_binary, types.is_large_binary)


def write_parquet(frame: "Frame", out: "Sink") -> None:
    """Write one Parquet file, without the index.

    Raises:
        Unwritable: two columns have one name, or the values of a column have no type in common, or no form.
    """
    table = _of_pandas(frame) if isinstance(frame, pd.DataFrame) else to_arrow(frame)
    for position, described in enumerate(table.schema):
        if described.type not in _STORABLE:
            column = table.column(position)
            changed = _storable(column, described.name)
            if changed is not column:
                table = table.set_column(position, described.name, changed)
    pyarrow.parquet.write_table(_with_notes(table), cast(BinaryIO, out))


def _of_pandas(frame: pd.DataFrame) -> pa.Table:
    """Return the frame in columns that Arrow has types for."""
    names = column_names(frame)
    if frame.attrs or list(frame.columns) != names:
        frame = frame.set_axis(names, axis=1)
        frame.attrs = {}  # they would have to be JSON, and no reader uses them
    changes: dict[int, Any] = {}
    arrays: dict[int, Column] = {}
    for position, dtype in enumerate(frame.dtypes):
        is_plain = isinstance(dtype, np.dtype) and dtype.kind in "biufmM" and dtype.itemsize <= 8 and dtype.isnative
        if is_plain or isinstance(dtype, pd.StringDtype):
            continue  # as most columns are
        column = frame.iloc[:, position]
        changed = _convertible(column)
        if not isinstance(changed, pd.Series):
            arrays[position] = changed
            changes[position] = np.zeros(len(frame), bool)  # the array takes its place
        elif changed is not column:
            changes[position] = changed.array
    if changes:
        frame = frame.copy(deep=False)
        for position, values in changes.items():
            frame.isetitem(position, values)
    # one thread: a seat has one core's worth of time, and a pool would start here
    table = pa.Table.from_pandas(frame, preserve_index=False, nthreads=1)
    return _with_arrays(table, names, arrays) if arrays else table


def _with_arrays(table: pa.Table, names: list[str], arrays: dict[int, Column]) -> pa.Table:
    """Return the table with these arrays at their places, and notes that say that pandas has objects there."""
    metadata = table.schema.metadata or {}
    described = json.loads(metadata[b"pandas"])
    columns = table.columns
    for position, array in arrays.items():
        columns[position] = array
        logical = pyarrow.pandas_compat.get_logical_type(array.type)
        described["columns"][position] = _note(names[position], logical, "object")
    return pa.Table.from_arrays(columns, names, metadata={**metadata, b"pandas": json.dumps(described).encode()})


def _convertible(column: "pd.Series[Any]") -> "pd.Series[Any] | Column":
    """Return the column, or one of the same values that Arrow has a type for, or their array."""
    dtype = column.dtype
    if isinstance(dtype, np.dtype) and not dtype.isnative and dtype.kind in "biufmM":
        return column.astype(dtype.newbyteorder("="))
    if isinstance(dtype, pd.DatetimeTZDtype):
        known = in_known_zone(column)
        return _as_text(column, column) if known is None else known
    if isinstance(dtype, pd.SparseDtype):
        return column.astype(dtype.subtype)
    if isinstance(dtype, pd.CategoricalDtype):
        labels = pd.Series(dtype.categories)
        if isinstance(labels.dtype, pd.DatetimeTZDtype):
            return _convertible(column.astype(labels.dtype))
        return column if labels.dtype != object or _is_kept(labels) else _as_text(column, labels)
    if isinstance(dtype, pd.ArrowDtype):
        return pa.array(column, from_pandas=True) if _is_unknown_to_pandas(dtype.pyarrow_dtype) else column
    if pd.api.types.is_object_dtype(dtype):
        return _of_objects(column)
    if isinstance(dtype, np.dtype) and dtype.kind == "f" and dtype.itemsize > np.dtype(np.float64).itemsize:
        return column.astype(np.float64)
    return _as_text(column, column) if isinstance(dtype, np.dtype) and dtype.kind in "cV" else column


def _is_unknown_to_pandas(kind: Any) -> bool:
    """Return True for a type of Arrow of which pandas cannot say which dtype of numpy is nearest."""
    return bool(types.is_nested(kind) or types.is_run_end_encoded(kind) or without_views(kind) != kind)


def _of_objects(column: "pd.Series[Any]") -> "pd.Series[Any] | Column":
    array = array_of(column)
    if array is None:
        kinds = kinds_of(column)
        if kinds and all(issubclass(kind, _SIMPLER) for kind in kinds):
            column = pd.Series([plain(value) for value in column], column.index, object, column.name)
            array = array_of(column)
        elif kinds <= {list}:
            array = _map_of(column)
    if array is None or (_has_no_place(array.type) and not isinstance(array.type, pa.BaseExtensionType)):
        return _as_text(column, column)
    # A dtype of Arrow's would be noted, and come back, where objects were.
    if types.is_timestamp(array.type) or types.is_duration(array.type):
        return pd.Series(array.to_pandas().array, column.index)
    return array


def _map_of(column: "pd.Series[Any]") -> Any | None:
    """Return the map whose values these lists of pairs are, as a task gets them; None if they are none."""
    pairs = [pair for value in column if type(value) is list for pair in value]
    if not pairs or not all(type(pair) is tuple and len(pair) == 2 for pair in pairs):
        return None
    keys, items = (array_of(pd.Series([pair[place] for pair in pairs], dtype=object)) for place in (0, 1))
    if keys is None or items is None or keys.null_count:
        return None
    try:
        return pa.array(column, pa.map_(keys.type, items.type), from_pandas=True)
    except REFUSALS:
        return None


def _is_kept(labels: "pd.Series[Any]") -> bool:
    array = array_of(labels)
    return array is not None and not _has_no_place(array.type)


def _as_text(column: "pd.Series[Any]", values: "pd.Series[Any]") -> "pd.Series[Any]":
    """Return a column of texts. ``values`` are its values, or its categories, which are fewer.

    Raises:
        Unwritable: it has scalars of several kinds, which could not be told apart as text.
    """
    kinds = kinds_of(values)
    alike = any(all(issubclass(kind, one) for kind in kinds) for one in _ONE_KIND) and bool not in kinds
    if len(kinds) > 1 and not alike:
        names = ", ".join(sorted(kind.__name__ for kind in kinds)[:5])
        raise Unwritable(
            f"the values of column {column.name!r} (dtype {column.dtype}) have no Arrow type in common ({names}); "
            "convert the column, for example with .astype(str)"
        )
    texts = text_column(column, str(column.name))
    return pd.Series(texts.to_pandas().to_numpy(), index=column.index, dtype="str")


def _storable(column: Column, name: str) -> Column:
    """Return a column of a type that Parquet has, and that readers read."""
    kind: Any = column.type
    if types.is_dictionary(kind):
        return column if _is_kept_dictionary(column) else _storable(decoded(column), name)
    if types.is_run_end_encoded(kind):
        return _storable(decoded(column), name)
    with found_at(name):
        refuse_unknown_zone(kind)
    if isinstance(kind, pa.BaseExtensionType):
        if is_of_pandas(kind):
            return text_column(column, name) if are_intervals_with_a_gap(column) else column
        if kind.extension_name in _KEPT_EXTENSIONS:
            return column
        if kind.extension_name == "arrow.bool8":
            return column.cast(pa.int8()).cast(pa.bool_())
        storage: Any = kind.storage_type
        return _storable(pa.chunked_array([chunk.storage for chunk in column.chunks], storage), name)
    if _has_no_place(kind) or any(map(_is_beyond_milliseconds, _of_seconds(column))):
        return text_column(column, name)
    if types.is_decimal(kind) and kind.scale < 0:  # 1.2E+3 is 1200
        return column.cast(pa.decimal256(min(kind.precision - kind.scale, 76), 0))
    if types.is_time64(kind) and kind.unit == "ns":  # pandas reads no time of day with nanoseconds
        whole = not pc.any(pc.not_equal(_rest(column.cast(pa.int64()), 1000), pa.scalar(0, pa.int64()))).as_py()
        return column.cast(pa.time64("us")) if whole else text_column(column, name)
    simpler = without_views(kind)
    if simpler == kind:
        return column
    try:
        return column.cast(simpler)
    except pa.ArrowNotImplementedError:  # a view of lists
        return pa.chunked_array([pa.array(column.to_pylist(), simpler)])


def _is_kept_dictionary(column: Column) -> bool:
    is_kept = any(is_one(column.type.value_type) for is_one in _FOR_DICTIONARIES)
    return is_kept and not any(chunk.dictionary.null_count for chunk in column.chunks)


def _rest(numbers: Column, divisor: int) -> Column:
    whole = pa.scalar(divisor, pa.int64())
    return pc.subtract(numbers, pc.multiply(pc.divide(numbers, whole), whole))


def _has_no_place(kind: Any) -> bool:
    """Return True for a type that has none in Parquet, or that readers do not read."""
    if types.is_struct(kind):
        inner = [kind.field(index).type for index in range(kind.num_fields)]
        return not inner or any(map(_has_no_place_within, inner))
    if is_list(kind):
        return _has_no_place_within(kind.value_type)
    if types.is_map(kind):
        return _has_no_place_within(kind.key_type) or _has_no_place_within(kind.item_type)
    nested = isinstance(kind, pa.BaseExtensionType) or types.is_dictionary(kind) or types.is_run_end_encoded(kind)
    return nested or types.is_union(kind) or types.is_interval(kind)


def _has_no_place_within(kind: Any) -> bool:
    return _has_no_place(kind) or (types.is_time64(kind) and kind.unit == "ns")


def _of_seconds(column: Column) -> Iterator[Column]:
    """Yield the timestamps of seconds in a column, also those inside of lists, structs and maps."""
    kind = column.type
    if types.is_timestamp(kind) and kind.unit == "s":
        yield column
    for chunk in (column.chunks if hasattr(column, "chunks") else [column]) if types.is_nested(kind) else ():
        if types.is_struct(kind):
            inner = [pc.struct_field(chunk, [index]) for index in range(kind.num_fields)]
        elif types.is_map(kind):
            inner = [chunk.keys, chunk.items]
        else:
            inner = [pc.list_flatten(chunk)] if is_list(kind) else []
        for values in inner:
            yield from _of_seconds(values)


def _is_beyond_milliseconds(column: Column) -> bool:
    """Return True if a column of seconds has a value that does not fit into milliseconds, the coarsest of Parquet."""
    ends = pc.min_max(column.cast(pa.int64()))
    first, last = ends["min"].as_py(), ends["max"].as_py()
    return first is not None and (first < -_MOST_SECONDS or last > _MOST_SECONDS)


def _with_notes(table: pa.Table) -> pa.Table:
    """Return the table with notes for pandas, which would make floats of integers where one is missing.

    A note that pandas could not read is left out, and no column is named as an index.
    """
    said = (table.schema.metadata or {}).get(b"pandas")
    lacks_note = any(column.null_count and column.type in _NULLABLE for column in table.columns)
    if not lacks_note and (said is None or (_NO_INDEX in said and b"[pyarrow]" not in said)):
        return table
    described = table.schema.pandas_metadata or {}
    notes = {note["field_name"]: note for note in described.get("columns", ())}
    for name, column in zip(table.column_names, table.columns, strict=True):
        if name in notes and not _is_read_by_pandas(notes[name]["numpy_type"], column.type):
            notes[name] = _note(name, "object", "object")
        nullable = _NULLABLE.get(column.type)
        if nullable is not None and column.null_count and notes.get(name, {}).get("numpy_type") not in _EXACT:
            notes[name] = _note(name, str(column.type), nullable)
    described = {
        **_NOTHING_SAID,
        **described,
        "index_columns": [],
        "columns": [notes[name] for name in table.column_names if name in notes],
    }
    return table.replace_schema_metadata({**(table.schema.metadata or {}), b"pandas": json.dumps(described).encode()})


def _note(name: str, pandas_type: str, numpy_type: str) -> dict[str, Any]:
    """Return what pandas writes about a column."""
    return {"name": name, "field_name": name, "pandas_type": pandas_type, "numpy_type": numpy_type, "metadata": None}


def _is_read_by_pandas(dtype: str, kind: Any) -> bool:
    """Return False for a dtype that pandas writes the name of, but cannot read the name of, or no longer from text."""
    if not dtype.endswith("[pyarrow]"):
        return True
    try:
        pd.api.types.pandas_dtype(dtype)
    except (TypeError, NotImplementedError):
        return False
    return not types.is_large_string(kind) or dtype in ("string[pyarrow]", "large_string[pyarrow]")
