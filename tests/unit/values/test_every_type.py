"""No value changes on its way through the server: each type, with and without missing values, by each way in and out.

A cell of this table is a type with a pattern of missing values that comes in by one way and leaves by another. The real
parser stores it, the frame is what a task gets, and the real encoder writes what the task returns.
"""

import base64
import csv
import datetime as dt
import decimal
import io
import json
import os
import tempfile
import uuid
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest

from runtime.datasets.frames import map_frame
from runtime.datasets.parser import parse_upload
from runtime.results.encoding import encode
from tests.unit.values.columns import COLUMNS, cell
from tests.unit.values.ways_in import TYPED, UNTYPED, Rows, table_of

ROWS: Final[dict[str, Rows]] = {
    "none missing": (0, 1, 0),
    "one missing": (0, None, 1),
    "the first missing": (None, 0, 1),
    "all missing": (None, None),
}

LOST_BY_THE_WRITER: Final[dict[str, set[str]]] = {
    "Parquet": {"timestamp s", "categories of moments"},
    "ORC": {
        "uint8", "uint16", "uint32", "uint64", "float16", "string_view", "categories", "dictionary of integers",
        "time32 s", "time64 us", "duration s", "duration us", "duration ns", "UUID", "bool8", "periods", "intervals",
        "nothing", "timestamp s", "timestamp ms", "timestamp us", "timestamp ns", "timestamp us UTC", "nanoseconds",
        "timestamp ns Asia/Kolkata", "list of moments", "date64", "fixed binary",
        "categories of moments", "list of local moments",
    },
    "PyGraphistry, pandas": {
        "list of integers", "struct", "map", "string_view", "UUID", "bool8", "dictionary of integers",
        "categories of moments", "list of local moments",
    },
}  # fmt: skip
"""Columns that the program on the client's side cannot write, or changes before the server gets them."""

IN_FRAMES: Final = {"time32 s": ("01:02:03.000000", "00:00:00.000000")}
"""Cells of CSV that have more digits than they came with, because pandas holds values of Python, not seconds."""


Expected = dict[str, tuple[list[Any], list[str]]]
"""For each column: the value of JSON that a caller must read in each row, and the cell of CSV."""


def stored(file_type: str, content: bytes) -> pd.DataFrame:
    """The frame that a task gets."""
    with tempfile.TemporaryFile() as body, tempfile.TemporaryFile() as out:
        body.write(content)
        body.flush()
        parse_upload({"file_type": file_type, "file_compression": "", "options": {}}, body.fileno(), out.fileno())
        return map_frame(os.dup(out.fileno()))


def written(frame: Any, file_format: Any) -> bytes:
    out = io.BytesIO()
    encode(frame, "table", file_format, False, out)
    return out.getvalue()


def read_json(data: bytes, names: list[str]) -> dict[str, list[Any]]:
    rows = json.loads(data)
    return {name: [row[name] for row in rows] for name in names}


def read_csv(data: bytes, names: list[str]) -> dict[str, list[Any]]:
    header, *rows = csv.reader(io.StringIO(data.decode()))
    assert header == names
    return dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))


def read_parquet(data: bytes, names: list[str]) -> dict[str, list[Any]]:
    """The values as Arrow reads them, or as pandas does, whose own types Arrow does not know."""
    table, frame = pyarrow.parquet.read_table(io.BytesIO(data)), pd.read_parquet(io.BytesIO(data))
    found = {}
    for name in names:
        column: Any = table.column(name)
        series = frame[name]
        if pa.types.is_integer(column.type):
            assert series.dtype.kind in "iu", f"pandas reads no integers: {name}"
        is_of_pandas = isinstance(series.dtype, (pd.PeriodDtype, pd.IntervalDtype))
        found[name] = [form(value) for value in (series if is_of_pandas else column.to_pylist())]
    return found


def form(value: Any) -> Any:
    """A value as docs/results.md says that JSON has it."""
    if value is None or value is pd.NaT or value is pd.NA or (isinstance(value, float) and value != value):
        return None
    if isinstance(value, dt.timedelta):
        return duration((value.days * 86_400 + value.seconds) * 10**9 + value.microseconds * 1000 + nanoseconds(value))
    if isinstance(value, (dt.datetime, dt.date, dt.time)):
        return value.isoformat()
    if isinstance(value, (decimal.Decimal, uuid.UUID, pd.Period, pd.Interval)):
        return str(value)
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, (list, tuple, np.ndarray)):
        return [form(item) for item in value]
    if isinstance(value, dict):
        return {name: form(item) for name, item in value.items()}
    return value


def nanoseconds(value: dt.timedelta) -> int:
    return int(getattr(value, "nanoseconds", 0))


