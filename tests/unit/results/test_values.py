"""docs/results.md, value by value: one rule for everything that JSON has no form for."""

import array
import collections
import dataclasses
import datetime as dt
import decimal
import enum
import fractions
import io
import ipaddress
import json
import pathlib
import types
import uuid
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import orjson
import pandas as pd
import pyarrow as pa
import pytest

from runtime.errors import ResultNotSerializable
from runtime.results.encoding import encode

Point = collections.namedtuple("Point", "x y")
NAN = float("nan")


class Text(str):
    """A subclass with a look of its own, which is not what is sent."""

    def __str__(self) -> str:
        return "other"


class Number(int):
    pass


class Lookup(dict[str, int]):
    def __missing__(self, key: str) -> int:
        return 0


class Colour(enum.Enum):
    RED = "red"
    STAMP = pd.Timestamp("2024-01-02")


class Level(enum.IntEnum):
    LOW = 1


@dataclasses.dataclass
class Place:
    name: str
    at: dt.date
    _private: int = 1


@dataclasses.dataclass(slots=True)
class Slotted:
    x: float = NAN


def encoded(value: object, accepts_text: bool = False) -> bytes:
    sink = io.BytesIO()
    encode(value, "json", "json", accepts_text, sink)
    return sink.getvalue()


def tuples(depth: int) -> object:
    value: object = ()
    for _ in range(depth - 1):
        value = (value,)
    return value


