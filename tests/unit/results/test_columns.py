"""Frames written by whole columns: byte for byte what their rows are, value by value, and the same errors."""

import datetime as dt
import decimal
import io
import uuid
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from runtime.errors import ResultNotSerializable
from runtime.results.columns import joined_rows
from runtime.results.document import dumps_slowly
from runtime.results.encoding import encode
from runtime.results.frames import column_names, to_pandas
from runtime.results.records import records
from runtime.results.values import key_text

NAN = float("nan")
SLOWLY = settings(deadline=None, max_examples=60)  # the machine may be busy
ALL_BYTES = "".join(map(chr, range(0x180))) + "\u2028\ufeff\U0001f600"


def encoded(value: object, output_type: Any = "json") -> bytes:
    sink = io.BytesIO()
    encode(value, output_type, "json", False, sink)
    return sink.getvalue()


def row_by_row(frame: Any) -> bytes:
    """The slow way: dicts of Python values, each walked here."""
    rows = records(to_pandas(frame), column_names(frame))
    return b"[" + b",".join(dumps_slowly(row, 1) for row in rows) + b"]"


def by_column(frame: pd.DataFrame) -> bytes:
    """What a frame of too few rows for it would be if it had more of them; by rows where there is no short way."""
    joined = joined_rows(frame, column_names(frame))
    assert joined is None or bytes(joined[:1]) == b","
    return encoded(frame) if joined is None else b"[" + bytes(joined[1:]) + b"]"


def arrow(values: list[Any], kind: Any) -> "pd.Series[Any]":
    return pd.Series(values, dtype=pd.ArrowDtype(kind))


def stamps(unit: Any, zone: str | None = None) -> "pd.Series[Any]":
    texts = ["1969-12-31T23:59:59.5", "2024-03-31T00:30", "NaT", "2024-10-27T00:59:59.000001", "1900-01-01"]
    index = pd.to_datetime(texts, format="ISO8601").as_unit(unit)
    return pd.Series(index.tz_localize("UTC").tz_convert(zone) if zone else index)


INTEGERS = ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]
FLOATS = [0.0, -0.0, 1.0, -1.5, 0.1, 1e15, 1e16, 1e17, 1e21, 1e22, 1e-5, 1e-6, 1e-7, 5e-324, 1.7e308, NAN, np.inf]

