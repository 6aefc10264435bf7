"""Frames of pandas, Arrow and cuDF, behind the few functions that the writers need."""

from collections import Counter
from typing import TYPE_CHECKING

import pandas as pd
import pyarrow as pa
import pyarrow.pandas_compat  # else the first conversion of a run would import it

from runtime.results.values import Unwritable, key_text

if TYPE_CHECKING:
    from typing import Any, TypeAlias

    # A pandas, Arrow or cuDF table. cuDF has no types here, and all three are only asked what is asked below.
    Frame: TypeAlias = Any


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
    """Return the frame as a pandas frame."""
    if isinstance(frame, pd.DataFrame):
        return frame
    converted: pd.DataFrame = frame.to_pandas()
    return converted


def to_arrow(frame: "Frame") -> pa.Table:
    """Return the frame as an Arrow table without its index. A pandas frame leaves its dtypes in the schema.

    Raises:
        Unwritable: the values of a column have no Arrow type in common. The reason names the column.
    """
    names = column_names(frame)
    if isinstance(frame, pa.Table):
        return frame
    if isinstance(frame, pa.RecordBatch):
        return pa.Table.from_batches([frame])
    if not isinstance(frame, pd.DataFrame):
        table: pa.Table = frame.to_arrow(preserve_index=False)
        return table
    frame = frame.set_axis(names, axis=1)
    frame.attrs = {}  # they would have to be JSON, and no reader uses them
    try:
        return _pandas_to_arrow(frame)
    except MemoryError:
        raise
    except (pa.ArrowException, TypeError, ValueError, OverflowError) as exc:
        raise _culprit(frame) or Unwritable(str(exc)) from exc


def _pandas_to_arrow(frame: pd.DataFrame) -> pa.Table:
    # one thread: a seat has one core's worth of time, and a pool would start here
    return pa.Table.from_pandas(frame, preserve_index=False, nthreads=1)


def _culprit(frame: pd.DataFrame) -> Unwritable | None:
    """Return the error that names the first column that does not convert."""
    for position, name in enumerate(frame.columns):
        try:
            _pandas_to_arrow(frame.iloc[:, [position]])
        except MemoryError:
            raise
        except (pa.ArrowException, TypeError, ValueError, OverflowError) as exc:
            dtype = frame.iloc[:, position].dtype
            return Unwritable(
                f"the values of column {name!r} (dtype {dtype}) have no Arrow type in common: {exc.args[0]}; "
                "convert the column, for example with .astype(str)"
            )
    return None
