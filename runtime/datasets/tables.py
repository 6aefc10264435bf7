"""The canonical table: the form in which tables are stored and from which frames are mapped.

It is one uncompressed Arrow IPC file with one record batch. Strings are ``large_string``, every buffer is checked, and
pandas can build a frame of everything in it. Frames over such a file share its pages (``frames.map_frame``).
"""

import os
from collections import Counter
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from runtime.datasets.conversion import single_column, to_series
from runtime.datasets.extension_types import without_extension
from runtime.datasets.formats.bounds import MAX_DEPTH
from runtime.datasets.pandas_schema import NULLABLE_INTEGERS, PandasNote
from runtime.errors import InvalidTable

# The stubs give arrays neither the attributes of their type (dictionary, indices) nor a useful element type.
AnyArray = Any
AnyChunks = Any
AnyType = Any

_PROBE_ROWS = 65_536
_ADVICE = {
    "non-zero nanoseconds": "; round the times to microseconds",
    "is out of range": "; dates here have the years 1 to 9999: send others as timestamps of seconds, or as text",
}


@dataclass(frozen=True, slots=True)
class TableInfo:
    """Shape of a table, and its dtypes as pandas names them (``int64``, ``str``, ``datetime64[ns]``)."""

    row_count: int
    column_count: int
    dtypes: dict[str, str]


def canonical(table: pa.Table) -> pa.Table:
    """Return the table in canonical form: checked in full, one chunk per column, names and types as frames need them.

    Strings become ``large_string``, binary ``large_binary``. Dictionaries that pandas wrote stay categories; those that
    graphistry-js makes of every string column become strings (protocol 2.2). Integer columns with nulls get an entry in
    the pandas note, so that their frame has a nullable dtype. An index is dropped if it has no name, and else is an
    ordinary column.

    Columns are rewritten one after the other, and only if needed. If the caller passes the table as an expression and
    keeps no reference, at most one column is in memory twice. Raises ``InvalidTable``.
    """
    names = _checked_names(table)
    note = PandasNote.of(table.schema.metadata)
    columns: list[AnyChunks | None] = list(table.columns)
    row_count = table.num_rows
    del table  # the last reference to columns that are replaced below
    kept: dict[str, AnyArray] = {}
    levels: dict[str, AnyArray] = {}
    for position, name in enumerate(names):
        column, columns[position] = columns[position], None
        if column is not None and not note.is_index(name):
            kept[name] = _stored(name, column, note.is_categorical(name))
        elif column is not None and name in note.level_names:
            levels[note.level_names[name]] = _stored(name, column, note.is_categorical(name))
        del column
    if note.named_range is not None and len(note.named_range.numbers) == row_count:
        levels[note.named_range.name] = _integers(note.named_range.numbers)
    for name, array in levels.items():
        _add_level(kept, name, array)
    return _readable(kept, note)


def write_canonical(table: pa.Table, descriptor: int) -> int:
    """Write a canonical table to a file at its position; return the bytes written. Raises ``OSError``."""
    sink = _DescriptorSink(descriptor)
    write_to(table, sink)
    return sink.tell()


def write_to(table: pa.Table, sink: "Sink") -> None:
    """Write a canonical table to a sink in its stored form. Raises what the sink raises."""
    chunked: list[AnyChunks] = list(table.columns)
    columns = [column.chunk(0) if column.num_chunks == 1 else column.combine_chunks() for column in chunked]
    batch = pa.RecordBatch.from_arrays(columns, schema=table.schema)
    options = pa.ipc.IpcWriteOptions(compression=None, use_threads=False)
    with pa.ipc.new_file(
        pa.PythonFile(sink, mode="w"),  # type: ignore[arg-type]  # it needs no more than these methods
        batch.schema,
        options=options,
    ) as writer:
        writer.write_batch(batch)


def describe(table: pa.Table) -> TableInfo:
    """Return shape and pandas dtypes of a canonical table without building its frame."""
    with_nulls = [name for name, column in zip(table.column_names, table.columns, strict=True) if column.null_count]
    dtypes = _dtypes(table.slice(0, 0))
    # A null turns int64 into float64 and bool into object, so a row of nulls tells the dtypes of these columns.
    fields = [table.schema.field(name) for name in with_nulls]
    schema = pa.schema(fields).with_metadata(table.schema.metadata)
    nulls = pa.Table.from_arrays([pa.nulls(1, field.type) for field in fields], schema=schema)
    return TableInfo(table.num_rows, table.num_columns, {**dtypes, **_dtypes(nulls)})


class Sink(Protocol):
    """The methods of a binary file object that Arrow needs to write."""

    closed: bool

    def write(self, data: bytes | memoryview) -> int: ...
    def tell(self) -> int: ...
    def flush(self) -> None: ...
    def close(self) -> None: ...


