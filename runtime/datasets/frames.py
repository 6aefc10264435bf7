"""Frames over a mapped file: no copy, no load, and writable like any other frame.

A canonical table (``tables``) is mapped ``MAP_PRIVATE``, so that a write reaches a private copy of one page
and never the file. pyarrow's own conversion hands out read-only arrays, on which ``df.loc[mask, 'w'] = 0``
raises; here columns of fixed width are numpy arrays over the map itself. Everything else goes through
``to_pandas``, column by column.

Trusted: the file was written by ``parser`` after every buffer was checked in full, and files never change
(``store``). So the check of columns that stay in the map is the cheap one, which reads no values: it finds a
damaged outline (lengths, buffer sizes, first and last offsets), not a forged offset amid a column of text.

Runs in the template: nothing here starts a thread.
"""

import ctypes
import mmap
import os
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from runtime.errors import DatasetUnreadable

AnyArray = Any  # pa.Array: its stubs know no element type that would help here

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
    """The frame of a canonical table, equal to its ``to_pandas()`` and backed by the file's pages.

    The map lives as long as anything that refers to it; ``descriptor`` may be closed at once, and no other
    stays open. Raises ``DatasetUnreadable`` for bytes that are not a canonical table.
    """
    try:
        region = _map_private(descriptor)
        batch = _only_batch(region)
        table = pa.Table.from_batches([batch])
        # The frame of no rows is pyarrow's own word on names, dtypes and attributes.
        outline = table.slice(0, 0).to_pandas(use_threads=False)
        if len(outline.columns) != batch.num_columns or not isinstance(outline.index, pd.RangeIndex):
            raise DatasetUnreadable("A stored table describes an index.")
        columns = {position: _column(region, table, position, dtype) for position, dtype in enumerate(outline.dtypes)}
        frame = pd.DataFrame(columns, index=pd.RangeIndex(batch.num_rows), copy=False)
    except MemoryError:
        raise
    except (pa.ArrowException, ValueError, TypeError, OverflowError, LookupError, OSError) as error:
        raise DatasetUnreadable(f"A stored table cannot be read: {error}") from error
    frame.columns = outline.columns
    frame.attrs = outline.attrs
    return frame


def _map_private(descriptor: int) -> mmap.mmap:
    """The whole file, mapped privately and writable.

    ``mmap.mmap`` of a file would keep a duplicate of the descriptor and close that *number* when it goes, by
    which time a seat that closed everything inherited may use the number for something else. So it makes an
    anonymous map, which holds none, and the file is laid over it.
    """
    size = os.fstat(descriptor).st_size
    if size == 0:
        raise DatasetUnreadable("A stored table is empty.")
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
        raise DatasetUnreadable(f"A stored table cannot be mapped: {os.strerror(ctypes.get_errno())}.")
    return region


def _address(region: mmap.mmap) -> int:
    return ctypes.addressof(ctypes.c_char.from_buffer(region))


def _only_batch(region: mmap.mmap) -> pa.RecordBatch:
    options = pa.ipc.IpcReadOptions(use_threads=False)
    reader = pa.ipc.open_file(pa.BufferReader(pa.py_buffer(region)), options=options)
    if reader.num_record_batches != 1:
        raise DatasetUnreadable("A stored table is not one record batch.")
    batch = reader.get_batch(0)
    batch.validate()
    for column in batch.columns:
        # What is converted is read whole anyway, so there the full check is cheap beside it.
        if not (_is_fixed(column.type) or pa.types.is_large_string(column.type)):
            column.validate(full=True)
    return batch


def _column(region: mmap.mmap, table: pa.Table, position: int, dtype: Any) -> Any:  # Any: numpy, pandas
    """One column: over the map where Arrow and pandas lay it out the same way, else converted."""
    array: AnyArray = table.column(position).chunk(0)
    if isinstance(dtype, pd.StringDtype) and pa.types.is_large_string(array.type):
        from_arrow: Any = dtype.__from_arrow__  # type: ignore[attr-defined]  # pandas' documented protocol
        return from_arrow(table.column(position))
    if array.null_count == 0 and _is_fixed(array.type) and array.type.to_pandas_dtype() == dtype:
        zoned = isinstance(dtype, pd.DatetimeTZDtype)
        values = _over_map(region, array, np.dtype("int64") if zoned else dtype)
        if values is not None:
            return pd.array(values, dtype=dtype, copy=False) if zoned else values
    series = table.select([position]).to_pandas(use_threads=False).iloc[:, 0]
    # pyarrow lends the codes of categories read-only; those of an ordinary frame can be written.
    return series.copy() if isinstance(dtype, pd.CategoricalDtype) else series


def _over_map(region: mmap.mmap, array: AnyArray, dtype: np.dtype[Any]) -> np.ndarray[Any, np.dtype[Any]] | None:
    """A writable array over the map, or ``None`` where the column's values do not lie in it."""
    if len(array) == 0:
        return np.empty(0, dtype)
    buffer = array.buffers()[1]
    start = buffer.address - _address(region) + array.offset * dtype.itemsize
    if start < 0 or start + len(array) * dtype.itemsize > len(region):
        return None
    return np.frombuffer(region, dtype, len(array), start)


def _is_fixed(given: pa.DataType) -> bool:
    """Whether numpy lays values of this type out as Arrow does."""
    number = pa.types.is_integer(given) or pa.types.is_floating(given)
    return number or pa.types.is_timestamp(given) or pa.types.is_duration(given)
