"""What becomes of each type on its way into a task: the rules of docs/formats.md as data.

``KINDS`` are the types of Arrow, Parquet and ORC. ``CSV_TEXTS`` and ``JSON_TEXTS`` are columns of text formats. Each
has values at the edges of what it can hold.
"""

import datetime
import decimal
import uuid
import zoneinfo
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
from pandas.core.arrays.arrow.extension_types import (  # type: ignore[import-not-found]  # the stubs lack it
    ArrowIntervalType,
    ArrowPeriodType,
)

BIG: Final = 2**53 + 1  # the first whole number that no float holds


@dataclass(frozen=True, slots=True)
class Kind:
    """A type of Arrow, three values of it, and what a task has: dtypes without and with nulls, and values."""

    name: str
    type: Any  # pa.DataType
    values: list[Any]
    dtype: str
    nullable: str
    seen: list[Any] = field(default_factory=list)
    make: Callable[[list[Any]], Any] | None = None
    """Makes the array of values and nulls, if ``pa.array`` cannot."""

    elsewhere: dict[str, str | None] = field(default_factory=dict)
    """The dtype that another format gives (``parquet``, ``orc``), whose own type it is; None: it cannot be written."""

    def array(self, values: list[Any]) -> Any:
        return self.make(values) if self.make is not None else pa.array(values, self.type)

    @property
    def in_task(self) -> list[Any]:
        return self.seen or self.values


@dataclass(frozen=True, slots=True)
class Text:
    """A column of a text format: its fields as they are written, and what a task has."""

    name: str
    values: list[Any]
    dtype: str
    nullable: str
    seen: list[Any] = field(default_factory=list)

    @property
    def in_task(self) -> list[Any]:
        return self.seen or self.values


def _integers() -> list[Kind]:
    kinds = []
    for bits in (8, 16, 32, 64):
        low, high = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
        signed = [low, high, BIG if bits == 64 else 0]
        kinds.append(Kind(f"int{bits}", getattr(pa, f"int{bits}")(), signed, f"int{bits}", f"Int{bits}"))
        unsigned = [0, 2**bits - 1, BIG if bits == 64 else 1]
        kinds.append(
            Kind(
                f"uint{bits}",
                getattr(pa, f"uint{bits}")(),
                unsigned,
                f"uint{bits}",
                f"UInt{bits}",
                elsewhere={"orc": None},
            )
        )
    return kinds


def _times() -> list[Kind]:
    kinds = []
    days = [datetime.datetime(1, 1, 1), datetime.datetime(9999, 12, 31, 23, 59, 59), datetime.datetime(1969, 12, 31)]
    near = [datetime.datetime(1700, 1, 1), datetime.datetime(2200, 1, 1), datetime.datetime(1969, 12, 31)]
    coarser = {"s": "ms"}  # Parquet has no seconds
    for unit in ("s", "ms", "us", "ns"):
        moments = near if unit == "ns" else days
        dtype = f"datetime64[{unit}]"
        parquet = f"datetime64[{coarser.get(unit, unit)}]"
        kinds.append(
            Kind(
                f"timestamp {unit}",
                pa.timestamp(unit),
                moments,
                dtype,
                dtype,
                elsewhere={"parquet": parquet, "orc": "datetime64[ns]" if unit == "ns" else None},
            )
        )
        for zone in ("UTC", "Europe/Berlin"):
            zoned = [pd.Timestamp(moment, tz="UTC").tz_convert(zone) for moment in near]
            dtype, parquet = f"datetime64[{unit}, {zone}]", f"datetime64[{coarser.get(unit, unit)}, {zone}]"
            kinds.append(
                Kind(
                    f"timestamp {unit} {zone}",
                    pa.timestamp(unit, zone),
                    zoned,
                    dtype,
                    dtype,
                    elsewhere={"parquet": parquet, "orc": "datetime64[ns, UTC]"},
                )
            )
        spans = [datetime.timedelta(days=-3), datetime.timedelta(0), datetime.timedelta(days=100_000)]
        dtype = f"timedelta64[{unit}]"
        kinds.append(Kind(f"duration {unit}", pa.duration(unit), spans, dtype, dtype, elsewhere={"orc": None}))
    clock = [datetime.time(0, 0), datetime.time(23, 59, 59), datetime.time(12, 30)]
    for given in (pa.time32("s"), pa.time32("ms"), pa.time64("us"), pa.time64("ns")):
        kinds.append(Kind(f"time {given.unit}", given, clock, "object", "object", elsewhere={"orc": None}))
    dates = [datetime.date(1, 1, 1), datetime.date(9999, 12, 31), datetime.date(1969, 12, 31)]
    kinds.append(Kind("date32", pa.date32(), dates, "object", "object"))
    kinds.append(Kind("date64", pa.date64(), dates, "object", "object", elsewhere={"orc": None}))
    return kinds


