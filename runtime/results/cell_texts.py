"""Cells as text, for formats that have no type for them: the rules for JSON, and lists and objects as JSON text."""

from collections.abc import Callable
from typing import Any, Final

import orjson
import pandas as pd
import pyarrow as pa

from runtime.results.arrow_values import arrow_values
from runtime.results.document import SCALARS, dumps
from runtime.results.records import column_values
from runtime.results.stream import to_json
from runtime.results.survey import TooDeep, is_large
from runtime.results.unwritable import Unwritable, found_at
from runtime.results.values import plain
from runtime.text import legal_text

_RUN: Final = 256

Column = Any  # pa.ChunkedArray: its stubs know no element type that would help here


def text_column(column: "pd.Series[Any] | Column", name: str) -> Column:
    """Return the texts of the values of a column of pandas or Arrow. Raise ``Unwritable`` for one that has no form."""
    with found_at(name):
        values = column_values(column) if isinstance(column, pd.Series) else arrow_values(column)
    cells: list[str | None] = []
    for start in range(0, len(values), _RUN):
        run = values[start : start + _RUN]
        encode = _for_small_values if _are_small(run) else to_json
        for value in run:
            try:
                cells.append(_text(value, encode))
            except Unwritable as exc:
                exc.path = [name, len(cells), *exc.path]
                raise
    return pa.chunked_array([pa.array(cells, pa.large_string())])


def _are_small(run: list[Any]) -> bool:
    try:
        return not is_large(run, -1)  # none of the values is inside of a container
    except TooDeep:
        return False


def _for_small_values(value: object) -> bytes:
    return dumps(value, 0)


def _text(value: object, encode: Callable[[object], bytes]) -> str | None:
    if isinstance(value, SCALARS):
        value = plain(value)
    if value is None or isinstance(value, str):
        return None if value is None else legal_text(value)
    encoded = encode(value)
    if encoded == b"null":
        return None
    return str(orjson.loads(encoded)) if encoded.startswith(b'"') else encoded.decode()