VALUES: list[tuple[str, object, str]] = [
    ("None", None, "null"),
    ("bool", True, "true"),
    ("str", "ä\n\0", '"ä\\n\\u0000"'),
    ("str subclass", Text("x"), '"x"'),
    ("int subclass", Number(3), "3"),
    ("dict subclass", Lookup(a=1), '{"a":1}'),
    ("defaultdict", collections.defaultdict(int, a=1), '{"a":1}'),
    ("Counter", collections.Counter("aab"), '{"a":2,"b":1}'),
    ("NaN", NAN, "null"),
    ("infinity", float("-inf"), "null"),
    ("NaN deep inside", {"a": [{"b": (NAN, np.float32("inf"))}]}, '{"a":[{"b":[null,null]}]}'),
    ("numpy NaN", np.float64("nan"), "null"),
    ("NaT", pd.NaT, "null"),
    ("NA", pd.NA, "null"),
    ("numpy NaT", np.datetime64("NaT"), "null"),
    ("numpy NaT of a timedelta", np.timedelta64("NaT"), "null"),
    ("int over 2^53", 2**53 + 1, "9007199254740993"),
    ("int64 minimum", -(2**63), "-9223372036854775808"),
    ("uint64 maximum", 2**64 - 1, "18446744073709551615"),
    ("int over 64 bits", {"a": [2**64, -(2**63) - 1]}, '{"a":[18446744073709551616,-9223372036854775809]}'),
    ("int of 4300 digits", 10**4299, "1" + "0" * 4299),
    ("Arrow integers with a gap", pa.array([2**53 + 1, None]), "[9007199254740993,null]"),
    ("Arrow table with a gap", pa.table({"a": pa.array([2**53 + 1, None])}), '[{"a":9007199254740993},{"a":null}]'),
    ("Arrow table of narrow integers", pa.table({"a": pa.array([1, None], pa.int8())}), '[{"a":1},{"a":null}]'),
    ("Arrow lists", pa.table({"a": [[2**53 + 1, None], None]}), '[{"a":[9007199254740993,null]},{"a":null}]'),
    ("Arrow map", pa.table({"a": pa.array([[("k", 1)]], pa.map_(pa.string(), pa.int8()))}), '[{"a":[["k",1]]}]'),
    ("Arrow scalar as a key", {pa.scalar(3): pa.scalar(2**53 + 1)}, '{"3":9007199254740993}'),
    ("Arrow times", pa.array([1, 3_600_000_000_000], pa.time64("ns")), '["00:00:00.000000001","01:00:00"]'),
    ("Arrow instants of any year", pa.array([10**12], pa.timestamp("s")), '["33658-09-27T01:46:40"]'),
    (
        "Arrow nested instants",
        pa.array([[10**12], None], pa.list_(pa.timestamp("s"))),
        '[["33658-09-27T01:46:40"],null]',
    ),
    ("Arrow bool8", pa.ExtensionArray.from_storage(pa.bool8(), pa.array([1, None], pa.int8())), "[true,null]"),
    ("numpy years", [np.timedelta64(1, "Y"), np.timedelta64(-3, "M"), np.timedelta64(5)], '["P1Y","-P3M",5]'),
    ("numpy year 12024", np.datetime64("12024-01-01"), '"12024-01-01T00:00:00"'),
    ("numpy record with a time", np.array([(1, "2024-01-01")], "i4,M8[ns]"), '[[1,"2024-01-01T00:00:00"]]'),
    ("dtypes", pd.DataFrame({"a": [1], "b": ["x"]}).dtypes, '["int64","str"]'),
    ("addresses", ipaddress.ip_address("10.0.0.1"), '"10.0.0.1"'),
    ("fractions", fractions.Fraction(1, 3), '"1/3"'),
    ("Enum", Colour.RED, '"red"'),
    ("Enum of an odd value", Colour.STAMP, '"2024-01-02T00:00:00"'),
    ("IntEnum", Level.LOW, "1"),
    ("bytes", b"\xff\0", '"/wA="'),
    ("bytearray", bytearray(b"ab"), '"YWI="'),
    ("memoryview with steps", memoryview(b"a.b.")[::2], '"YWI="'),
    ("Decimal", decimal.Decimal("1.10"), '"1.10"'),
    ("Decimal NaN", decimal.Decimal("NaN"), "null"),
    ("Decimal infinity", decimal.Decimal("-Infinity"), "null"),
    ("UUID", uuid.UUID(int=1), '"00000000-0000-0000-0000-000000000001"'),
    ("path", pathlib.PurePosixPath("a/b"), '"a/b"'),
    ("datetime", dt.datetime(2024, 5, 1, 12), '"2024-05-01T12:00:00"'),
    ("datetime with microseconds", dt.datetime(2024, 5, 1, 12, 0, 0, 5), '"2024-05-01T12:00:00.000005"'),
    ("datetime UTC", dt.datetime(2024, 5, 1, tzinfo=dt.UTC), '"2024-05-01T00:00:00+00:00"'),
    (
        "datetime in an old zone",
        dt.datetime(1900, 1, 1, tzinfo=ZoneInfo("Europe/Paris")),
        '"1900-01-01T00:00:00+00:09:21"',
    ),
    ("Timestamp", pd.Timestamp("2024-05-01 12:00", tz="Asia/Kolkata"), '"2024-05-01T12:00:00+05:30"'),
    ("Timestamp with nanoseconds", pd.Timestamp(1, unit="ns"), '"1970-01-01T00:00:00.000000001"'),
    ("numpy datetime64", np.datetime64("2024-05-01"), '"2024-05-01T00:00:00"'),
    ("date", dt.date(2024, 5, 1), '"2024-05-01"'),
    ("time", dt.time(1, 2, 3, 4, tzinfo=dt.UTC), '"01:02:03.000004+00:00"'),
    ("timedelta", dt.timedelta(days=1, seconds=3661), '"P1DT1H1M1S"'),
    ("negative timedelta", dt.timedelta(seconds=-0.5), '"-P0DT0H0M0.5S"'),
    ("largest timedelta", dt.timedelta.max, '"P999999999DT23H59M59.999999S"'),
    ("Timedelta with nanoseconds", pd.Timedelta(1, unit="ns"), '"P0DT0H0M0.000000001S"'),
    ("numpy timedelta64", np.timedelta64(90, "m"), '"P0DT1H30M0S"'),
    ("Period", pd.Period("2024-05", freq="M"), '"2024-05"'),
    ("Interval", pd.Interval(0, 1, closed="left"), '"[0, 1)"'),
    ("numpy int", np.int64(2**62), str(2**62)),
    ("numpy uint", np.uint64(2**64 - 1), str(2**64 - 1)),
    ("numpy bool", np.bool_(True), "true"),
    ("numpy str", np.str_("x"), '"x"'),
    ("numpy bytes", np.bytes_(b"x"), '"eA=="'),
    ("float32 is widened", np.float32(0.1), "0.10000000149011612"),
    ("long double", np.longdouble("1.5"), "1.5"),
    ("array of 0 dimensions", np.array(1.5), "1.5"),
    ("time array of 0 dimensions", np.array("2024-05-01", dtype="M8[s]"), '"2024-05-01T00:00:00"'),
    ("array of 2 dimensions", np.arange(4).reshape(2, 2).T, "[[0,2],[1,3]]"),
    ("big-endian array", np.array([1, 2], dtype=">i4"), "[1,2]"),
    ("object array", np.array([1, None, {"a": b"x"}], dtype=object), '[1,null,{"a":"eA=="}]'),
    ("datetime array", np.array(["2024-05-01", "NaT"], dtype="M8[ns]"), '["2024-05-01T00:00:00",null]'),
    ("timedelta array", np.array([1, "NaT"], dtype="m8[s]"), '["P0DT0H0M1S",null]'),
    ("masked array", np.ma.masked_array([1, 2], mask=[False, True]), "[1,null]"),
    ("structured array", np.array([(1, 2.5)], dtype=[("a", "i4"), ("b", "f8")]), "[[1,2.5]]"),
    ("array.array", array.array("d", [1.5]), "[1.5]"),
    ("tuple", (1, (2,)), "[1,[2]]"),
    ("namedtuple", Point(1, 2), "[1,2]"),
    ("set", {3, 1, 2}, "[1,2,3]"),
    ("frozenset", frozenset("cab"), '["a","b","c"]'),
    ("deque", collections.deque([1, 2]), "[1,2]"),
    ("range", range(3), "[0,1,2]"),
    ("dict keys", {"b": 1, "a": 2}.keys(), '["b","a"]'),
    ("dict items", {"b": 1}.items(), '[["b",1]]'),
    ("mapping", types.MappingProxyType({"a": 1}), '{"a":1}'),
    ("ChainMap", collections.ChainMap({"a": 1}), '{"a":1}'),
    ("dataclass", Place("x", dt.date(2024, 5, 1)), '{"name":"x","at":"2024-05-01","_private":1}'),
    ("dataclass with slots", Slotted(), '{"x":null}'),
    ("Series", pd.Series([1.5, None], index=["a", "b"]), "[1.5,null]"),
    ("Series of nullable ints", pd.Series([1, None], dtype="Int64"), "[1,null]"),
    ("Series of categories", pd.Series(["b", None, "a"], dtype="category"), '["b",null,"a"]'),
    ("Index", pd.Index(["a", None]), '["a",null]'),
    ("DatetimeIndex", pd.DatetimeIndex(["2024-05-01"], tz="UTC"), '["2024-05-01T00:00:00+00:00"]'),
    ("MultiIndex", pd.MultiIndex.from_tuples([(1, "a")]), '[[1,"a"]]'),
    ("extension array", pd.array([True, None]), "[true,null]"),
    ("sparse array", pd.arrays.SparseArray([0, 1]), "[0,1]"),
    ("Arrow array", pa.array([1, None]), "[1,null]"),
    ("Arrow scalar", pa.scalar(b"x"), '"eA=="'),
    ("Arrow table", pa.table({"a": [1]}), '[{"a":1}]'),
    ("frames inside", {"nodes": pd.DataFrame({"a": [NAN]})}, '{"nodes":[{"a":null}]}'),
    ("surrogate pair", "\ud83d\ude00", '"\U0001f600"'),
    ("lone surrogates", ["\udc80x", Text("\ud83d")], '["\ufffdx","\ufffd"]'),
    ("254 levels of tuples", tuples(254), "[" * 254 + "]" * 254),
    ("254 levels", json.loads("[" * 254 + "]" * 254), "[" * 254 + "]" * 254),
]
NAMES = [name for name, _, _ in VALUES]


