"""Mapped frames equal ordinary frames, and bytes that are no canonical table are unreadable."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from runtime.datasets.frames import map_frame
from runtime.errors import DatasetUnreadable
from tests.unit.datasets.stored_columns import COLUMNS, N, map_stored


@pytest.mark.parametrize("name", COLUMNS)
@pytest.mark.parametrize("rows", [N, 0], ids=["rows", "no rows"])
def test_a_mapped_column_equals_the_one_that_was_uploaded(upload: Callable[..., Any], name: str, rows: int) -> None:
    frame = pd.DataFrame({"x": COLUMNS[name]}).iloc[:rows]
    arrow = pa.Table.from_pandas(pd.DataFrame({"x": COLUMNS[name]})).slice(0, rows)
    stored = upload(arrow)
    mapped = map_stored(stored)
    pd.testing.assert_frame_equal(mapped, stored.table.to_pandas())
    if rows:
        pd.testing.assert_frame_equal(mapped, frame, check_column_type=False)
    assert stored.report["dtypes"] == {"x": str(mapped.dtypes["x"])}


def test_all_columns_together_equal_pyarrow_s_frame(upload: Callable[..., Any]) -> None:
    stored = upload(pa.Table.from_pandas(pd.DataFrame(COLUMNS)))
    mapped, ordinary = map_stored(stored), stored.table.to_pandas()
    pd.testing.assert_frame_equal(mapped, ordinary)
    assert mapped.columns.equals(ordinary.columns)
    assert isinstance(mapped.index, pd.RangeIndex)


def test_a_table_without_columns_is_a_frame_without_columns(upload: Callable[..., Any]) -> None:
    assert map_stored(upload(pa.table({}))).shape == (0, 0)


def _several_batches(arrow_file: Callable[..., bytes]) -> bytes:
    return arrow_file(pa.concat_tables([pa.table({"a": [1]}), pa.table({"a": [2]})]))


def _short_column(arrow_file: Callable[..., bytes]) -> bytes:
    content = arrow_file(pa.table({"a": pa.array(range(1000), pa.int64())}))
    return content.replace((1000).to_bytes(8, "little"), (10**12).to_bytes(8, "little"))


def _bad_last_offset(arrow_file: Callable[..., bytes]) -> bytes:
    content = arrow_file(pa.table({"s": pa.array(["x" * 1234], pa.large_string())}))
    head, tail = content.rsplit((1234).to_bytes(8, "little"), 1)
    return head + (2**40).to_bytes(8, "little") + tail


HOSTILE: dict[str, Callable[[Callable[..., bytes]], bytes]] = {
    "nothing": lambda _: b"",
    "noise": lambda _: os.urandom(4096),
    "zeros": lambda _: bytes(4096),
    "magic alone": lambda _: b"ARROW1\0\0" + bytes(64) + b"ARROW1",
    "truncated": lambda encode: encode(pa.table({"a": range(1000)}))[:-100],
    "no batch": lambda encode: encode(pa.table({"a": pa.array([], pa.int64())}).slice(0, 0)),
    "several batches": _several_batches,
    "more rows than bytes": _short_column,
    "last offset beyond the data": _bad_last_offset,
    "an index": lambda encode: encode(pa.Table.from_pandas(pd.DataFrame({"a": [1]}, index=[7]))),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_bytes_that_are_no_canonical_table_are_unreadable(
    tmp_path: Path, arrow_file: Callable[..., bytes], kind: str
) -> None:
    path = tmp_path / "object"
    path.write_bytes(HOSTILE[kind](arrow_file))
    descriptor = os.open(path, os.O_RDONLY)
    try:
        with pytest.raises(DatasetUnreadable):
            map_frame(descriptor)
    finally:
        os.close(descriptor)


def test_a_compressed_table_is_read_too_but_not_in_place(tmp_path: Path, arrow_file: Callable[..., bytes]) -> None:
    path = tmp_path / "object"
    path.write_bytes(arrow_file(pa.table({"a": [0] * 10_000}), compression="zstd"))
    descriptor = os.open(path, os.O_RDONLY)
    mapped = map_frame(descriptor)
    os.close(descriptor)
    mapped.loc[0, "a"] = 5
    assert mapped["a"].sum() == 5
