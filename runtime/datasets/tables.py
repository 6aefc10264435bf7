"""The canonical table: what is stored, and what every frame is mapped from.

One Arrow IPC file, uncompressed, one record batch, strings as ``large_string``, every buffer checked, and
nothing in it of which pandas could not build a frame. Frames over such a file share its pages
(``frames.map_frame``).
"""

import os
from collections import Counter
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from runtime.datasets.pandas_schema import PandasNote
from runtime.errors import InvalidTable

# The stubs give arrays no attributes of their type (dictionary, indices), and no type of element that would
# help.
AnyArray = Any
AnyChunks = Any
AnyType = Any

_MAX_DEPTH = 16
_PROBE_ROWS = 65_536
_PANDAS_EXTENSIONS = {"pandas.period", "pandas.interval"}


@dataclass(frozen=True, slots=True)
class TableInfo:
    """Shape of a table, and the names of its dtypes in pandas (``int64``, ``str``, ``datetime64[ns]``)."""

    row_count: int
    column_count: int
    dtypes: dict[str, str]


def canonical(table: pa.Table) -> pa.Table:
    """The table in the form that is stored: checked in full, one chunk a column, names and types as frames
    need them.

    Strings become ``large_string``, binary ``large_binary``. Of dictionaries, those that pandas wrote stay
    categories; the ones that graphistry-js makes of every string column become strings (protocol 2.2). Index
    columns without a name go, named ones stay as ordinary columns.

    Columns are rewritten one after the other and only where needed: pass the table as an expression that
    nobody else holds, and no more than one column is in memory twice. Raises ``InvalidTable``.
    """
    names = _checked_names(table)
    note = PandasNote.of(table.schema.metadata)
    columns: list[AnyChunks | None] = list(table.columns)
    del table  # with it the last reference to columns that were replaced
    kept: dict[str, AnyArray] = {}
    for position, name in enumerate(names):
        column, columns[position] = columns[position], None
        if column is not None and not note.is_index(name):
            kept[name] = _stored(name, column, note.is_categorical(name))
        del column
    return _readable(kept, note)


def write_canonical(table: pa.Table, descriptor: int) -> int:
    """Writes a canonical table to a file at its position; the bytes written. Raises ``OSError``."""
    sink = _DescriptorSink(descriptor)
    write_to(table, sink)
    return sink.tell()


def write_to(table: pa.Table, sink: "Sink") -> None:
    """Writes a canonical table, as it is stored, to what takes bytes. Raises what the sink raises."""
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
    """Shape and pandas dtypes of a canonical table, without building its frame."""
    with_nulls = [name for name, column in zip(table.column_names, table.columns, strict=True) if column.null_count]
    dtypes = _dtypes(table.slice(0, 0))
    # A null turns int64 into float64 and bool into object, so these columns are asked by a row of nulls.
    fields = [table.schema.field(name) for name in with_nulls]
    schema = pa.schema(fields).with_metadata(table.schema.metadata)
    nulls = pa.Table.from_arrays([pa.nulls(1, field.type) for field in fields], schema=schema)
    return TableInfo(table.num_rows, table.num_columns, {**dtypes, **_dtypes(nulls)})


class Sink(Protocol):
    """A binary file object, as far as Arrow needs one to write to."""

    closed: bool

    def write(self, data: bytes | memoryview) -> int: ...
    def tell(self) -> int: ...
    def flush(self) -> None: ...
    def close(self) -> None: ...


class _DescriptorSink:
    """A binary file object for Arrow that writes large buffers without copying and always whole."""

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
        """The descriptor is the caller's."""


def _checked_names(table: pa.Table) -> list[str]:
    """Column names, once the table's outline is sound. Raises ``InvalidTable``."""
    try:
        table.validate()
        names = list(table.schema.names)
    except UnicodeDecodeError as error:
        raise InvalidTable("A column name is not valid UTF-8.") from error
    except pa.ArrowInvalid as error:
        raise InvalidTable(f"The table is damaged: {error}") from error
    repeated = [name for name, times in Counter(names).items() if times > 1]
    if repeated:
        raise InvalidTable(f"Column names must be unique; repeated: {', '.join(map(repr, repeated[:10]))}.")
    return names


def _stored(name: str, column: AnyChunks, categorical: bool) -> AnyArray:
    """One column in its stored type, as one array, checked in full. Raises ``InvalidTable``."""
    try:
        _check_type(name, column.type, 0)
        column.validate(full=True)
        array = _as_one_array(column, categorical)
    except MemoryError:
        raise
    except (pa.ArrowException, UnicodeDecodeError) as error:
        raise InvalidTable(f"Column {name!r} is damaged: {error}") from error
    return array