@pytest.mark.parametrize(("value", "expected"), [row[1:] for row in VALUES], ids=NAMES)
def test_every_odd_value_has_one_form(value: object, expected: str) -> None:
    assert encoded(value).decode() == expected


@pytest.mark.parametrize(("value", "expected"), [row[1:] for row in VALUES if "levels" not in row[0]], ids=NAMES[:-2])
def test_the_form_is_the_same_where_orjson_gives_up(value: object, expected: str) -> None:
    """An integer beside it that is too large for orjson sends the whole document the slow way."""
    assert encoded([2**64, value]).decode() == f"[{2**64},{expected}]"


KEYS: list[tuple[str, object, str]] = [
    ("int", 1, "1"),
    ("int over 64 bits", 2**64, str(2**64)),
    ("float", 1.0, "1.0"),
    ("NaN", NAN, "null"),
    ("bool", True, "true"),
    ("None", None, "null"),
    ("str subclass", Text("x"), "x"),
    ("numpy int", np.int8(3), "3"),
    ("numpy str", np.str_("x"), "x"),
    ("Timestamp", pd.Timestamp("2024-05-01"), "2024-05-01T00:00:00"),
    ("date", dt.date(2024, 5, 1), "2024-05-01"),
    ("timedelta", dt.timedelta(seconds=1), "P0DT0H0M1S"),
    ("NaT", pd.NaT, "null"),
    ("Decimal", decimal.Decimal("1.0"), "1.0"),
    ("UUID", uuid.UUID(int=0), "00000000-0000-0000-0000-000000000000"),
    ("Enum", Colour.RED, "red"),
    ("Interval", pd.Interval(0, 1), "(0, 1]"),
    ("bytes", b"x", "eA=="),
    ("lone surrogate", "\udc80", "\ufffd"),
]