def _texts_and_bytes() -> list[Kind]:
    words = ["", "é \x1f", "NaN"]
    pieces = [b"", b"\x00\xff", b"NA"]
    flat = [b"abcd", b"\x00\xff\x00\xff", b"1234"]
    kinds = [
        Kind(str(given), given, words, "str", "str", elsewhere={"orc": orc})
        for given, orc in ((pa.string(), "str"), (pa.large_string(), "str"), (pa.string_view(), None))
    ]
    kinds += [
        Kind(str(given), given, pieces, "object", "object", elsewhere={"orc": orc})
        for given, orc in ((pa.binary(), "object"), (pa.large_binary(), "object"), (pa.binary_view(), None))
    ]
    return [*kinds, Kind("binary of 4", pa.binary(4), flat, "object", "object")]


def _decimals() -> list[Kind]:
    values = [decimal.Decimal("-123.45"), decimal.Decimal("0.00"), decimal.Decimal("999.99")]
    long = [decimal.Decimal("12345678901234567890123456789012345678901234567.89"), *values[1:]]
    return [
        Kind("decimal32", pa.decimal32(5, 2), values, "object", "object", elsewhere={"orc": None}),
        Kind("decimal64", pa.decimal64(12, 2), values, "object", "object", elsewhere={"orc": None}),
        Kind("decimal128", pa.decimal128(38, 2), values, "object", "object"),
        Kind("decimal256", pa.decimal256(60, 2), long, "object", "object", elsewhere={"orc": None}),
    ]


def _nested() -> list[Kind]:
    integers = [[BIG, 1], [], [-(2**63)]]
    gaps = [[BIG, None], [], [-(2**63)]]
    objects = [{"a": BIG, "b": "x"}, {"a": None, "b": None}, {"a": -1, "b": ""}]
    moment = pd.Timestamp("2024-01-02 03:04:05.000000007")
    zone = zoneinfo.ZoneInfo("Europe/Berlin")
    noon = datetime.datetime(2024, 7, 1, 12, tzinfo=zone)
    zoned = pa.timestamp("us", "Europe/Berlin")
    exact = moment.tz_localize("Europe/Berlin")
    return [
        Kind("list of integers", pa.list_(pa.int64()), integers, "object", "object"),
        Kind("list of integers with nulls", pa.list_(pa.int64()), gaps, "object", "object"),
        Kind("large list", pa.large_list(pa.int64()), gaps, "object", "object", elsewhere={"orc": "object"}),
        Kind("list view", pa.list_view(pa.int64()), gaps, "object", "object", elsewhere={"parquet": None, "orc": None}),
        Kind("list of 2", pa.list_(pa.int64(), 2), [[BIG, None], [0, 1], [-(2**63), 2]], "object", "object"),
        Kind("list of text", pa.list_(pa.string()), [["a", None], [], ["é"]], "object", "object"),
        Kind("list of lists", pa.list_(pa.list_(pa.int64())), [[[BIG, None]], [], [[]]], "object", "object"),
        Kind("list of zoned times", pa.list_(zoned), [[noon, None], [], [noon]], "object", "object",
             elsewhere={"orc": None}),
        Kind("list of 1 zoned time", pa.list_(zoned, 1), [[noon], [None], [noon]], "object", "object",
             elsewhere={"orc": None}),
        Kind("list of lists of zoned times", pa.list_(pa.list_(zoned)), [[[noon]], [], [[], [noon]]],
             "object", "object", elsewhere={"orc": None}),
        Kind("list of zoned nanoseconds", pa.list_(pa.timestamp("ns", "Europe/Berlin")), [[exact], [], [None]],
             "object", "object", elsewhere={"orc": None}),
        Kind("list of flags", pa.list_(pa.bool_()), [[True, None], [], [False]], "object", "object"),
        Kind("struct", pa.struct([("a", pa.int64()), ("b", pa.string())]), objects, "object", "object"),
        Kind(
            "struct with nanoseconds",
            pa.struct([("t", pa.timestamp("ns")), ("d", pa.duration("ns"))]),
            [{"t": moment, "d": pd.Timedelta(7)}, {"t": None, "d": None}, {"t": moment, "d": None}],
            "object",
            "object",
            elsewhere={"orc": None},
        ),
        Kind(
            "map",
            pa.map_(pa.string(), pa.int64()),
            [[("a", BIG), ("b", None)], [], [("c", -1)]],
            "object",
            "object",
        ),
    ]  # fmt: skip


