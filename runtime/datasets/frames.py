"""Frames over a mapped file: not copied, not loaded, and writable like any other frame.

A canonical table (``tables``) is mapped ``MAP_PRIVATE``, so a write changes a private copy of one page and never the
file. pyarrow's own conversion returns read-only arrays, on which ``df.loc[mask, 'w'] = 0`` raises. Here, columns of
fixed width are numpy arrays over the map itself, and so are the values of nullable columns (``Int64``), beside a byte
for each row; all others go through ``to_pandas``, one by one.

The file is trusted: ``parser`` checked every buffer in full before it wrote the file, and stored files never change.
So columns that stay in the map get the cheap check, which reads no values. It finds a damaged outline (lengths, buffer
sizes, first and last offsets), but not a forged offset in the middle of a text column.

This runs in the template, so nothing here may start a thread.
"""

import ctypes
import mmap
import os
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from runtime.datasets.conversion import single_column, to_series
from runtime.datasets.pandas_schema import PandasNote
from runtime.errors import DatasetUnreadable

AnyArray = Any  # pa.Array: its stubs have no useful element type

_MASKED = {
    *(pd.Int8Dtype(), pd.Int16Dtype(), pd.Int32Dtype(), pd.Int64Dtype(), pd.Float32Dtype(), pd.Float64Dtype()),
    *(pd.UInt8Dtype(), pd.UInt16Dtype(), pd.UInt32Dtype(), pd.UInt64Dtype()),
}
"""Dtypes of an array of values, which lies in the map, and an array that says which of them are null."""

_MAP_FAILED = ctypes.c_void_p(-1).value

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mmap.restype = ctypes.c_void_p
_libc.mmap.argtypes = [
    ctypes.c_void_p,
    ctypes.c_size_t,
    ctypes.c_int,
    ctypes.c_int,
    ctypes.c_int,
    ctypes.c_long,
]


def map_frame(descriptor: int) -> pd.DataFrame:
    """Return the frame of a canonical table, equal to its ``to_pandas()`` and backed by the file's pages.

    The map lives as long as anything refers to it. ``descriptor`` may be closed at once, and no other descriptor stays
    open. Raises ``DatasetUnreadable`` for bytes that are not a canonical table.
    """
    try:
        region = _map_private(descriptor)
        batch = _only_batch(region)
        table = pa.Table.from_batches([batch])
        # The frame without rows has names, dtypes and attributes as pyarrow makes them.
        outline = table.slice(0, 0).to_pandas(use_threads=False)
        if len(outline.columns) != batch.num_columns or not isinstance(outline.index, pd.RangeIndex):
            raise DatasetUnreadable("the stored table describes an index")
        note = PandasNote.of(table.schema.metadata)
        columns = {
            position: _column(region, table, position, dtype, note) for position, dtype in enumerate(outline.dtypes)
        }
        frame = pd.DataFrame(columns, index=pd.RangeIndex(batch.num_rows), copy=False)
    except MemoryError:
        raise
    except (pa.ArrowException, ValueError, TypeError, OverflowError, LookupError, OSError) as error:
        raise DatasetUnreadable.by_table(error) from error
    frame.columns = outline.columns
    frame.attrs = outline.attrs
    return frame


def _map_private(descriptor: int) -> mmap.mmap:
    """Map the whole file privately and writable.

    ``mmap.mmap`` of a file would keep a duplicate of the descriptor and close that *number* at its end. By then a seat,
    which closes everything inherited, may use the number for another file. So this makes an anonymous map, which holds
    no descriptor, and maps the file over it.
    """
    size = os.fstat(descriptor).st_size
    if size == 0:
        raise DatasetUnreadable("the stored table is empty")
    region = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    map_fixed = 0x10
    address = _libc.mmap(
        _address(region),
        size,
        mmap.PROT_READ | mmap.PROT_WRITE,
        mmap.MAP_PRIVATE | map_fixed,
        descriptor,
        0,
    )
    if address == _MAP_FAILED:
        raise DatasetUnreadable(f"the stored table cannot be mapped: {os.strerror(ctypes.get_errno())}")
    return region


def _address(region: mmap.mmap) -> int:
    return ctypes.addressof(ctypes.c_char.from_buffer(region))


def _only_batch(region: mmap.mmap) -> pa.RecordBatch:
    options = pa.ipc.IpcReadOptions(use_threads=False)
    reader = pa.ipc.open_file(pa.BufferReader(pa.py_buffer(region)), options=options)
    if reader.num_record_batches != 1:
        raise DatasetUnreadable("the stored table is not one record batch")
    batch = reader.get_batch(0)
    batch.validate()
    for column in batch.columns:
        # A column that is converted is read whole anyway, so the full check costs little there.
        if not (_is_fixed(column.type) or pa.types.is_large_string(column.type)):
            column.validate(full=True)
    return batch


def _column(
    region: mmap.mmap, table: pa.Table, position: int, dtype: Any, note: PandasNote
) -> Any:  # Any: numpy, pandas
    """Return one column: over the map if Arrow and pandas lay it out the same way, else converted."""
    array: AnyArray = table.column(position).chunk(0)
    if isinstance(dtype, pd.StringDtype) and pa.types.is_large_string(array.type):
        from_arrow: Any = dtype.__from_arrow__  # type: ignore[attr-defined]  # pandas' documented protocol
        return from_arrow(table.column(position))
    if array.null_count == 0 and _is_fixed(array.type) and array.type.to_pandas_dtype() == dtype:
        zoned = isinstance(dtype, pd.DatetimeTZDtype)
        values = _over_map(region, array, np.dtype("int64") if zoned else dtype)
        if values is not None:
            return pd.array(values, dtype=dtype, copy=False) if zoned else values
    if dtype in _MASKED and array.type.to_pandas_dtype() == dtype.numpy_dtype:
        values = _over_map(region, array, dtype.numpy_dtype)
        if values is not None:
            return dtype.construct_array_type()(values, _mask(array), copy=False)
    series = to_series(single_column(table, position, note))
    # pyarrow returns the codes of categories read-only; those of an ordinary frame are writable.
    return series.copy() if isinstance(dtype, pd.CategoricalDtype) else series


def _over_map(region: mmap.mmap, array: AnyArray, dtype: np.dtype[Any]) -> np.ndarray[Any, np.dtype[Any]] | None:
    """Return a writable array over the map, or ``None`` if the column's values are not in it."""
    if len(array) == 0:
        return np.empty(0, dtype)
    buffer = array.buffers()[1]
    start = buffer.address - _address(region) + array.offset * dtype.itemsize
    if start < 0 or start + len(array) * dtype.itemsize > len(region):
        return None
    return np.frombuffer(region, dtype, len(array), start)


def _mask(array: AnyArray) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Return which values are null."""
    validity = array.buffers()[0]
    if array.null_count == 0 or validity is None:
        return np.zeros(len(array), "bool")
    bits = np.frombuffer(validity, "uint8")
    valid = np.unpackbits(bits, count=array.offset + len(array), bitorder="little")[array.offset :]
    return np.logical_not(valid)


def _is_fixed(given: pa.DataType) -> bool:
    """Return whether numpy and Arrow lay out values of this type alike."""
    number = pa.types.is_integer(given) or pa.types.is_floating(given)
    return number or pa.types.is_timestamp(given) or pa.types.is_duration(given)