@pytest.mark.parametrize(("key", "expected"), [row[1:] for row in KEYS], ids=[row[0] for row in KEYS])
def test_a_key_is_the_text_of_the_value_it_would_be(key: object, expected: str) -> None:
    assert orjson.loads(encoded({key: 1})) == {expected: 1}


def circular(kind: str) -> object:
    knot: list[Any] = []
    if kind == "list":
        knot.append(knot)
    elif kind == "dict":
        knot.append({"again": knot})
    elif kind == "tuple":
        knot.append((knot,))
    else:
        box = np.empty(1, dtype=object)
        box[0] = box
        return box
    return {"a": knot}


class Rude:
    def __repr__(self) -> str:
        raise RuntimeError


REFUSED: list[tuple[str, object, str]] = [
    ("object", {"a": [1, {"b": object()}]}, "result['a'][1]['b']: a value of type object has no form"),
    ("complex", 1j, "real and imaginary"),
    ("numpy complex", np.complex64(1), "real and imaginary"),
    ("complex array", np.array([1j]), "real and imaginary"),
    ("complex column", pd.DataFrame({"c": [1j]}), "result[0]['c']"),
    ("generator", iter(()), "has no form in JSON; put list(...) around it"),
    ("map", map(str, [1]), "put list(...)"),
    ("function", len, "call it"),
    ("class", int, "call it"),
    ("dataclass type", Place, "call it"),
    ("module", json, "type module"),
    ("group by", pd.DataFrame({"a": [1]}).groupby("a"), "DataFrameGroupBy"),
    ("int of 4301 digits", [10**4300], "result[0]: an integer has more digits"),
    ("255 levels", json.loads("[" * 255 + "]" * 255), "deeper than 254 levels"),
    ("255 levels of tuples", tuples(255), "deeper than 254 levels"),
    ("many levels of tuples", tuples(100_000), "deeper than 254 levels"),
    ("tuples inside odd values", collections.deque([tuples(100_000)]), "deeper than 254 levels"),
    ("list in itself", circular("list"), "result['a'][0]: it contains itself"),
    ("dict in itself", circular("dict"), "contains itself"),
    ("tuple in itself", circular("tuple"), "contains itself"),
    ("array in itself", circular("array"), "contains itself"),
    ("tuple key", {(1, 2): 3}, "a key of type tuple cannot be the name"),
    ("object key", {Rude(): 3}, "Rude"),
    ("object below a rude key", {1: object(), 2**64: 1}, "result[1]"),
    ("keys that collide", {"a": {1: 2, "1": 3}}, "result['a']: two of its keys are both written as '1'"),
    ("columns that collide", pd.DataFrame([[1, 2]], columns=[1, "1"]), "several columns are named '1'"),
    ("columns of one name", pd.DataFrame([[1, 2]], columns=["a", "a"]), "several columns are named 'a'"),
]


