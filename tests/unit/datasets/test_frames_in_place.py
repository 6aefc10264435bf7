"""Mapped frames lie in the file's map, are written to like ordinary frames, and never change the file."""

import gc
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from tests.unit.datasets.stored_columns import COLUMNS, map_stored

FIXED = ["int64", "int8", "float64", "float32", "timestamp us", "timestamp ns", "timestamp with zone", "duration"]


def _address(values: Any) -> int:
    if hasattr(values, "_pa_array"):
        return int(values._pa_array.chunk(0).buffers()[2].address)
    array = values if isinstance(values, np.ndarray) else values.asi8
    return int(array.__array_interface__["data"][0])


def _map_of_file(path: Path) -> tuple[int, int]:
    for line in Path("/proc/self/maps").read_text().splitlines():
        if line.endswith(str(path)):
            assert "rw-p" in line
            start, end = line.split()[0].split("-")
            return int(start, 16), int(end, 16)
    raise AssertionError("the file is not mapped")


@pytest.mark.parametrize("name", [*FIXED, "str", "str with nulls", "Int64", "Float32"])
def test_columns_of_fixed_width_and_strings_lie_in_the_map_itself(upload: Callable[..., Any], name: str) -> None:
    stored = upload(pa.Table.from_pandas(pd.DataFrame({"x": COLUMNS[name], "y": COLUMNS[name]})))
    mapped = map_stored(stored)
    start, end = _map_of_file(stored.path)
    array: Any = mapped["y"].array
    array = array._data if name in ("Int64", "Float32") else array
    array = array.to_numpy() if name in ("int64", "int8", "float64", "float32") else array
    assert start <= _address(array) < end


@pytest.mark.parametrize("name", COLUMNS)
def test_every_column_can_be_assigned_to_in_place(upload: Callable[..., Any], name: str) -> None:
    stored = upload(pa.Table.from_pandas(pd.DataFrame({"x": COLUMNS[name]})))
    before = stored.path.read_bytes()
    mapped = map_stored(stored)
    value = mapped["x"].iloc[4]
    if isinstance(value, list | dict | np.ndarray):
        value = None
    mapped.loc[0, "x"] = value
    mapped.iloc[1, 0] = value
    mapped.loc[mapped.index == 2, "x"] = value
    assert stored.path.read_bytes() == before


def _new_column(frame: pd.DataFrame) -> None:
    frame["new"] = frame["src"] * 2


def _first_cell(frame: pd.DataFrame) -> None:
    frame.iloc[0, 0] = 99


def _masked(frame: pd.DataFrame) -> None:
    frame.loc[frame["src"] > 1, "w"] = 0.5


def _added(frame: pd.DataFrame) -> None:
    frame["src"] += 1


def _sorted(frame: pd.DataFrame) -> None:
    frame.sort_values("w", ascending=False, inplace=True)


def _dropped(frame: pd.DataFrame) -> None:
    frame.drop(columns=["name"], inplace=True)
    frame.drop(index=[0], inplace=True)


def _renamed(frame: pd.DataFrame) -> None:
    frame.rename(columns={"src": "source"}, inplace=True)


def _filled(frame: pd.DataFrame) -> None:
    frame["w"] = frame["w"].fillna(0)
    frame.fillna({"name": "?"}, inplace=True)


def _strings(frame: pd.DataFrame) -> None:
    frame.loc[1, "name"] = "zz"
    frame["name"] = frame["name"].str.upper()


def _deleted(frame: pd.DataFrame) -> None:
    del frame["w"]
    frame.insert(0, "first", range(len(frame)))


def _from_slice(frame: pd.DataFrame) -> None:
    part = frame[frame["src"] > 0]
    part = part.assign(w=1.0)
    part.iloc[0, 0] = -1
    column = frame["src"]
    column.iloc[0] = 12345


def _times(frame: pd.DataFrame) -> None:
    frame.loc[0, "when"] = pd.Timestamp("1999-01-01", tz="Europe/Berlin")
    frame["when"] += pd.Timedelta("1h")


IDIOMS = [
    _new_column,
    _first_cell,
    _masked,
    _added,
    _sorted,
    _dropped,
    _renamed,
    _filled,
    _strings,
    _deleted,
    _from_slice,
    _times,
]


@pytest.mark.parametrize("idiom", IDIOMS, ids=lambda idiom: idiom.__name__.strip("_"))
def test_idioms_in_place_do_what_they_do_to_an_ordinary_frame(
    upload: Callable[..., Any], idiom: Callable[[pd.DataFrame], None]
) -> None:
    ordinary = pd.DataFrame(
        {
            "src": [0, 1, 2, 3],
            "w": [4.0, 3.0, None, 1.0],
            "name": ["a", None, "c", "d"],
            "when": pd.date_range("2020", periods=4, tz="Europe/Berlin"),
        }
    )
    stored = upload(pa.Table.from_pandas(ordinary))
    before = stored.path.read_bytes()
    mapped = map_stored(stored)
    idiom(mapped)
    idiom(ordinary)
    pd.testing.assert_frame_equal(mapped, ordinary)
    assert stored.path.read_bytes() == before
    pd.testing.assert_frame_equal(map_stored(stored), stored.table.to_pandas())


def test_writes_that_copy_on_write_refuses_are_refused_here_too(upload: Callable[..., Any]) -> None:
    mapped = map_stored(upload(pa.table({"a": [1, 2]})))
    ordinary = pd.DataFrame({"a": [1, 2]})
    for frame in (mapped, ordinary):
        with pytest.raises(ValueError, match="read-only"):
            frame["a"].to_numpy()[0] = 9


def test_a_shallow_copy_does_not_see_later_writes(upload: Callable[..., Any]) -> None:
    mapped = map_stored(upload(pa.table({"a": [1, 2]})))
    copy = mapped.copy(deep=False)
    mapped.iloc[0, 0] = 9
    assert copy["a"].tolist() == [1, 2]


def test_the_map_lives_exactly_as_long_as_the_columns_that_refer_to_it(upload: Callable[..., Any]) -> None:
    stored = upload(pa.table({"a": range(1000), "s": ["x"] * 1000}))
    mapped = map_stored(stored)
    column, text = mapped["a"], mapped["s"]
    stored.path.unlink()
    del mapped
    gc.collect()
    assert column.sum() == 499_500
    assert (text == "x").all()
    gone = f"{stored.path} (deleted)"
    assert gone in Path("/proc/self/maps").read_text()
    del column, text
    gc.collect()
    assert gone not in Path("/proc/self/maps").read_text()


def test_no_descriptor_stays_open(upload: Callable[..., Any]) -> None:
    stored = upload(pa.table({"a": [1]}))
    before = len(os.listdir("/proc/self/fd"))
    mapped = map_stored(stored)
    assert len(os.listdir("/proc/self/fd")) == before
    assert mapped["a"].tolist() == [1]
