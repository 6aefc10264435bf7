"""Columns of text as times: what the option ``parse_dates`` does.

pandas reads the values. It would take the day of the reading for ``12:30``, ``today`` or ``now``, and the year 1 for
``5 May``. So a value without a year is refused.
"""

import warnings
from typing import Any, Final

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from runtime.errors import InvalidTable

AnyChunks = Any  # pa.ChunkedArray: its stubs know no element type that would help here

_OFFSET: Final = r"[T ][0-9:.,]+ *([+-][0-9]{2}:?([0-9]{2})?|[zZ]|UTC|GMT)$"
_UTC: Final = r"[0-9] *([zZ]|UTC|GMT)$"
_CLOCK: Final = r"[0-9]{1,2}:[0-9]{2}(:[0-9]{2}([.,][0-9]+)?)?( *[+-][0-9]{2}:?[0-9]{2})?"
_DATE: Final = (
    r"[0-9]{1,4} *[-/., ] *[0-9]{1,2} *[-/., ] *[0-9]{1,4}"  # 2024-02-03, 3.2.2024, 2/3/24
    r"|[0-9]{1,4}(st|nd|rd|th)?[-/., ]*[A-Za-z]{3,9}[-/., ]*[0-9]{1,4}"  # 3 Feb 2024
    r"|[A-Za-z]{3,9}[-/., ]*[0-9]{1,2}(st|nd|rd|th)?[-/., ]+[0-9]{2,4}"  # Feb 3, 2024
    r"|^[0-9]{8}([0-9]{2,6})?([T ].*)?$"  # 20240203
)
_YEAR: Final = r"(^|[^0-9])[0-9]{4}([^0-9]|$)"
_BEGINS_WITH_YEAR: Final = r"^[0-9]{4}([-/. ]|$)|^[0-9]{8}"
_BELOW_NANOSECONDS: Final = r"[.,][0-9]{9}0*[1-9]"


def timestamps(name: str, column: AnyChunks, *, day_first: bool = False) -> AnyChunks:
    """Return a text column as times; those with an offset become times in UTC. Raises ``InvalidTable``.

    ``day_first``: read ``1/2/2024`` as February 1. Dates that begin with the year have the month before the day.
    """
    plain: AnyChunks = pc.utf8_trim_whitespace(column)
    _refuse_half_dates(name, plain)
    first = next(iter(plain.drop_null().slice(0, 1).to_pylist()), "")
    day_first = day_first and not _matches(pa.scalar(first), _BEGINS_WITH_YEAR).as_py()
    times, reason = _read(plain.to_pandas(), day_first)
    if times is not None:
        if getattr(times.dtype, "tz", None) is None and not _has_zone_of_utc(plain):
            return pa.chunked_array([pa.array(times, from_pandas=True)])
        if pc.all(_matches(plain, _OFFSET), skip_nulls=True, min_count=0).as_py():
            return pa.chunked_array([pa.array(pd.to_datetime(times, utc=True), from_pandas=True)])
        reason = "only some values have an offset from UTC"
    raise _refusal(name, reason)


def _has_zone_of_utc(plain: AnyChunks) -> bool:
    """Return whether a value ends with the name of UTC: pandas overlooks ``GMT``."""
    return bool(pc.any(_matches(plain, _UTC), skip_nulls=True, min_count=0).as_py())


def _read(text: Any, day_first: bool) -> tuple[Any, str]:  # pandas' Series
    """Return the times, or None and why there are none."""
    reason = ""
    tries: tuple[dict[str, Any], ...] = ({}, {"format": "ISO8601"}, {"utc": True}, {"format": "ISO8601", "utc": True})
    for more in tries:
        try:
            with warnings.catch_warnings(record=True) as warned:
                warnings.simplefilter("always")
                times = pd.to_datetime(text, dayfirst=day_first, **more)
        except (ValueError, TypeError, OverflowError) as error:
            reason = reason or str(error).partition(". You might")[0].partition(" Pass utc")[0]
            continue
        against = next(filter(None, (_objection(str(one.message), day_first) for one in warned)), "")
        return (None, against) if against else (times, "")
    return None, reason


def _objection(warning: str, day_first: bool) -> str:
    """Return why times are not what the values say, if a warning of pandas says so."""
    if warning.startswith("Could not infer format"):
        return "its values have no common format"
    if day_first and warning.startswith("Parsing dates in"):
        return "a date has its month before its day, and dayfirst says otherwise"
    return ""


def _refuse_half_dates(name: str, plain: AnyChunks) -> None:
    """Raise ``InvalidTable`` for values that pandas would complete with parts that nobody wrote, or would cut."""
    without_clock: AnyChunks = pc.replace_substring_regex(plain, _CLOCK, " ")
    is_whole: AnyChunks = _matches(without_clock, _DATE)
    if not pc.all(is_whole, skip_nulls=True, min_count=0).as_py():
        begins_with_clock: AnyChunks = _matches(plain, r"^[0-9]{1,2}:")
        has_year = pc.and_(_matches(without_clock, _YEAR), pc.invert(begins_with_clock))
        is_half: AnyChunks = pc.invert(pc.or_(is_whole, has_year))
        half: AnyChunks = pc.filter(plain, is_half)
        found = half.drop_null().slice(0, 1).to_pylist()
        if found:
            raise _refusal(name, f"{found[0][:60]!r} is no date with a year")
    too_fine: AnyChunks = pc.filter(plain, _matches(plain, _BELOW_NANOSECONDS))
    if len(too_fine.drop_null()):
        raise _refusal(name, "a time has more digits than nanoseconds")


def _matches(column: AnyChunks, pattern: str) -> AnyChunks:
    return pc.match_substring_regex(column, pattern)


def _refusal(name: str, reason: str) -> InvalidTable:
    return InvalidTable(
        f"column {name!r} cannot be read as dates: {reason[:300]}; leave it out of the option 'parse_dates' to "
        "have its text"
    )
