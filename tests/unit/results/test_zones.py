"""Times in zones of every library, and far from today: the local time that a task had, or a refusal."""

import datetime as dt
import io
import zoneinfo
from typing import Any

import dateutil.tz  # type: ignore[import-untyped]  # its stubs are not installed
import numpy as np
import orjson
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest

from runtime.errors import ResultNotSerializable
from runtime.results.kinds import FORMATS
from tests.unit.results.conftest import encoded

EST = dateutil.tz.tzoffset("EST", 7200)  # that zone is five hours behind UTC, not two ahead of it
SUMMER = dateutil.tz.tzstr("EST5EDT")
ROME, LONDON = zoneinfo.ZoneInfo("Europe/Rome"), zoneinfo.ZoneInfo("Europe/London")
SECONDS = dt.timezone(dt.timedelta(hours=1, seconds=1))


class OwnZone(dt.tzinfo):
    def utcoffset(self, _: dt.datetime | None) -> dt.timedelta:
        return dt.timedelta(hours=2)

    def tzname(self, _: dt.datetime | None) -> str:
        return "Mars/Phobos"

    def dst(self, _: dt.datetime | None) -> None:
        return None


def noon(zone: dt.tzinfo) -> dt.datetime:
    return dt.datetime(2024, 7, 1, 12, tzinfo=zone)


def _texts(frame: object) -> list[list[str]]:
    """Return the cells of column ``a`` in each format as text: local time and offset."""
    json, csv, parquet = (encoded(frame, "table", file_format)[1] for file_format in FORMATS)
    stored: Any = pyarrow.parquet.read_table(io.BytesIO(parquet)).column("a").to_pylist()
    shown = [
        [record["a"] for record in orjson.loads(json)],
        pd.read_csv(io.BytesIO(csv), dtype=str)["a"].tolist(),
        [value if isinstance(value, str) else value.isoformat() for value in stored],
    ]
    return [[text.replace(" ", "T").replace(".000000", "").replace(":", "") for text in texts] for texts in shown]


ZONES = [
    (EST, "+0200"),
    (dateutil.tz.tzstr("XYZ3"), "-0300"),
    (dateutil.tz.gettz("Europe/Rome"), "+0200"),
    (OwnZone(), "+0200"),
    (SECONDS, "+010001"),
    (ROME, "+0200"),
]
NOT_OF_PANDAS = [(SUMMER, "-0400"), (dateutil.tz.tzrange("CET", 3600, "CEST"), "+0200")]


@pytest.mark.parametrize(
    ("zone", "offset", "dtype"),
    [
        *((*zone, "object") for zone in (*ZONES, *NOT_OF_PANDAS)),
        *((*zone, dtype) for zone in ZONES for dtype in (None, "category")),
    ],
    ids=str,
)
def test_a_time_keeps_its_offset_whoever_named_its_zone(zone: dt.tzinfo, offset: str, dtype: Any) -> None:
    cell = noon(zone) if dtype == "object" else pd.Timestamp(noon(zone))
    column = pd.Series([cell] * 2, dtype=dtype)
    assert _texts(pd.DataFrame({"a": column})) == [[f"2024-07-01T120000{offset}"] * 2] * 3


@pytest.mark.parametrize(
    "cells",
    [
        [[noon(EST)]],
        [{"k": noon(SUMMER)}],
        [[noon(ROME), noon(LONDON)]],
        [[noon(ROME)], [noon(LONDON)]],
        [{"k": noon(ROME)}, {"k": noon(LONDON)}],
        [[noon(OwnZone())]],
        [[pd.Timestamp(np.datetime64("12024-01-01", "s"))]],
        [{"k": pd.Timestamp(np.datetime64("12024-01-01", "s"))}],
        [(pd.Timestamp(np.datetime64("-0100-01-01", "s")),)],
    ],
    ids=str,
)
def test_times_inside_of_values_that_arrow_would_change_are_json_text_in_parquet(cells: list[Any]) -> None:
    frame = pd.DataFrame({"a": pd.Series(cells, dtype=object)})
    read: Any = pyarrow.parquet.read_table(io.BytesIO(encoded(frame, "table", "parquet")[1]))
    expected = orjson.loads(encoded(cells, "json", "json")[1])
    assert [orjson.loads(text) for text in read.column("a").to_pylist()] == expected


FAR: Any = pa.array([2**55], pa.timestamp("s"))
ONE_EACH: Any = pa.array([0, 1], pa.int32())


@pytest.mark.parametrize(
    "column",
    [
        pa.ListArray.from_arrays(ONE_EACH, FAR),
        pa.StructArray.from_arrays([FAR], ["k"]),
        pa.MapArray.from_arrays(ONE_EACH, pa.array(["k"]), FAR),
        pa.ListArray.from_arrays(ONE_EACH, pa.StructArray.from_arrays([FAR], ["k"])),
    ],
    ids=lambda column: str(column.type),
)
def test_times_inside_of_values_that_milliseconds_do_not_reach_are_json_text_in_parquet(column: Any) -> None:
    table = pa.table({"a": column})
    read: Any = pyarrow.parquet.read_table(io.BytesIO(encoded(table, "table", "parquet")[1])).column("a")[0].as_py()
    assert orjson.loads(read) == orjson.loads(encoded(table, "table", "json")[1])[0]["a"]


UNKNOWN = pa.array([0], pa.int64()).cast(pa.timestamp("us", "Mars/Phobos"))
AFTER_9999 = pa.array([253402300800 * 10**6], pa.int64()).cast(pa.timestamp("us", "Europe/Rome"))


@pytest.mark.parametrize("file_format", ["json", "csv"])
@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize(
    ("times", "words"),
    [
        (UNKNOWN, r"at result\['a'\]: its times are in the zone 'Mars/Phobos', which is unknown; cast them to UTC"),
        (
            AFTER_9999,
            r"at result\['a'\]: times outside the years 1 to 9999 have no offset in the zone Europe/Rome",
        ),
    ],
    ids=["unknown", "after 9999"],
)
def test_times_without_an_offset_are_refused_by_the_name_of_their_column(
    times: Any, words: str, nested: bool, file_format: Any
) -> None:
    column = pa.ListArray.from_arrays(ONE_EACH, times) if nested else times
    with pytest.raises(ResultNotSerializable, match=words):
        encoded(pa.table({"a": column}), "table", file_format)


def test_parquet_refuses_a_zone_that_no_reader_knows() -> None:
    with pytest.raises(ResultNotSerializable, match=r"result\['a'\]: its times are in the zone 'Mars/Phobos'"):
        encoded(pa.table({"a": UNKNOWN}), "table", "parquet")
