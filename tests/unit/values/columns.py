"""A column of each type, and what its values are in JSON and in CSV, as docs/formats.md and docs/results.md say."""

import base64
import datetime as dt
import decimal
import json
import uuid
import zoneinfo
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import pandas as pd
import pyarrow as pa

BIG: Final = 2**53 + 1
"""The smallest integer that a float cannot hold."""


@dataclass(frozen=True)
class Column:
    """Two values of a type. ``json``: each as it is in JSON. ``csv``: each as a cell, where that is another text."""

    name: str
    kind: pa.DataType
    values: tuple[Any, Any]
    json: tuple[Any, Any]
    csv: tuple[str, str]
    build: Callable[[list[Any], Any], Any] = pa.array

    def array(self, rows: list[int | None]) -> Any:
        """The values at these places; None is a missing one."""
        return self.build([None if row is None else self.values[row] for row in rows], self.kind)


def of(
    name: str,
    kind: Any,
    values: tuple[Any, Any],
    in_json: tuple[Any, Any] | None = None,
    in_csv: tuple[str, str] | None = None,
    build: Callable[[list[Any], Any], Any] = pa.array,
) -> Column:
    json_forms = values if in_json is None else in_json
    cells = tuple(cell(form) for form in json_forms) if in_csv is None else in_csv
    return Column(name, kind, values, json_forms, (cells[0], cells[1]), build)


def cell(form: Any) -> str:
    """What a value that is this in JSON is in CSV, unless CSV has a form of its own for its type."""
    if isinstance(form, str):
        return form
    return json.dumps(form, separators=(",", ":"), ensure_ascii=False)


def _extension(kind: Any, values: list[Any]) -> Any:
    return pa.ExtensionArray.from_storage(kind, pa.array(values, kind.storage_type))


def _integers(name: str, kind: Any, least: int, most: int) -> Column:
    return of(name, kind, (least, most))


MOMENT: Final = dt.datetime(2024, 5, 1, 12, 30)
ISO: Final = "2024-05-01T12:30:00"


LOCAL: Final = dt.datetime(2024, 5, 1, 18, tzinfo=zoneinfo.ZoneInfo("Asia/Kolkata"))


def _moments(unit: str, digits: str, zone: str | None = None) -> Column:
    """Two moments. ``digits``: the fraction of a second in CSV."""
    utc = [MOMENT if zone is None else MOMENT.replace(tzinfo=dt.UTC), MOMENT + dt.timedelta(days=1)]
    clock, offset, mark = {None: ("12:30", "", ""), "UTC": ("12:30", "+00:00", "Z")}.get(
        zone, ("18:00", "+05:30", "+0530")
    )
    days = ("2024-05-01", "2024-05-02")
    return of(
        f"timestamp {unit}" + (f" {zone}" if zone else ""),
        pa.timestamp(unit, zone),
        (utc[0], utc[1].replace(tzinfo=utc[0].tzinfo)),
        (f"{days[0]}T{clock}:00{offset}", f"{days[1]}T{clock}:00{offset}"),
        (f"{days[0]} {clock}:00{digits}{mark}", f"{days[1]} {clock}:00{digits}{mark}"),
    )