@pytest.mark.parametrize(("value", "said"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
def test_what_has_no_form_is_refused_with_its_type_and_place(value: object, said: str) -> None:
    with pytest.raises(ResultNotSerializable) as caught:
        encoded(value)
    assert said in caught.value.message
    assert caught.value.message.startswith("the task's result cannot be written as JSON")
    assert len(caught.value.message) < 6000
    assert "exception_type" not in caught.value.fields


class Angry(collections.UserDict[str, int]):
    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.error = error

    def items(self) -> Any:
        raise self.error


@pytest.mark.parametrize("error", [ValueError("no"), OSError(28, "no"), SystemExit("no"), RecursionError("no")])
def test_what_the_value_raises_while_it_is_read_is_told(error: BaseException) -> None:
    with pytest.raises(ResultNotSerializable) as caught:
        encoded({"a": Angry(error)})
    assert caught.value.fields["exception_type"] == type(error).__name__
    assert "no" in caught.value.fields["exception_message"]


def test_a_memory_error_while_encoding_stays_one() -> None:
    with pytest.raises(MemoryError):
        encoded({"a": Angry(MemoryError())})


def test_values_that_pandas_gives_for_records_are_legal_json() -> None:
    frame = pd.DataFrame(
        {
            "f": [1.5, None],
            "t": pd.Series(["2024-05-01", None], dtype="datetime64[us]"),
            "i": pd.Series([1, None], dtype="Int64"),
            "s": ["a", None],
        }
    )
    records = frame.to_dict(orient="records")
    assert orjson.loads(encoded({"nodes": records})) == {
        "nodes": [
            {"f": 1.5, "t": "2024-05-01T00:00:00", "i": 1, "s": "a"},
            {"f": None, "t": None, "i": None, "s": None},
        ]
    }


@pytest.mark.parametrize("text", ["hello", "", "ä", Text("x"), '{"a": 1}', "\udc80"])
def test_a_str_is_sent_raw_only_where_text_is_accepted(text: str) -> None:
    sink = io.BytesIO()
    assert encode(text, "json", "json", True, sink) == "text"
    plain = str.__str__(text).replace("\udc80", "\ufffd")
    assert sink.getvalue().decode() == plain
    assert orjson.loads(encoded(text)) == plain


def test_a_gpu_column_goes_by_arrow_because_pandas_would_make_floats_of_integers_beside_a_gap() -> None:
    values = pa.array([2**53 + 1, None])

    def on_device(kind: str, **methods: Any) -> object:
        return type(kind, (), {"__module__": "cudf.core", **methods})()

    by_arrow = {"to_arrow": lambda _: values, "to_pandas": lambda _: values.to_pandas()}
    assert encoded({"a": on_device("Series", **by_arrow)}) == b'{"a":[9007199254740993,null]}'
    assert encoded(on_device("Index", **by_arrow)) == b"[9007199254740993,null]"
    levels = pd.MultiIndex.from_tuples([(1, "a")])
    assert encoded(on_device("Index", to_pandas=lambda _: levels)) == b'[[1,"a"]]'
