"""Frames as Parquet and CSV."""

from typing import TYPE_CHECKING, Any, BinaryIO, Final, cast

import orjson
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet
from pyarrow import types

from runtime.results.document import SCALARS
from runtime.results.frames import column_names, to_arrow
from runtime.results.stream import to_json
from runtime.results.values import Unwritable, plain
from runtime.text import legal_text

if TYPE_CHECKING:
    from runtime.results.frames import Frame
    from runtime.results.sink import Sink

    Column = pa.ChunkedArray[Any]  # of any Arrow type

_CSV_BATCH_ROWS: Final = 16_384
_WHOLE_BELOW: Final = 2.0**63

_WRITABLE: Final = (
    types.is_integer,
    types.is_floating,
    types.is_boolean,
    types.is_string,
    types.is_large_string,
    types.is_date,
    types.is_timestamp,
    types.is_time,
    types.is_decimal,
    types.is_null,
)


def write_parquet(frame: "Frame", out: "Sink") -> None:
    """Write one Parquet file, without the index. Raise ``Unwritable`` (``to_arrow``)."""
    pyarrow.parquet.write_table(to_arrow(frame), cast(BinaryIO, out))


def write_csv(frame: "Frame", out: "Sink") -> None:
    """Write one CSV file with a header, without the index; no bytes at all for a frame without columns.

    Cells that CSV has no form for follow the rules for JSON; lists and objects become JSON text.

    Raises:
        Unwritable: two columns have one name, or a value has no form.
    """
    names = column_names(frame)
    if not names:
        return
    if isinstance(frame, pd.DataFrame):
        columns = [_csv_column(frame.iloc[:, position], names[position]) for position in range(len(names))]
    else:
        table = to_arrow(frame)
        columns = [_csv_arrow(table.column(position)) for position in range(len(names))]
    if len(columns) == 1 and columns[0].null_count:
        # a missing value alone on its line would make an empty line, which readers skip
        columns = [columns[0].cast(pa.large_string()).fill_null(pa.scalar("", pa.large_string()))]
    options = pyarrow.csv.WriteOptions(batch_size=_CSV_BATCH_ROWS)
    pyarrow.csv.write_csv(pa.table(columns, names=names), cast(BinaryIO, out), options)


def _csv_column(column: "pd.Series[Any]", name: str) -> "Column":
    try:
        array = pa.array(column, from_pandas=True)
    except MemoryError:
        raise
    except (pa.ArrowException, TypeError, ValueError, OverflowError):  # an object column of several types
        return _texts(column.tolist(), name)
    chunked = array if isinstance(array, pa.ChunkedArray) else pa.chunked_array([array])
    ready = _ready(chunked)
    return _texts(column.tolist(), name) if ready is None else ready


def _csv_arrow(column: "Column") -> "Column":
    ready = _ready(column)
    return _texts(column.to_pylist(), "") if ready is None else ready


def _ready(column: "Column") -> "Column | None":
    """Return the column in a type that the CSV writer supports, or None."""
    if types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if not any(is_writable(column.type) for is_writable in _WRITABLE):
        return None
    return _keeping_points(column) if types.is_floating(column.type) else column


def _keeping_points(column: "Column") -> "Column":
    """Return a column of whole floats as ``1.0``, not ``1``, because a reader that infers types would read integers.

    A column with a fraction or a missing value stays as it is: it is read as floats anyway.
    """
    if column.null_count or not len(column):
        return column
    if types.is_float16(column.type):  # Arrow has no arithmetic for it
        column = column.cast(pa.float32())
    whole = pc.and_(pc.equal(pc.floor(column), column), pc.less(pc.abs(column), pa.scalar(_WHOLE_BELOW, column.type)))
    if not pc.all(whole).as_py():
        return column
    return column.cast(pa.int64()).cast(pa.decimal128(20, 1))


def _texts(values: list[Any], name: str) -> "Column":
    """Return the cells of values that have no Arrow type in common, as text."""
    cells: list[str | None] = []
    for row, value in enumerate(values):
        try:
            cells.append(_text(value))
        except Unwritable as exc:
            exc.path = [name, row, *exc.path]
            raise
    return pa.chunked_array([pa.array(cells, pa.large_string())])


def _text(value: object) -> str | None:
    if isinstance(value, SCALARS):
        value = plain(value)
    if value is None or isinstance(value, str):
        return None if value is None else legal_text(value)
    encoded = to_json(value)
    if encoded == b"null":
        return None
    return str(orjson.loads(encoded)) if encoded.startswith(b'"') else encoded.decode()
