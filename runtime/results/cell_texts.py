"""Cells as text, for formats that have no type for them: the rules for JSON, and lists and objects as JSON text."""

from typing import Any

import orjson
import pandas as pd
import pyarrow as pa

from runtime.results.arrow_values import arrow_values
from runtime.results.document import SCALARS
from runtime.results.records import column_values
from runtime.results.stream import to_json
from runtime.results.unwritable import Unwritable, found_at
from runtime.results.values import plain
from runtime.text import legal_text

Column = Any  # pa.ChunkedArray: its stubs know no element type that would help here


def text_column(column: "pd.Series[Any] | Column", name: str) -> Column:
    """Return the texts of the values of a column of pandas or Arrow. Raise ``Unwritable`` for one that has no form."""
    with found_at(name):
        values = column_values(column) if isinstance(column, pd.Series) else arrow_values(column)
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