def _extensions() -> list[Kind]:
    ids = [uuid.UUID(int=0), uuid.UUID(int=2**128 - 1), uuid.UUID("12345678-1234-5678-1234-567812345678")]
    days = [pd.Period("1900-01-01", "D"), pd.Period("2024-02-29", "D"), pd.Period("9999-12-31", "D")]
    months = [period.asfreq("M") for period in days]
    spans = [pd.Interval(0.0, 0.5), pd.Interval(-5.0, 5.0), pd.Interval(-1e300, 1e300)]
    nights = [pd.Interval(pd.Timestamp(2024, 1, day), pd.Timestamp(2024, 1, day + 1)) for day in (1, 2, 3)]

    def periods(freq: str) -> Callable[[list[Any]], Any]:
        return lambda values: pa.array(pd.Series(values, dtype=pd.PeriodDtype(freq)))

    def intervals(end: Any) -> Callable[[list[Any]], Any]:
        given = ArrowIntervalType(end, "right")
        return lambda values: pa.ExtensionArray.from_storage(
            given,
            pa.array(
                [None if value is None else {"left": value.left, "right": value.right} for value in values],
                given.storage_type,
            ),
        )

    tensor = pa.fixed_shape_tensor(pa.int64(), (2,))
    return [
        Kind(
            "uuid",
            pa.uuid(),
            [value.bytes for value in ids],
            "str",
            "str",
            [str(value) for value in ids],
            elsewhere={"orc": None},
        ),
        Kind("bool8", pa.bool8(), [True, False, True], "bool", "object",
             make=lambda values: pa.ExtensionArray.from_storage(pa.bool8(), pa.array(values).cast(pa.int8())),
             elsewhere={"orc": None}),
        Kind("json", pa.json_(), ['{"a": 1}', "[]", "null"], "str", "str", elsewhere={"orc": None}),
        Kind(
            "tensor",
            tensor,
            [[1, 2], [BIG, 4], [5, 6]],
            "object",
            "object",
            make=lambda values: pa.ExtensionArray.from_storage(tensor, pa.array(values, tensor.storage_type)),
            elsewhere={"orc": None},
        ),
        Kind("period of days", ArrowPeriodType("D"), days, "period[D]", "period[D]", make=periods("D"),
             elsewhere={"orc": None}),
        Kind("period of months", ArrowPeriodType("M"), months, "period[M]", "period[M]", make=periods("M"),
             elsewhere={"orc": None}),
        Kind("interval", None, spans, "interval[float64, right]", "interval[float64, right]",
             make=intervals(pa.float64()), elsewhere={"orc": None}),
        Kind("interval of times", None, nights, "interval[datetime64[us], right]", "interval[datetime64[us], right]",
             make=intervals(pa.timestamp("us")), elsewhere={"orc": None}),
    ]  # fmt: skip


