"""Every type, with nulls in every place, through every format: a task has the values that were uploaded."""

import io
import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.orc as orc
import pyarrow.parquet as pq
import pytest

from tests.unit.datasets.stored_columns import map_stored
from tests.unit.datasets.type_rules import CSV_TEXTS, JSON_TEXTS, KINDS, Kind, Text

Upload = Callable[..., Any]

NULLS = {
    "no nulls": (0, 1, 2),
    "first": (None, 0, 1, 2),
    "last": (0, 1, 2, None),
    "between": (0, None, 1, None, 2),
    "only nulls": (None, None),
    "no rows": (),
}
"""Where nulls are: positions of values, and None."""


def _arrow(table: pa.Table, *, stream: bool = False, **options: Any) -> bytes:
    sink = io.BytesIO()
    make: Any = pa.ipc.new_stream if stream else pa.ipc.new_file
    with make(sink, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_table(table)
    return sink.getvalue()


def _in_pieces(table: pa.Table) -> bytes:
    """One batch a row, with dictionaries that grow."""
    pieces = [table.slice(at, 1) for at in range(table.num_rows)]
    return _arrow(pa.concat_tables(pieces) if pieces else table, stream=True)


def _parquet(table: pa.Table, **options: Any) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink, row_group_size=2, **options)
    return sink.getvalue()