SHORT: dict[str, Any] = {
    **{kind: np.array([np.iinfo(kind).min, 0, 7, np.iinfo(kind).max], dtype=kind) for kind in INTEGERS},
    **{f"Arrow {kind}": arrow([0, None, 100], pa.from_numpy_dtype(np.dtype(kind))) for kind in INTEGERS},
    **{
        f"nullable {kind}": pd.Series([0, None, 100], dtype=kind.replace("i", "I").replace("u", "U"))
        for kind in INTEGERS
    },
    "big-endian": np.array([1, -2], dtype=">i4"),
    "big-endian floats": np.array([1.5, -2], dtype=">f8"),
    "every other": np.arange(10)[::2],
    "backwards": np.arange(10.0)[::-1],
    "bool": np.array([True, False]),
    "boolean": pd.Series([True, None, False], dtype="boolean"),
    "Arrow bool": arrow([True, None], pa.bool_()),
    "float64": np.array(FLOATS),
    "float32": np.array([0.1, -0.0, 1, NAN, np.inf, 3e38, 1e-45], dtype="float32"),
    "float16": np.array([0.1, -0.0, 1, NAN, np.inf, 65504], dtype="float16"),
    "Float64": pd.Series([1.0, None, -0.0], dtype="Float64"),
    "Float32": pd.Series([0.1, None, 1], dtype="Float32"),
    "Float64 with NaN": pd.Series([0.0, 1.0], dtype="Float64") / pd.Series([0.0, 1.0], dtype="Float64"),
    "Arrow float": arrow([0.1, None, NAN], pa.float32()),
    "Arrow half": arrow([np.float16(0.1), None], pa.float16()),
    "str": pd.Series(["a", "", "ä\U0001f600"], dtype="str"),
    "str with gaps": pd.Series(["a", None, "", 'q"'], dtype="str"),
    "str without any": pd.Series([None, None], dtype="str"),
    "empty str": pd.Series(["", ""], dtype="str"),
    "commas and quotes": pd.Series([",", '","', '"', "\\", '\\"', '},{"a":'], dtype="str"),
    "every byte": pd.Series([ALL_BYTES, ALL_BYTES[::-1], *ALL_BYTES], dtype="str"),
    "part of a str": pd.Series(["\n", "a", None, "b", "\\"], dtype="str").iloc[1:4],
    "string[python]": pd.Series(["a", None, "\t"], dtype="string[python]"),
    "string[pyarrow]": pd.Series(["a", None, "\t"], dtype="string[pyarrow]"),
    "Arrow string": arrow(["a", None, "\0"], pa.string()),
    "Arrow large string": arrow(["a", "b"], pa.large_string()),
    "Arrow string view": arrow(["a", None], pa.string_view()),
    "two chunks": pd.concat([pd.Series(["a", None], dtype="str"), pd.Series(["b"], dtype="str")]),
    "objects of str": pd.Series(["a", None, '"'], dtype=object),
    "objects of str and NaN": pd.Series(["a", NAN, ',\n  "'], dtype=object),
    "objects of several kinds": pd.Series([1, "a", None, 1.0, True, b"x", pd.NA, pd.NaT, NAN], dtype=object),
    "objects of numpy": pd.Series([np.int8(1), np.float32(0.1), np.str_('"'), np.datetime64("NaT")], dtype=object),
    "dates": pd.Series([dt.date(2024, 5, 1), None, dt.time(1), dt.datetime(1, 1, 1, tzinfo=dt.UTC)], dtype=object),
    "Decimals": pd.Series([decimal.Decimal("1.10"), decimal.Decimal("NaN")], dtype=object),
    "UUIDs": pd.Series([uuid.UUID(int=1)], dtype=object),
    "Arrow Decimals": arrow([decimal.Decimal("1.10"), None], pa.decimal128(5, 2)),
    "Arrow dates": arrow([dt.date(2024, 5, 1), None], pa.date32()),
    "Arrow timestamps": arrow([dt.datetime(2024, 5, 1), None], pa.timestamp("us", "Asia/Kolkata")),
    "Arrow binary": arrow([b"\xff", None], pa.binary()),
    "Arrow dictionary": arrow(["a", None, "a"], pa.dictionary(pa.int8(), pa.string())),
    **{f"datetime64[{unit}]": stamps(unit) for unit in ("s", "ms", "us", "ns")},
    **{f"datetimes in {zone}": stamps("ns", zone) for zone in ("UTC", "Europe/Paris", "America/St_Johns")},
    "years beyond four digits": np.array(["-0044-03-15", "12024-01-01", "0001-01-01"], dtype="M8[s]"),
    "timedeltas": pd.Series([1, None, -(10**10)], dtype="timedelta64[ns]"),
    "categories": pd.Categorical(["b", None, 'a"', "b"]),
    "more categories than rows": pd.Categorical(["b", None], categories=list("abcdef")),
    "categories without values": pd.Categorical([None, None]),
    "categories of integers": pd.Categorical([3, None, 1]),
    "categories of times": pd.Categorical(stamps("ns", "UTC")),
    "categories of intervals": pd.cut(pd.Series([1, 5, 9]), 2),
    "periods": pd.period_range("2024-05", periods=2, freq="M"),
    "sparse": pd.arrays.SparseArray([0, 1]),
}

ODD: dict[str, Any] = {
    "lists": pd.Series([[1], [], None], dtype=object),
    "dicts": pd.Series([{"a": [1]}, {}], dtype=object),
    "Arrow lists": arrow([[1, 2], None], pa.list_(pa.int64())),
    "Arrow structs": arrow([{"a": 1}, None], pa.struct([("a", pa.int8())])),
    "integers over 64 bits": pd.Series([2**64, 1], dtype=object),
    "lone surrogates": pd.Series(["a\udc80", "b"], dtype=object),
    "str subclass": pd.Series([type("Text", (str,), {})("a"), "b"], dtype=object),
    "structured": pd.Series([np.array([(1,)], dtype=[("a", "i4")])[0]], dtype=object),
    "categories of tuples": pd.Categorical([(1, 2), (3,), None]),
}