def _encoded() -> list[Kind]:
    def ends(values: list[Any]) -> Any:
        return pa.RunEndEncodedArray.from_arrays(
            pa.array(range(1, len(values) + 1), pa.int32()), pa.array(values, pa.int64())
        )

    def categories(values: list[Any]) -> Any:
        return pa.array(values, pa.timestamp("us", "Europe/Berlin")).dictionary_encode()

    zoned = [pd.Timestamp(2024, month, 1, 12, tz="Europe/Berlin") for month in (1, 7, 12)]
    words, numbers = ["a", "é", ""], [BIG, 1, 2]
    by_text = pa.dictionary(pa.int8(), pa.large_string())
    return [
        Kind("dictionary of text", by_text, words, "category", "category", elsewhere={"orc": None}),
        Kind("dictionary of JavaScript", pa.dictionary(pa.int32(), pa.string()), words, "str", "str",
             elsewhere={"orc": None}),
        Kind("dictionary of integers", pa.dictionary(pa.int16(), pa.int64()), numbers, "category", "category",
             elsewhere={"parquet": None, "orc": None}),
        Kind("dictionary of zoned times", None, zoned, "category", "category", make=categories,
             elsewhere={"parquet": "datetime64[us, UTC]", "orc": None}),
        Kind("runs", None, numbers, "int64", "Int64", make=ends, elsewhere={"parquet": None, "orc": None}),
    ]  # fmt: skip


KINDS: Final = [
    *_integers(),
    Kind("float16", pa.float16(), [-0.0, 1.5, np.inf], "float16", "float16", elsewhere={"orc": None}),
    Kind("float32", pa.float32(), [-0.0, float(np.float32(0.1)), -np.inf], "float32", "float32"),
    Kind("float64", pa.float64(), [-0.0, 5e-324, 1.7976931348623157e308], "float64", "float64"),
    Kind("bool", pa.bool_(), [True, False, True], "bool", "object"),
    Kind("null", pa.null(), [None, None, None], "object", "object", elsewhere={"orc": None}),
    *_texts_and_bytes(),
    *_times(),
    *_decimals(),
    *_nested(),
    *_encoded(),
    *_extensions(),
]

LONG: Final = 1344800117571260417  # an id of 19 digits

CSV_TEXTS: Final = [
    Text("integers", [1, -1, 0], "int64", "Int64"),
    Text("long ids", [LONG, 2, BIG], "int64", "Int64"),
    Text("int64's ends", [-(2**63), 2**63 - 1, 0], "int64", "Int64"),
    Text("ids of uint64", [2**63, 2**64 - 1, 0], "uint64", "UInt64"),
    Text("ids beyond uint64", ["18446744073709551616", "1", "2"], "str", "str"),
    Text("ids beyond both", ["18446744073709551615", "-1", "2"], "str", "str"),
    Text("ids of 30 digits", ["123456789012345678901234567890", "-123456789012345678901234567890", "0"], "str", "str"),
    Text("leading zeros", ["007", "1", "2"], "int64", "Int64", [7, 1, 2]),
    Text("plus signs", ["+5", "6", "7"], "int64", "Int64", [5, 6, 7]),
    Text("fractions", [1.5, -0.25, 1e-300], "float64", "float64"),
    Text("integers and fractions", ["1", "2.5", "3"], "float64", "float64", [1.0, 2.5, 3.0]),
    Text("long ids and fractions", [str(BIG), "2.5", "3"], "str", "str"),
    Text("large numbers", ["1e300", "100000000000000000000", "0.5"], "float64", "float64", [1e300, 1e20, 0.5]),
    Text("infinities", ["inf", "-inf", "1"], "float64", "float64", [np.inf, -np.inf, 1.0]),
    Text("flags", ["true", "FALSE", "True"], "bool", "object", [True, False, True]),
    Text("flags and numbers", ["true", "1", "2.5"], "str", "str"),
    Text("hexadecimal", ["0x1F", "0x10", "0xff"], "str", "str"),
    Text("text", ["a", "é", "1a"], "str", "str"),
    Text("dates", ["2024-01-01", "2024-12-31", "1969-12-31"], "str", "str"),
    Text("times", ["2024-01-01T00:00:00Z", "2024-01-01 12:30:00", "12:30"], "str", "str"),
    Text("addresses", ["10.0.0.1", "::1", "1-2-3"], "str", "str"),
]
"""Columns of CSV, with the fields as they are written."""