COLUMNS: Final = (
    _integers("int8", pa.int8(), -(2**7), 2**7 - 1),
    _integers("int16", pa.int16(), -(2**15), 2**15 - 1),
    _integers("int32", pa.int32(), -(2**31), 2**31 - 1),
    _integers("int64", pa.int64(), -(2**63), 2**63 - 1),
    _integers("int64 beyond floats", pa.int64(), BIG, BIG - 1),
    _integers("uint8", pa.uint8(), 0, 2**8 - 1),
    _integers("uint16", pa.uint16(), 0, 2**16 - 1),
    _integers("uint32", pa.uint32(), 0, 2**32 - 1),
    _integers("uint64", pa.uint64(), 0, 2**64 - 1),
    of("float16", pa.float16(), (0.5, -2.25), in_csv=("0.5", "-2.25")),
    of("float32", pa.float32(), (0.5, 1.25)),
    of("float64", pa.float64(), (0.1, -2.5e-300)),
    of("whole float64", pa.float64(), (1.0, -3.0)),
    of("negative zero", pa.float64(), (-0.0, 2.0)),
    of("bool", pa.bool_(), (True, False)),
    of("string", pa.string(), ('ä,"\n', "b")),
    of("large_string", pa.large_string(), ("a", "")),
    of("string_view", pa.string_view(), ("a", "b")),
    of("digits as text", pa.string(), ("007", "x")),
    of("categories", pa.dictionary(pa.int8(), pa.string()), ("b", "a")),
    of("dictionary of integers", pa.dictionary(pa.int8(), pa.int64()), (BIG, 3)),
    of("date32", pa.date32(), (dt.date(2024, 5, 1), dt.date(1, 1, 1)), ("2024-05-01", "0001-01-01")),
    of("date64", pa.date64(), (dt.date(2024, 5, 1), dt.date(9999, 12, 31)), ("2024-05-01", "9999-12-31")),
    of("time32 s", pa.time32("s"), (dt.time(1, 2, 3), dt.time()), ("01:02:03", "00:00:00")),
    of(
        "time64 us", pa.time64("us"), (dt.time(1, 2, 3, 4), dt.time(23)),
        ("01:02:03.000004", "23:00:00"), ("01:02:03.000004", "23:00:00.000000"),
    ),
    _moments("s", ""),
    _moments("ms", ".000"),
    _moments("us", ".000000"),
    _moments("ns", ".000000000"),
    _moments("us", ".000000", "UTC"),
    _moments("ns", ".000000000", "Asia/Kolkata"),
    of(
        "nanoseconds", pa.timestamp("ns"), (1, 2),
        ("1970-01-01T00:00:00.000000001", "1970-01-01T00:00:00.000000002"),
        ("1970-01-01 00:00:00.000000001", "1970-01-01 00:00:00.000000002"),
    ),
    of("duration s", pa.duration("s"), (90, -1), ("P0DT0H1M30S", "-P0DT0H0M1S")),
    of("duration us", pa.duration("us"), (90, 0), ("P0DT0H0M0.00009S", "P0DT0H0M0S")),
    of("duration ns", pa.duration("ns"), (1, 10**15), ("P0DT0H0M0.000000001S", "P11DT13H46M40S")),
    of("decimal", pa.decimal128(20, 2), (decimal.Decimal("1.10"), decimal.Decimal("-3.00")), ("1.10", "-3.00")),
    of("wide decimal", pa.decimal128(38, 0), (decimal.Decimal(10**30), decimal.Decimal(7)), (str(10**30), "7")),
    of("binary", pa.binary(), (b"\xff\x00", b"ab"), (base64.b64encode(b"\xff\x00").decode(), "YWI=")),
    of("fixed binary", pa.binary(2), (b"\xff\x00", b"ab"), ("/wA=", "YWI=")),
    of("list of integers", pa.list_(pa.int64()), ([BIG, 1], [])),
    of("list of texts", pa.list_(pa.string()), (["a", "ä"], [])),
    of("struct", pa.struct([("x", pa.int64()), ("y", pa.string())]), ({"x": BIG, "y": "a"}, {"x": 0, "y": ""})),
    of("map", pa.map_(pa.string(), pa.int64()), ([("k", BIG)], []), ([["k", BIG]], [])),
    of(
        "categories of moments", None, (LOCAL, LOCAL + dt.timedelta(days=1)),
        ("2024-05-01T18:00:00+05:30", "2024-05-02T18:00:00+05:30"),
        ("2024-05-01 18:00:00.000000+0530", "2024-05-02 18:00:00.000000+0530"),
        lambda values, _: pa.array(values, pa.timestamp("us", "Asia/Kolkata")).dictionary_encode(),
    ),
    of(
        "list of local moments", pa.list_(pa.timestamp("us", "Asia/Kolkata")), ([LOCAL], []),
        (["2024-05-01T18:00:00+05:30"], []),
    ),
    of("list of moments", pa.list_(pa.timestamp("us")), ([MOMENT], []), ([ISO], [])),
    of(
        "UUID", pa.uuid(), (uuid.UUID(int=1).bytes, uuid.UUID(int=2).bytes),
        (str(uuid.UUID(int=1)), str(uuid.UUID(int=2))), None, lambda values, kind: _extension(kind, values),
    ),
    of(
        "bool8", pa.bool8(), (1, 0), (True, False), None, lambda values, kind: _extension(kind, values)
    ),
    of(
        "periods", None, (pd.Period("2024-05"), pd.Period("2024-06")), ("2024-05", "2024-06"), None,
        lambda values, _: pa.array(pd.array(values, dtype="period[M]")),  # type: ignore[call-overload]
    ),
    of(
        "intervals", None, (pd.Interval(0.0, 1.0), pd.Interval(1.0, 2.0)), ("(0.0, 1.0]", "(1.0, 2.0]"), None,
        lambda values, _: pa.array(pd.array(values, dtype="interval[float64]")),  # type: ignore[call-overload]
    ),
    of("nothing", pa.null(), (None, None), (None, None), ("", "")),
)  # fmt: skip
"""One of each."""