def _orc(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    orc.write_table(table, sink)
    return sink.getvalue()


BINARY: dict[str, tuple[str, Callable[[pa.Table], bytes]]] = {
    "arrow file": ("arrow", _arrow),
    "arrow file, compressed": ("arrow", lambda table: _arrow(table, compression="zstd")),
    "arrow stream": ("arrow", lambda table: _arrow(table, stream=True)),
    "arrow stream in pieces": ("arrow", _in_pieces),
    "arrow with metadata emptied, as PyGraphistry": ("arrow", lambda table: _arrow(table.replace_schema_metadata({}))),
    "arrow of a slice": ("arrow", lambda table: _arrow(pa.concat_tables([table, table]).slice(table.num_rows))),
    "parquet": ("parquet", _parquet),
    "parquet without dictionaries": ("parquet", lambda table: _parquet(table, use_dictionary=False)),
    "parquet, format 2": ("parquet", lambda table: _parquet(table, data_page_version="2.0", compression="zstd")),
    "orc": ("orc", _orc),
}


def _as_rows(table: dict[str, list[Any]]) -> list[dict[str, Any]]:
    return [dict(zip(table, row, strict=True)) for row in zip(*table.values(), strict=True)]


def _json(document: Any) -> bytes:
    return json.dumps(document).encode()


def _split(table: dict[str, list[Any]]) -> dict[str, Any]:
    return {"columns": list(table), "data": [list(row.values()) for row in _as_rows(table)]}


JSON: dict[str, tuple[dict[str, Any], Callable[[dict[str, list[Any]]], bytes]]] = {
    "rows": ({}, lambda table: _json(_as_rows(table))),
    "columns": ({}, _json),
    "lines": ({"lines": True}, lambda table: b"\n".join(map(_json, _as_rows(table)))),
    "split": ({"orient": "split"}, lambda table: _json(_split(table))),
    "index": ({"orient": "index"}, lambda table: _json(dict(enumerate(_as_rows(table))))),
    "labelled columns": ({}, lambda table: _json({name: dict(enumerate(values)) for name, values in table.items()})),
}

CSV: dict[str, dict[str, Any]] = {
    "arrow's reader": {},
    "pandas' reader": {"skiprows": 0},
    "pandas' reader in Python": {"sep": "||"},
    "short lines": {"sep": ","},
}


def _plain(value: Any) -> Any:
    """Return a value of a frame as Python has it, so that values of different libraries can be compared."""
    if isinstance(value, np.ndarray | list):
        return [_plain(item) for item in value]
    if isinstance(value, tuple):
        return tuple(_plain(item) for item in value)
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if value is None or value is pd.NA or value is pd.NaT or (isinstance(value, float) and np.isnan(value)):
        return None
    return value.item() if isinstance(value, np.generic) and not isinstance(value, np.datetime64) else value


def _differences(frame: pd.DataFrame, expected: Sequence[Kind | Text], nulls: tuple[Any, ...]) -> Iterator[str]:
    """Say what is not as the rules have it. Columns lie in the order of the rules."""
    for kind in expected:
        column = frame[kind.name]
        right = [None if at is None else _plain(kind.in_task[at]) for at in nulls]
        values = [_plain(value) for value in column.tolist()]
        same_types = [type(one) for one in values] == [type(one) for one in right] or not isinstance(kind, Text)
        if repr(values) != repr(right) and (values != right or not same_types):
            yield f"{kind.name}: {values}, not {right}"


def _dtype_differences(dtypes: dict[str, str], rules: dict[str, str]) -> list[str]:
    return [f"{name}: {dtypes.get(name)}, not {dtype}" for name, dtype in rules.items() if dtypes.get(name) != dtype]


VARIANTS = {"arrow file, compressed", "arrow stream", "parquet without dictionaries", "parquet, format 2"}


@pytest.mark.parametrize(
    ("format_", "nulls"),
    [
        pytest.param(name, nulls, marks=[pytest.mark.soak] if name in VARIANTS and nulls != "between" else [])
        for name in BINARY
        for nulls in NULLS
    ],
)
def test_types_of_binary_formats_arrive_as_documented(upload: Upload, format_: str, nulls: str) -> None:
    file_type, encode = BINARY[format_]
    kinds = [kind for kind in KINDS if kind.elsewhere.get(file_type, "") is not None]
    places = NULLS[nulls]
    arrays = [kind.array([None if at is None else kind.values[at] for at in places]) for kind in kinds]
    stored = upload(encode(pa.Table.from_arrays(arrays, names=[kind.name for kind in kinds])), file_type)
    frame = map_stored(stored)
    has_nulls = None in places
    rules = {kind.name: kind.elsewhere.get(file_type) or (kind.nullable if has_nulls else kind.dtype) for kind in kinds}
    assert _dtype_differences({str(name): str(dtype) for name, dtype in frame.dtypes.items()}, rules) == []
    assert _dtype_differences(stored.report["dtypes"], rules) == []
    assert list(_differences(frame, kinds, places)) == []


@pytest.mark.parametrize("nulls", ["no nulls", "first", "last", "between"])
@pytest.mark.parametrize("shape", JSON)
def test_columns_of_json_arrive_as_documented(upload: Upload, shape: str, nulls: str) -> None:
    options, encode = JSON[shape]
    places = NULLS[nulls]
    table = {text.name: [None if at is None else text.values[at] for at in places] for text in JSON_TEXTS}
    _check_texts(upload(encode(table), "json", options), JSON_TEXTS, places)


@pytest.mark.parametrize("nulls", ["no nulls", "first", "last", "between"])
@pytest.mark.parametrize("written", ["", "NA", "null", '""'])
@pytest.mark.parametrize("reader", CSV)
def test_columns_of_csv_arrive_as_documented(upload: Upload, reader: str, written: str, nulls: str) -> None:
    options, places = CSV[reader], NULLS[nulls]
    written = written if reader != "pandas' reader in Python" else written.strip('"')  # it knows no quotes
    separator = options.get("sep", ",")
    table = {text.name: [written if at is None else str(text.values[at]) for at in places] for text in CSV_TEXTS}
    lines = [separator.join(row) for row in zip(*table.values(), strict=True)]
    header = separator.join([*table, "not in any line"] if reader == "short lines" else table)
    _check_texts(upload("\n".join([header, *lines]).encode(), "csv", options), CSV_TEXTS, places)


def _check_texts(stored: Any, texts: list[Text], places: tuple[Any, ...]) -> None:
    rules = {text.name: text.nullable if None in places else text.dtype for text in texts}
    assert _dtype_differences(stored.report["dtypes"], rules) == []
    assert list(_differences(map_stored(stored), texts, places)) == []