JSON_TEXTS: Final = [
    Text("integers", [1, -1, 0], "int64", "Int64"),
    Text("long ids", [LONG, 2, BIG], "int64", "Int64"),
    Text("int64's ends", [-(2**63), 2**63 - 1, 0], "int64", "Int64"),
    Text("ids of uint64", [2**63, 2**64 - 1, 0], "uint64", "UInt64"),
    Text("ids beyond uint64", [2**64, 1, 2], "str", "str", ["18446744073709551616", "1", "2"]),
    Text("ids beyond both", [2**64 - 1, -1, 2], "str", "str", ["18446744073709551615", "-1", "2"]),
    Text("ids below int64", [-(2**63) - 1, 1, 2], "str", "str", ["-9223372036854775809", "1", "2"]),
    Text("ids of 30 digits", [10**29 + 1, 1, 2], "str", "str", [str(10**29 + 1), "1", "2"]),
    Text("fractions", [1.5, -0.0, 1e-300], "float64", "float64"),
    Text("integers and fractions", [1, 2.5, 3], "float64", "float64", [1.0, 2.5, 3.0]),
    Text("long ids and fractions", [BIG, 2.5, 3], "str", "str", [str(BIG), "2.5", "3"]),
    Text("longer ids and fractions", [10**29 + 1, 2.5, 3], "str", "str", [str(10**29 + 1), "2.5", "3"]),
    Text("large numbers", [1e300, 1e20, 0.5], "float64", "float64"),
    Text("infinities", [np.inf, -np.inf, 1.0], "float64", "float64"),
    Text("flags", [True, False, True], "bool", "object"),
    Text("numbers and flags", [2.5, True, 3], "str", "str", ["2.5", "true", "3"]),
    Text("flags and numbers", [True, 2.5, 3], "str", "str", ["true", "2.5", "3"]),
    Text("flags and integers", [True, 1, 0], "str", "str", ["true", "1", "0"]),
    Text("text", ["a", "", "NaN"], "str", "str"),
    Text("text and numbers", ["a", 10**29 + 1, 1.5], "str", "str", ["a", str(10**29 + 1), "1.5"]),
    Text("dates", ["2024-01-01", "2024-12-31", "1969-12-31"], "str", "str"),
    Text("lists", [[BIG, None], [], [1]], "object", "object"),
    Text("lists of uint64", [[2**64 - 1], [], [1]], "str", "str", ["[18446744073709551615]", "[]", "[1]"]),
    Text("lists with fractions and flags", [[2.5], [True], []], "str", "str", ["[2.5]", "[true]", "[]"]),
    Text("objects", [{"a": BIG}, {"a": None}, {"a": 1}], "object", "object"),
    Text("objects with fractions and flags", [{"a": 2.5}, {"a": True}, {"a": 1}], "str", "str",
         ['{"a": 2.5}', '{"a": true}', '{"a": 1}']),
    Text("objects of many keys", [{"a": 1}, {"b": "x"}, {}], "object", "object",
         [{"a": 1, "b": None}, {"a": None, "b": "x"}, {"a": None, "b": None}]),
    Text("objects and numbers", [{"a": 10**29}, 1, 2], "str", "str", ['{"a": 1' + "0" * 29 + "}", "1", "2"]),
]  # fmt: skip
"""Columns of JSON."""