def duration(length: int) -> str:
    """A length in nanoseconds as ISO 8601."""
    seconds, rest = divmod(abs(length), 10**9)
    fraction = f".{rest:09d}".rstrip("0") if rest else ""
    days, clock = divmod(seconds, 86_400)
    return f"{'-' if length < 0 else ''}P{days}DT{clock // 3600}H{clock // 60 % 60}M{clock % 60}{fraction}S"


def typed(way: str, rows: str) -> tuple[pd.DataFrame, Expected]:
    """What a task gets of the types that come in as they are, and what its caller must read."""
    columns = [column for column in COLUMNS if column.name not in LOST_BY_THE_WRITER.get(way, set())]
    frame = stored(*TYPED[way](columns, ROWS[rows]))
    return frame, {
        column.name: (placed(column.json, rows), placed(IN_FRAMES.get(column.name, column.csv), rows, ""))
        for column in columns
    }


def untyped(way: str, rows: str) -> tuple[pd.DataFrame, Expected]:
    """The same of values that decide about their type by themselves."""
    columns = [column for column in COLUMNS if not isinstance(column.json[0], (list, dict))]
    frame = stored(*UNTYPED[way](columns, ROWS[rows]))
    values = {
        column.name: inferred(placed(column.csv, rows)) if way == "CSV" else placed(column.json, rows)
        for column in columns
    }
    return frame, {name: (those, cells_of(those)) for name, those in values.items()}


def placed(values: Sequence[Any], rows: str, missing: Any = None) -> list[Any]:
    return [missing if row is None else values[row] for row in ROWS[rows]]


def inferred(cells: list[str | None]) -> list[Any]:
    """The values of a column of CSV: numbers if all are numbers that one type holds, truth values, else text."""
    known = [text for text in cells if text]
    for values_of in (_integers, _floats, _truths):
        try:
            values = dict(zip(known, values_of(known), strict=True))
        except (ValueError, KeyError):
            continue
        return [values[text] if text else None for text in cells]
    return [text or None for text in cells]


def _integers(texts: list[str]) -> list[int]:
    values = [int(text) for text in texts]
    if values and not any(low <= min(values) and max(values) < high for low, high in ((-(2**63), 2**63), (0, 2**64))):
        raise ValueError(values)
    return values


def _floats(texts: list[str]) -> list[float]:
    if any(text.lstrip("-").isdigit() and abs(int(text)) > 2**53 for text in texts):
        raise ValueError(texts)
    return list(map(float, texts))


def _truths(texts: list[str]) -> list[bool]:
    return [{"true": True, "false": False}[text] for text in texts]


def cells_of(values: list[Any]) -> list[str]:
    """Values in CSV. A whole float has a point only if all floats are whole: else a reader sees floats anyway."""
    cells = ["" if value is None else cell(value) for value in values]
    is_mixed = any(isinstance(value, float) and value % 1 for value in values)
    return [text.removesuffix(".0") if is_mixed else text for text in cells]


def wrong(returned: Any, expected: Expected) -> Iterator[str]:
    """What a caller reads that they must not, in each format. ``1`` is neither ``1.0`` nor ``true``."""
    names = list(expected)
    for file_format, read, place in (("json", read_json, 0), ("csv", read_csv, 1), ("parquet", read_parquet, 0)):
        found = read(written(returned, file_format), names)
        for name in names:
            if json.dumps(found[name]) != json.dumps(expected[name][place]):
                yield f"{name} as {file_format}: {found[name]} instead of {expected[name][place]}"


WAYS: Final[dict[str, Callable[[str, str], tuple[pd.DataFrame, Expected]]]] = {
    **dict.fromkeys(TYPED, typed),
    **dict.fromkeys(UNTYPED, untyped),
}


@pytest.mark.parametrize(
    ("way", "rows"),
    [
        pytest.param(way, rows, marks=() if rows == "one missing" or way == "Arrow file" else pytest.mark.soak)
        for way in WAYS
        for rows in ROWS
    ],
)
def test_no_value_changes_on_its_way(way: str, rows: str) -> None:
    frame, expected = WAYS[way](way, rows)
    frame, names = frame[list(expected)], [name for name in expected if name != "map"]  # pandas makes no map of pairs
    table = pa.Table.from_pandas(frame[names], preserve_index=False)
    assert len(expected) > 20
    assert [*wrong(frame, expected), *wrong(table, {name: expected[name] for name in names})] == []


@pytest.mark.parametrize("rows", ROWS)
def test_no_value_of_an_arrow_table_that_a_task_makes_changes(rows: str) -> None:
    expected = {column.name: (placed(column.json, rows), placed(column.csv, rows, "")) for column in COLUMNS}
    assert list(wrong(table_of(COLUMNS, ROWS[rows]), expected)) == []