@pytest.mark.parametrize("column", SHORT.values(), ids=SHORT.keys())
def test_a_column_has_the_bytes_of_its_values_wherever_it_stands(column: Any) -> None:
    alone = pd.DataFrame({"a": column}).reset_index(drop=True)
    frame = alone.assign(n=np.arange(len(alone)), b=alone["a"], s=["x"] * len(alone), c=alone["a"])
    for part in (alone, frame, frame[["n", "a"]], frame[["s", "a", "s"]].set_axis(["p", "q", "r"], axis=1)):
        written = joined_rows(part, list(part.columns))
        assert written is not None or column is SHORT["categories without values"]
        assert by_column(part) == encoded(part) == row_by_row(part)


@pytest.mark.parametrize("column", ODD.values(), ids=ODD.keys())
def test_a_column_without_a_short_way_is_written_by_rows(column: Any) -> None:
    frame = pd.DataFrame({"n": 1, "a": column, "s": "x"})
    assert joined_rows(frame, list(frame.columns)) is None
    assert encoded(frame) == row_by_row(frame)


@SLOWLY
@given(arrays(np.float64, st.integers(1, 50), elements=st.floats(width=64)))
def test_floats_of_a_column_read_like_single_ones(values: "np.ndarray[Any, Any]") -> None:
    assert by_column(pd.DataFrame({"a": values})) == row_by_row(pd.DataFrame({"a": values}))


@SLOWLY
@given(arrays(np.float32, st.integers(1, 50), elements=st.floats(width=32)))
def test_narrow_floats_of_a_column_are_widened_like_single_ones(values: "np.ndarray[Any, Any]") -> None:
    assert by_column(pd.DataFrame({"a": values})) == row_by_row(pd.DataFrame({"a": values}))


STAMPS = st.lists(st.datetimes(dt.datetime(1678, 1, 1), dt.datetime(2261, 1, 1)) | st.none(), min_size=1, max_size=20)


@SLOWLY
@given(STAMPS, st.sampled_from([None, "UTC", "Europe/Paris", "Asia/Kolkata"]), st.sampled_from(["s", "us", "ns"]))
def test_times_of_a_column_read_like_single_ones(values: list[Any], zone: str | None, unit: Any) -> None:
    index = pd.DatetimeIndex(values).as_unit(unit)
    column = pd.Series(index.tz_localize("UTC").tz_convert(zone) if zone else index)
    assert by_column(pd.DataFrame({"a": column})) == row_by_row(pd.DataFrame({"a": column}))
    assert by_column(pd.DataFrame({"a": column})) == row_by_row(pd.DataFrame({"a": column.astype(object)}))
    frame = pd.DataFrame({"a": column.astype(pd.ArrowDtype(pa.timestamp(unit, zone)))})
    assert by_column(frame) == row_by_row(frame)


TEXTS = st.lists(st.text(max_size=20) | st.text('",\\\n\t\0\x1f\x7f{}[]: a', max_size=20) | st.none(), min_size=1)


@SLOWLY
@given(TEXTS, st.sampled_from(["str", "object", "category", "string[python]"]))
def test_texts_of_a_column_are_escaped_like_single_ones(values: list[str | None], dtype: Any) -> None:
    frame = pd.DataFrame({"a": pd.Series(values, dtype=dtype), "b": pd.Series(values, dtype=dtype)})
    assert by_column(frame) == row_by_row(frame)


@SLOWLY
@given(st.dictionaries(st.text(max_size=5) | st.integers() | st.floats(allow_nan=False), st.integers(0, 9), min_size=1))
def test_names_of_columns_are_written_as_keys(row: dict[Any, int]) -> None:
    if len(set(map(key_text, row))) == len(row):
        frame = pd.DataFrame([list(row.values())], columns=pd.Index(list(row), dtype=object))
        assert by_column(frame) == encoded([row])


@SLOWLY
@given(st.data())
def test_any_columns_side_by_side_have_the_bytes_of_their_rows(data: st.DataObject) -> None:
    named = data.draw(st.lists(st.sampled_from(sorted(SHORT | ODD)), min_size=1, max_size=6, unique=True))
    columns = {name: pd.Series((SHORT | ODD)[name]).reset_index(drop=True).head(1) for name in named}
    frame = pd.DataFrame({name: pd.concat([column] * 3, ignore_index=True) for name, column in columns.items()})
    assert by_column(frame) == row_by_row(frame)


MANY = pd.DataFrame({"n": np.arange(100_000), "s": pd.Series(np.arange(100_000)).astype(str), "w": 0.5})


