"""Mapped frames: equal to ordinary ones, writable like ordinary ones, and never a danger to the file."""

import datetime
import decimal
import gc
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from runtime.datasets.frames import map_frame
from runtime.errors import DatasetUnreadable

N = 5
_RANGE = list(range(N))

COLUMNS: dict[str, Any] = {
    "int64": pd.Series(_RANGE),
    "int8": pd.Series(_RANGE, dtype="int8"),
    "uint16": pd.Series(_RANGE, dtype="uint16"),
    "float64": pd.Series(_RANGE) / 2,
    "float32": pd.Series(_RANGE, dtype="float32"),
    "float16": pd.Series(_RANGE, dtype="float16"),
    "float with nulls": pd.Series([1.0, None, 2.0, None, 3.0]),
    "bool": pd.Series([True, False, True, True, False]),
    "bool with nulls": pd.Series([True, None, True, None, False], dtype=object),
    "str": pd.Series(list("abcde")),
    "str with nulls": pd.Series(["é", None, "", "d", None]),
    "string": pd.Series(list("abcd") + [None], dtype="string"),
    "timestamp us": pd.Series(pd.date_range("2020", periods=N)),
    "timestamp ns": pd.Series(pd.date_range("2020", periods=N, unit="ns")),
    "timestamp s": pd.Series(pd.date_range("2020", periods=N, unit="s")),
    "timestamp with zone": pd.Series(pd.date_range("2020", periods=N, tz="Europe/Berlin")),
    "timestamp with nulls": pd.Series([pd.Timestamp("2020"), None, None, None, pd.Timestamp("2021")]),
    "timestamp with zone and nulls": pd.Series([pd.Timestamp("2020", tz="UTC"), None, None, None, None]),
    "duration": pd.Series(pd.to_timedelta(_RANGE, unit="s")),
    "Int64": pd.Series([1, None, 2, 3, 4], dtype="Int64"),
    "Float32": pd.Series([1, None, 2, 3, 4], dtype="Float32"),
    "boolean": pd.Series([True, None, False, False, True], dtype="boolean"),
    "category": pd.Series(pd.Categorical(["b", "a", "b", None, "a"])),
    "ordered category of ints": pd.Series(pd.Categorical([3, 1, 2, 3, 1], ordered=True)),
    "decimal": pd.Series([decimal.Decimal("1.50")] * N),
    "date": pd.Series([datetime.date(2020, 1, 1), None] * 2 + [None], dtype=object),
    "time": pd.Series([datetime.time(1, 2)] * N),
    "bytes": pd.Series([b"\x00\xff", None, b"", b"x", b"y"], dtype=object),
    "list": pd.Series([[1, 2], [], None, [3], [4]]),
    "struct": pd.Series([{"a": 1, "b": "x"}] * N),
    "all null": pd.Series([None] * N, dtype=object),
    "period": pd.Series(pd.period_range("2020", periods=N, freq="D")),
    "interval": pd.Series(pd.interval_range(0, N)),
    "int64[pyarrow]": pd.Series(_RANGE, dtype="int64[pyarrow]"),
}


def _mapped(stored: Any) -> pd.DataFrame:
    descriptor = stored.open()
    try:
        return map_frame(descriptor)
    finally:
        os.close(descriptor)


@pytest.mark.parametrize("name", COLUMNS)
@pytest.mark.parametrize("rows", [N, 0], ids=["rows", "no rows"])
def test_a_mapped_column_equals_the_one_that_was_uploaded(upload: Callable[..., Any], name: str, rows: int) -> None:
    frame = pd.DataFrame({"x": COLUMNS[name]}).iloc[:rows]
    arrow = pa.Table.from_pandas(pd.DataFrame({"x": COLUMNS[name]})).slice(0, rows)
    stored = upload(arrow)
    mapped = _mapped(stored)
    pd.testing.assert_frame_equal(mapped, stored.table.to_pandas())
    if rows:
        pd.testing.assert_frame_equal(mapped, frame, check_column_type=False)
    assert stored.report["dtypes"] == {"x": str(mapped.dtypes["x"])}


def test_all_columns_together_equal_pyarrow_s_frame(upload: Callable[..., Any]) -> None:
    stored = upload(pa.Table.from_pandas(pd.DataFrame(COLUMNS)))
    mapped, ordinary = _mapped(stored), stored.table.to_pandas()
    pd.testing.assert_frame_equal(mapped, ordinary)
    assert mapped.columns.equals(ordinary.columns)
    assert isinstance(mapped.index, pd.RangeIndex)


def test_a_table_without_columns_is_a_frame_without_columns(upload: Callable[..., Any]) -> None:
    assert _mapped(upload(pa.table({}))).shape == (0, 0)


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


@pytest.mark.parametrize("name", [*FIXED, "str", "str with nulls"])
def test_columns_of_fixed_width_and_strings_lie_in_the_map_itself(upload: Callable[..., Any], name: str) -> None:
    stored = upload(pa.Table.from_pandas(pd.DataFrame({"x": COLUMNS[name], "y": COLUMNS[name]})))
    mapped = _mapped(stored)
    start, end = _map_of_file(stored.path)
    array: Any = mapped["y"].array
    array = array.to_numpy() if name in ("int64", "int8", "float64", "float32") else array
    assert start <= _address(array) < end


@pytest.mark.parametrize("name", COLUMNS)
def test_every_column_can_be_assigned_to_in_place(upload: Callable[..., Any], name: str) -> None:
    stored = upload(pa.Table.from_pandas(pd.DataFrame({"x": COLUMNS[name]})))
    before = stored.path.read_bytes()
    mapped = _mapped(stored)
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
    mapped = _mapped(stored)
    idiom(mapped)
    idiom(ordinary)
    pd.testing.assert_frame_equal(mapped, ordinary)
    assert stored.path.read_bytes() == before
    pd.testing.assert_frame_equal(_mapped(stored), stored.table.to_pandas())


def test_what_copy_on_write_refuses_is_refused_here_too(upload: Callable[..., Any]) -> None:
    mapped = _mapped(upload(pa.table({"a": [1, 2]})))
    ordinary = pd.DataFrame({"a": [1, 2]})
    for frame in (mapped, ordinary):
        with pytest.raises(ValueError, match="read-only"):
            frame["a"].to_numpy()[0] = 9


def test_a_shallow_copy_does_not_see_later_writes(upload: Callable[..., Any]) -> None:
    mapped = _mapped(upload(pa.table({"a": [1, 2]})))
    copy = mapped.copy(deep=False)
    mapped.iloc[0, 0] = 9
    assert copy["a"].tolist() == [1, 2]


def test_the_map_lives_exactly_as_long_as_what_refers_to_it(upload: Callable[..., Any]) -> None:
    stored = upload(pa.table({"a": range(1000), "s": ["x"] * 1000}))
    mapped = _mapped(stored)
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
    mapped = _mapped(stored)
    assert len(os.listdir("/proc/self/fd")) == before
    assert mapped["a"].tolist() == [1]


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