class _DescriptorSink:
    """A binary file object for Arrow that writes each buffer completely and without copying it."""

    closed = False

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._written = 0

    def write(self, data: bytes | memoryview) -> int:
        view = memoryview(data).cast("B")
        sent = 0
        while sent < len(view):  # write(2) stops at 2 GiB, and short when the disk fills
            sent += os.write(self._descriptor, view[sent:])
        self._written += sent
        return sent

    def tell(self) -> int:
        return self._written

    def flush(self) -> None:
        """Nothing is buffered."""

    def close(self) -> None:
        """Leave the descriptor to the caller."""


def _integers(numbers: range) -> AnyArray:
    """Return the numbers as int64. They fit, because they lie between two numbers that do, or there are none."""
    return pa.array(np.arange(numbers.start, numbers.stop, numbers.step, dtype="int64"))


def _add_level(kept: dict[str, AnyArray], name: str, array: AnyArray) -> None:
    """Add an index level as a column. If another column has its name, it gets a number, unless both are the same."""
    if name in kept and kept[name].equals(array):
        return
    free, number = name, 0
    while free in kept:
        number += 1
        free = f"{name}.{number}"
    kept[free] = array


def _checked_names(table: pa.Table) -> list[str]:
    """Return the column names after a check of the table's outline. Raises ``InvalidTable``."""
    try:
        table.validate()
        names = list(table.schema.names)
    except UnicodeDecodeError as error:
        raise InvalidTable("a column name is not valid UTF-8") from error
    except pa.ArrowInvalid as error:
        raise InvalidTable(f"the table is damaged: {error}") from error
    repeated = [name for name, times in Counter(names).items() if times > 1]
    if repeated:
        raise InvalidTable(f"column names must be unique; repeated: {', '.join(map(repr, repeated[:10]))}")
    return names


def _stored(name: str, column: AnyChunks, categorical: bool) -> AnyArray:
    """Return a column in its stored type as one array, checked in full. Raises ``InvalidTable``."""
    try:
        column.validate(full=True)
        column = without_extension(name, column)
        _check_type(name, column.type, 0)
        array = _as_one_array(column, categorical)
    except MemoryError:
        raise
    except (pa.ArrowException, UnicodeDecodeError) as error:
        if "does not represent a whole number of days" in str(error):
            raise InvalidTable(
                f"column {name!r} is date64 and has times of day; send it as a timestamp of milliseconds"
            ) from error
        raise InvalidTable(f"column {name!r} is damaged: {error}") from error
    return array


def _as_one_array(column: AnyChunks, categorical: bool) -> AnyArray:
    if pa.types.is_dictionary(column.type):
        return _dictionary(column, categorical)
    if pa.types.is_run_end_encoded(column.type):
        chunks = [pc.call_function("run_end_decode", [chunk]) for chunk in column.chunks]
        return _as_one_array(pa.chunked_array(chunks, type=column.type.value_type), categorical)
    if pa.types.is_list_view(column.type) or pa.types.is_large_list_view(column.type):
        listed: Any = pa.large_list(column.type.value_type)
        column = pa.chunked_array([_list_of_view(chunk) for chunk in column.chunks], listed)
    target = _stored_type(column.type)
    if target != column.type:  # before joining: 32-bit offsets of joined chunks may overflow
        column = column.cast(target)
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def _stored_type(given: AnyType) -> AnyType:
    types = pa.types
    if types.is_string(given) or types.is_string_view(given):
        return pa.large_string()
    if types.is_binary(given) or types.is_binary_view(given):
        return pa.large_binary()
    return given


def _list_of_view(chunk: AnyArray) -> AnyArray:
    """Return a list view as a list. pyarrow's cast loses the values after a null."""
    counted: AnyArray = pc.list_value_length(chunk)
    lengths: AnyArray = pc.fill_null(counted, 0)
    offsets: AnyArray = pa.array(
        np.concatenate([[0], np.cumsum(lengths.to_numpy(zero_copy_only=False), dtype="int64")])
    )
    values: AnyArray = pc.list_flatten(chunk)
    return pa.LargeListArray.from_arrays(offsets, values, mask=chunk.is_null())


def _dictionary(column: AnyChunks, categorical: bool) -> AnyArray:
    """Return a category with signed codes of the least width, or plain values if no category is meant."""
    if column.num_chunks == 0:  # Arrow makes no empty dictionary of times
        codes, values = pa.array([], column.type.index_type), pa.array([], column.type.value_type)
        column = pa.chunked_array([pa.DictionaryArray.from_arrays(codes, values, ordered=column.type.ordered)])
    if column.num_chunks > 1:
        column = column.unify_dictionaries()
    whole = column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
    values = _as_one_array(pa.chunked_array([whole.dictionary]), categorical=False)
    if not _are_categories(values) or (not categorical and _is_from_javascript(column.type)):
        return values.take(whole.indices)
    width = pa.int8() if len(values) < 2**7 else pa.int16() if len(values) < 2**15 else pa.int32()
    return pa.DictionaryArray.from_arrays(whole.indices.cast(width), values, ordered=column.type.ordered)


