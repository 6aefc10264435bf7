"""``parse_dates``: a date is what was written, or it is refused; no part of it is made up."""

import datetime
from collections.abc import Callable
from typing import Any

import pytest

from runtime.errors import InvalidTable

Upload = Callable[..., Any]
THIRD = datetime.datetime(2024, 2, 3)


def _content(values: list[str]) -> bytes:
    return "".join(f'"{value}",1\n' for value in ["t", *values]).encode()


@pytest.mark.parametrize(
    ("values", "day_first", "moments"),
    [
        (["2024-02-03"], True, [THIRD]),
        (["2024/02/03", ""], True, [THIRD, None]),
        (["2024-02-03 00:00:00.000"], True, [THIRD]),
        (["20240203"], True, [THIRD]),
        (["03/02/2024"], True, [THIRD]),
        (["3.2.2024"], True, [THIRD]),
        (["02/03/2024"], False, [THIRD]),
        (["3 Feb 2024"], False, [THIRD]),
        (["Sat, 3 February 2024"], True, [THIRD]),
        (["2024-02"], False, [datetime.datetime(2024, 2, 1)]),
        (["00:00 2024-02-03"], False, [THIRD]),
        (["", ""], False, [None, None]),
    ],
)
def test_dates_are_what_was_written(
    upload: Upload, values: list[str], day_first: bool, moments: list[datetime.datetime | None]
) -> None:
    stored = upload(_content(values), "csv", {"parse_dates": ["t"], "dayfirst": day_first})
    assert stored.table.column("t").to_pylist() == moments


@pytest.mark.parametrize(
    "values",
    [
        ["2024-02-03 00:00:00 GMT"],
        ["2024-02-03 00:00 UTC", ""],
        ["2024-02-03T00:00:00Z"],
        ["Sat, 03 Feb 2024 00:00:00 GMT"],
    ],
)
def test_times_with_a_name_of_utc_are_in_utc(upload: Upload, values: list[str]) -> None:
    column = upload(_content(values), "csv", {"parse_dates": ["t"]}).table.column("t")
    assert str(column.type) == "timestamp[us, tz=UTC]"
    assert column[0].as_py() == THIRD.replace(tzinfo=datetime.UTC)


@pytest.mark.parametrize(
    ("values", "day_first", "words"),
    [
        (["12:30"], False, "'12:30' is no date with a year"),
        (["2024-02-03", "today"], False, "'today' is no date with a year"),
        (["now"], False, "'now' is no date with a year"),
        (["12:30:45.2024"], False, "'12:30:45.2024' is no date"),
        (["10:30 2024"], False, "'10:30 2024' is no date"),
        (["5 May"], False, "'5 May' is no date with a year"),
        (["240203"], False, "'240203' is no date with a year"),
        (["2024-02-03", "03/02/2024"], True, "doesn't match format"),
        (["02/13/2024", "01/02/2024"], True, "a date has its month before its day"),
        (["2024-02-03 00:00 XYZ"], False, 'un-recognized timezone "XYZ"'),
        (["2024-02-03 00:00 XYZ+3"], False, "only some values have an offset"),
        (["2024-02-03 00:00 GMT", "2024-02-03 00:00"], False, "cannot be read as dates"),
        (["2024-02-03 00:00:00.0000000001"], False, "a time has more digits than nanoseconds"),
    ],
)
def test_what_pandas_would_make_up_is_refused(upload: Upload, values: list[str], day_first: bool, words: str) -> None:
    with pytest.raises(InvalidTable, match=words):
        upload(_content(values), "csv", {"parse_dates": ["t"], "dayfirst": day_first})
