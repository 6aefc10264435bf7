"""Frames of pandas, Arrow and cuDF, behind the few functions that the writers need."""

import operator
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

import pandas as pd
import pyarrow as pa
import pyarrow.pandas_compat  # else the first conversion of a run would import it
from pyarrow import types

from runtime.arrow_types import is_text
from runtime.results.arrow_values import (
    are_intervals_with_a_gap,
    arrow_values,
    decoded,
    is_of_pandas,
    refuse_unknown_zone,
)
from runtime.results.unwritable import Unwritable, found_at
from runtime.results.values import key_text

if TYPE_CHECKING:
    from typing import TypeAlias

    # A pandas, Arrow or cuDF table. cuDF has no types here, and all three are only asked what is asked below.
    Frame: TypeAlias = Any

_HELD: Final = (types.is_floating, types.is_timestamp, types.is_duration, types.is_dictionary, types.is_null, is_text)
"""Types whose values pandas' own dtypes hold, also beside missing ones."""


def is_frame(value: object) -> bool:
    """Return True if ``value`` is a pandas, Arrow or cuDF table."""
    return isinstance(value, (pd.DataFrame, pa.Table, pa.RecordBatch)) or is_cudf(value, "DataFrame")


def is_cudf(value: object, *kinds: str) -> bool:
    """Return True if ``value`` has a cuDF type of these names. Importing cuDF would be slow and needs a GPU."""
    return any(cls.__name__ in kinds and str(cls.__module__).partition(".")[0] == "cudf" for cls in type(value).__mro__)


def column_names(frame: "Frame") -> list[str]:
    """Return the names of the columns as every format writes them.

    A name that is not a string becomes what it would be as a key of a JSON object. A tuple becomes its ``str``.

    Raises:
        Unwritable: two columns have one name.
    """
    labels = frame.schema.names if isinstance(frame, (pa.Table, pa.RecordBatch)) else frame.columns
    names = [str(label) if isinstance(label, tuple) else key_text(label) for label in labels]
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        raise Unwritable(f"several columns are named {', '.join(map(repr, repeated[:5]))}; names must be distinct")
    return names


def to_pandas(frame: "Frame") -> pd.DataFrame:
    """Return the frame as a pandas frame whose columns hold every value exactly.

    All columns of an Arrow table are columns, also those that its metadata calls an index.
    """
    if isinstance(frame, pd.DataFrame):
        return frame
    table = frame if isinstance(frame, (pa.Table, pa.RecordBatch)) else to_arrow(frame)
    columns = table.columns
    convertible = []
    for name, column in zip(table.schema.names, columns, strict=True):
        with found_at(name):
            convertible.append(_convertible(column))
    if any(map(operator.is_not, convertible, columns)):
        table = pa.table(convertible, names=table.schema.names)
    converted: pd.DataFrame = table.to_pandas(types_mapper=_dtype_of, ignore_metadata=True)
    return converted


def _dtype_of(kind: pa.DataType) -> pd.ArrowDtype | None:
    """Return the dtype of a column, if pandas' own dtype for its type does not hold all of its values.

    pandas makes floats of integers, at any depth, if one is missing.
    """
    held = any(is_held(kind) for is_held in _HELD) or is_of_pandas(kind)
    return None if held else pd.ArrowDtype(kind)


def _convertible(column: Any) -> Any:
    """Return a column that pandas does not change. Raise ``Unwritable`` for times in a zone that is unknown."""
    refuse_unknown_zone(column.type)
    if isinstance(column.type, pa.BaseExtensionType) and are_intervals_with_a_gap(column):
        return pa.array([None if value is None else str(value) for value in arrow_values(column)], pa.string())
    return decoded(column) if types.is_run_end_encoded(column.type) or _is_no_category(column) else column


def _is_no_category(column: Any) -> bool:
    """Return True for a dictionary that pandas cannot make categories of, or not without losing digits or a zone."""
    if not types.is_dictionary(column.type):
        return False
    kind = column.type.value_type
    if not (types.is_integer(kind) or types.is_string(kind) or types.is_large_string(kind)):
        return True
    chunks = column.chunks if hasattr(column, "chunks") else [column]
    return any(chunk.dictionary.null_count or _repeats(chunk.dictionary) for chunk in chunks)


def _repeats(values: Any) -> bool:
    return len(values.unique()) < len(values)


def to_arrow(frame: "Frame") -> pa.Table:
    """Return an Arrow or cuDF frame as an Arrow table without its index. Raise ``Unwritable`` (``column_names``)."""
    column_names(frame)
    if isinstance(frame, pa.Table):
        return frame
    if isinstance(frame, pa.RecordBatch):
        return pa.Table.from_batches([frame])
    table: pa.Table = frame.to_arrow(preserve_index=False)
    return table