def _are_categories(values: AnyArray) -> bool:
    """Return whether pandas takes the values of a dictionary as categories.

    It refuses values that repeat or are missing; ``NaN`` counts as missing, and ``-0.0`` as ``0.0``.
    """
    if pa.types.is_floating(values.type):
        values = pc.if_else(pc.equal(values, pa.scalar(0, values.type)), pa.scalar(0, values.type), values)
        if pc.any(pc.is_nan(values)).as_py():
            return False
    return bool(values.null_count == 0 and len(values.unique()) == len(values))


def _is_from_javascript(given: AnyType) -> bool:
    """Return whether graphistry-js may have made a dictionary of a string column.

    Its dictionaries are unordered ``dictionary<int32, utf8>``. The pandas note alone cannot tell, because PyGraphistry
    strips it. Categories look different: pandas 3 writes ``large_string`` values, pandas 2 the narrowest codes.
    """
    return bool(pa.types.is_string(given.value_type) and given.index_type == pa.int32() and not given.ordered)


def _check_type(name: str, given: AnyType, depth: int) -> None:
    """Raise ``InvalidTable`` for a type that no frame can hold."""
    types = pa.types
    if depth > MAX_DEPTH:
        raise InvalidTable(f"column {name!r} is nested more than {MAX_DEPTH} levels deep")
    if isinstance(given, pa.BaseExtensionType):
        if depth > 0:
            raise InvalidTable(f"column {name!r} has the type {given} inside a nested type; send its values as text")
    elif types.is_dictionary(given):
        _check_type(name, given.value_type, depth + 1)
        if types.is_nested(given.value_type):
            raise InvalidTable(f"column {name!r} is a dictionary of nested values; send the values themselves")
    elif types.is_run_end_encoded(given):
        if depth > 0:
            raise InvalidTable(f"column {name!r} has run-end encoding inside a nested type; send the values themselves")
        _check_type(name, given.value_type, depth + 1)
    elif types.is_union(given):
        raise InvalidTable(
            f"column {name!r} has the type {given}, which pandas cannot hold; send a column for each of its types"
        )
    else:
        names = [given.field(position).name for position in range(given.num_fields)]
        repeated = next((known for known, times in Counter(names).items() if times > 1), None)
        if repeated is not None and types.is_struct(given):
            raise InvalidTable(
                f"column {name!r} is a struct with several fields {repeated!r}, and a task would see one; rename them"
            )
        for position in range(given.num_fields):
            field = given.field(position)
            _check_type(f"{name}.{field.name}", field.type, depth + 1)


def _readable(columns: dict[str, AnyArray], note: PandasNote) -> pa.Table:
    """Return the table, with the uploaded note if pandas can follow it. Raises ``InvalidTable``."""
    fields = [pa.field(name, array.type) for name, array in columns.items()]
    nullable = {
        name: array.type for name, array in columns.items() if array.type in NULLABLE_INTEGERS and array.null_count
    }
    noted, own = (
        chosen.with_nullable(nullable).metadata(list(columns)) for chosen in (note, PandasNote({}, frozenset()))
    )
    for metadata in (noted, own) if noted != own else (own,):
        schema = pa.schema(fields).with_metadata(metadata or {})
        table = pa.Table.from_arrays(list(columns.values()), schema=schema)
        refusal = _refusal_by_pandas(table)
        if refusal is None:
            return table
    raise refusal if refusal is not None else InvalidTable("pandas cannot represent this table")


def _refusal_by_pandas(table: pa.Table) -> InvalidTable | None:
    """Return why pandas cannot build a frame of this table, or None: an upload should fail, not every run after it.

    Values are tried only in columns whose conversion can fail: dates (beyond the year 9999), times (of nanoseconds),
    nested values, and dtypes that a pandas note from outside names.
    """
    note = PandasNote.of(table.schema.metadata)
    for position, field in enumerate(table.schema):
        try:
            column = single_column(table, position, note)
            dtype = to_series(column.slice(0, 0)).dtype
            if not (_may_fail(field.type) or (_is_named_by_note(dtype) and field.type not in NULLABLE_INTEGERS)):
                continue
            for start in range(0, table.num_rows, _PROBE_ROWS):
                to_series(column.slice(start, _PROBE_ROWS))
        except MemoryError:
            raise
        except Exception as error:  # a dtype name from outside can make pandas raise anything
            return InvalidTable(f"pandas cannot represent column {field.name!r}: {_advised(str(error))}")
    return None


def _may_fail(given: AnyType) -> bool:
    return pa.types.is_date(given) or pa.types.is_time(given) or pa.types.is_nested(given)


def _advised(reason: str) -> str:
    advice = next((told for sign, told in _ADVICE.items() if sign in reason), "")
    return f"{reason[:300]}{advice}"


def _is_named_by_note(dtype: object) -> bool:
    plain = isinstance(dtype, np.dtype | pd.CategoricalDtype | pd.DatetimeTZDtype | pd.StringDtype)
    return not plain


def _dtypes(table: pa.Table) -> dict[str, str]:
    frame = table.to_pandas(use_threads=False)
    return {str(name): str(dtype) for name, dtype in frame.dtypes.items()}
