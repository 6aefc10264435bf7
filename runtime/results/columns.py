"""Rows of a frame as JSON, joined from whole columns by Arrow, so that no row is ever a Python object."""

from typing import Any

import numpy as np
import orjson
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from runtime.results.cells import Cells, cells, literal
from runtime.results.unwritable import Unwritable


def joined_rows(part: pd.DataFrame, names: list[str]) -> memoryview | None:
    """Return each row behind a comma, ``,{"a":1},{"a":2}``; None if a column must be written row by row.

    The part has at least one row and one column.
    """
    last = len(names) - 1
    columns: list[Cells] = []
    try:
        for position, (_, values) in enumerate(part.items()):
            column = cells(values, b"}" if position == last else b",")
            if column is None:
                return None
            columns.append(column)
    except MemoryError:
        raise
    except (pa.ArrowException, Unwritable, TypeError, ValueError, OverflowError):
        return None
    return _joined(columns, names)


def _joined(columns: list[Cells], names: list[str]) -> memoryview:
    pieces: list[Any] = []
    between = b",{"
    for column, name in zip(columns, names, strict=True):
        pieces += [literal(between + orjson.dumps(name) + b":" + column.before), column.texts]
        between = column.after
    if between:
        pieces.append(literal(between))
    rows = pc.binary_join_element_wise(*pieces, literal(b""))
    _, offsets, text = rows.buffers()
    return memoryview(text)[: int(np.frombuffer(offsets, np.int64)[len(rows)])]