@pytest.mark.parametrize(
    "frame",
    [
        MANY,
        MANY.assign(s="é" * 300),
        MANY.assign(c=MANY["s"].astype("category")),
        MANY.assign(o=pd.Series([*[None] * 99_999, [1]], dtype=object)),
        MANY.assign(o=pd.Series([[1], *[None] * 99_999], dtype=object)),
        MANY.assign(i=pd.Series([1, *[None] * 99_999], dtype="Int64")).set_index("w"),
        pa.Table.from_pandas(MANY),
        pa.concat_tables([pa.table({"a": [1, None]}), pa.table({"a": [3, 4]})] * 5000),
        pa.RecordBatch.from_pandas(MANY),
        pd.DataFrame(np.arange(600_000.0).reshape(200, 3000)),
        pd.DataFrame({"a": ["x" * 3_000_000] * 12, "b": 1}),
        pd.DataFrame({"a": pd.Series(["x" * 3_000_000] * 8, dtype=object)}),
        pd.DataFrame({"a": pd.Categorical(["x" * 3_000_000] * 8)}),
    ],
    ids=[
        "narrow",
        "long texts",
        "many categories",
        "odd at the end",
        "odd at the start",
        "missing",
        "Arrow",
        "Arrow in chunks",
        "record batch",
        "wide",
        "huge texts",
        "one huge text many times",
        "a huge category",
    ],
)
def test_a_frame_of_several_parts_has_the_bytes_of_its_rows(frame: Any) -> None:
    written = encoded({"nodes": frame, "edges": None}, "all")
    assert written == b'{"nodes":' + row_by_row(frame) + b',"edges":[]}'


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        (pd.DataFrame(), b"[]"),
        (pd.DataFrame(index=range(100_000)), b"[]"),
        (pd.DataFrame({"a": pd.Series([], dtype="str"), "b": []}), b"[]"),
        (pa.table({}), b"[]"),
        ({"a": [pd.DataFrame({'q"\n': [1]}, index=[5]), {}]}, b'{"a":[[{"q\\"\\n":1}],{}]}'),
        ((pd.DataFrame({("a", 1): [1], 2.5: [None]}),), b'[[{"(\'a\', 1)":1,"2.5":null}]]'),
    ],
    ids=["nothing", "no columns", "no rows", "Arrow without columns", "inside", "names"],
)
def test_frames_without_much_in_them(frame: object, expected: bytes) -> None:
    assert encoded(frame) == expected


def test_bytes_in_an_arrow_string_that_are_not_utf_8_are_never_sent() -> None:
    offsets = pa.py_buffer(np.arange(0, 2002, 2).tobytes())
    forged = pa.Array.from_buffers(pa.large_string(), 1000, [None, offsets, pa.py_buffer(b"\xff\xfe" * 1000)])
    with pytest.raises(ResultNotSerializable, match=r"writing the task's result raised"):
        encoded(pa.table({"a": forged}))


def test_the_place_of_a_bad_cell_counts_the_rows_written_by_column() -> None:
    frame = MANY.assign(o=pd.Series([*["a"] * 99_999, object()], dtype=object))
    with pytest.raises(ResultNotSerializable, match=r"at result\['x'\]\[0\]\[99999\]\['o'\]: a value of type object"):
        encoded({"x": [frame]})


@pytest.mark.parametrize("rows", [1, 1000])
@pytest.mark.parametrize("around", [251, 252, 253, 254])
def test_a_frame_may_be_nested_as_deeply_as_its_rows(around: int, rows: int) -> None:
    value: object = pd.DataFrame({"a": [1] * rows})
    for _ in range(around):
        value = [value]
    if around + 2 <= 254:
        assert encoded(value) == b"[" * (around + 1) + b",".join([b'{"a":1}'] * rows) + b"]" * (around + 1)
    else:
        with pytest.raises(ResultNotSerializable, match="deeper than 254 levels"):
            encoded(value)


def test_an_old_zone_keeps_the_seconds_of_its_offset() -> None:
    stamp = pd.Timestamp(1900, 1, 1, tz=ZoneInfo("Europe/Paris"))
    assert by_column(pd.DataFrame({"a": [stamp]})) == b'[{"a":"1900-01-01T00:00:00+00:09:21"}]'