def _as_one_array(column: AnyChunks, categorical: bool) -> AnyArray:
    if pa.types.is_dictionary(column.type):
        return _dictionary(column, categorical)
    if pa.types.is_run_end_encoded(column.type):
        chunks = [pc.call_function("run_end_decode", [chunk]) for chunk in column.chunks]
        return _as_one_array(pa.chunked_array(chunks, type=column.type.value_type), categorical)
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
    if types.is_list_view(given) or types.is_large_list_view(given):
        return pa.large_list(given.value_type)
    return given


def _dictionary(column: AnyChunks, categorical: bool) -> AnyArray:
    """A category with signed codes of the least width, or plain values where none is meant."""
    if column.num_chunks > 1:
        column = column.unify_dictionaries()
    whole = column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()
    values = _as_one_array(pa.chunked_array([whole.dictionary]), categorical=False)
    # pandas refuses categories that repeat or are null; a repeated one says the same as its first.
    fit = values.null_count == 0 and len(values.unique()) == len(values)
    if not fit or (not categorical and _is_from_javascript(column.type)):
        return values.take(whole.indices)
    width = pa.int8() if len(values) < 2**7 else pa.int16() if len(values) < 2**15 else pa.int32()
    return pa.DictionaryArray.from_arrays(whole.indices.cast(width), values, ordered=column.type.ordered)


def _is_from_javascript(given: AnyType) -> bool:
    """Whether a dictionary looks like a plain string column from graphistry-js: ``dictionary<int32, utf8>``,
    unordered.

    PyGraphistry strips the pandas note from what it sends, so the note alone cannot tell: pandas 3 writes
    categories as ``large_string`` values, pandas 2 with the narrowest codes.
    """
    return bool(pa.types.is_string(given.value_type) and given.index_type == pa.int32() and not given.ordered)


def _check_type(name: str, given: AnyType, depth: int) -> None:
    """Raises ``InvalidTable`` for a type that no frame can hold."""
    types = pa.types
    if depth > _MAX_DEPTH:
        raise InvalidTable(f"Column {name!r} is nested more than {_MAX_DEPTH} deep.")
    if isinstance(given, pa.BaseExtensionType):
        if depth > 0 or given.extension_name not in _PANDAS_EXTENSIONS:
            raise InvalidTable(f"Column {name!r} has the extension type {given}, which is not supported.")
    elif types.is_dictionary(given):
        _check_type(name, given.value_type, depth + 1)
        if types.is_nested(given.value_type):
            raise InvalidTable(f"Column {name!r} is a dictionary of nested values, which is not supported.")
    elif types.is_run_end_encoded(given):
        if depth > 0:
            raise InvalidTable(f"Column {name!r} has run-end encoding inside a nested type, which is not supported.")
        _check_type(name, given.value_type, depth + 1)
    elif types.is_union(given):
        raise InvalidTable(f"Column {name!r} has the type {given}, which is not supported.")
    else:
        for position in range(given.num_fields):
            field = given.field(position)
            _check_type(f"{name}.{field.name}", field.type, depth + 1)


def _readable(columns: dict[str, AnyArray], note: PandasNote) -> pa.Table:
    """The table, with the pandas note where pandas can follow it. Raises ``InvalidTable``."""
    fields = [pa.field(name, array.type) for name, array in columns.items()]
    noted = note.metadata(list(columns))
    for metadata in (noted, None) if noted else (None,):
        schema = pa.schema(fields).with_metadata(metadata or {})
        table = pa.Table.from_arrays(list(columns.values()), schema=schema)
        refusal = _refusal_by_pandas(table)
        if refusal is None:
            return table
    raise refusal if refusal is not None else InvalidTable("pandas cannot represent this table.")


def _refusal_by_pandas(table: pa.Table) -> InvalidTable | None:
    """Why a frame of this table could not be built: better known at upload than at every run.

    Values are tried where they can fail, which are the columns that are converted one by one anyway: dates
    beyond the year 9999, nested values, and whatever dtype a pandas note from outside names.
    """
    for position, field in enumerate(table.schema):
        try:
            column = table.select([position])
            dtype = column.slice(0, 0).to_pandas(use_threads=False).dtypes.iloc[0]
            if not (pa.types.is_date(field.type) or pa.types.is_nested(field.type) or _is_named_by_note(dtype)):
                continue
            for start in range(0, table.num_rows, _PROBE_ROWS):
                column.slice(start, _PROBE_ROWS).to_pandas(use_threads=False)
        except MemoryError:
            raise
        except Exception as error:  # a dtype name from outside can make pandas raise anything
            return InvalidTable(f"pandas cannot represent column {field.name!r}: {str(error)[:300]}")
    return None


def _is_named_by_note(dtype: object) -> bool:
    plain = isinstance(dtype, np.dtype | pd.CategoricalDtype | pd.DatetimeTZDtype | pd.StringDtype)
    return not plain


def _dtypes(table: pa.Table) -> dict[str, str]:
    frame = table.to_pandas(use_threads=False)
    return {str(name): str(dtype) for name, dtype in frame.dtypes.items()}
