"""Columns of times as ISO 8601 text, made for the whole column at once; the same text as for single values."""

from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from runtime.results.unwritable import Unwritable
from runtime.results.zones import in_known_zone

Array = Any  # pa.Array: its stubs know no element type that would help here

_DAY_S: Final = 86_400
_FIRST: Final = np.datetime64("0001-01-01", "s")
_YEAR_0: Final = np.datetime64("0000-01-01", "s")
_LAST: Final = np.datetime64("9999-12-31T23:59:59", "s")


def iso_texts(column: "pd.Series[pd.Timestamp]") -> Array:
    """Return ``iso_datetimes`` as Arrow text, for the years 1 to 9999 without a Python object per row."""
    wall, utc = _clocks(column)
    seconds = wall.astype("M8[s]")
    known = seconds[~np.isnat(seconds)]
    if len(known) and (known.min() < _FIRST or known.max() > _LAST):
        return pa.array(iso_datetimes(column), pa.large_string())
    text = pc.cast(pa.array(seconds, from_pandas=True), pa.large_string())
    pieces: list[Array] = [pc.binary_replace_slice(text, 10, 11, "T")]  # Arrow writes a blank between day and time
    fractions = np.where(np.isnat(wall), 0, (wall - seconds).astype("m8[ns]").astype(np.int64))
    if fractions.any():
        pieces.append(_fraction_texts(fractions))
    if utc is not None:
        offsets, which = _offsets(wall, utc)
        pieces.append(pa.array(offsets, pa.large_string()).take(pa.array(which)))
    pieces.append(pa.scalar("", pa.large_string()))
    return pc.binary_join_element_wise(*pieces)


def _fraction_texts(nanoseconds: "np.ndarray[Any, Any]") -> Array:
    micros, nanos = np.divmod(nanoseconds, 1000)
    long = pc.utf8_lpad(pc.cast(pa.array(nanoseconds), pa.large_string()), 9, "0")
    short = pc.utf8_lpad(pc.cast(pa.array(micros), pa.large_string()), 6, "0")
    digits: Array = pc.if_else(pa.array(nanos != 0), long, short) if nanos.any() else short
    nothing, point = pa.scalar("", pa.large_string()), pa.scalar(".", pa.large_string())
    return pc.if_else(pa.array(nanoseconds != 0), pc.binary_join_element_wise(point, digits, nothing), nothing)


def iso_datetimes(column: "pd.Series[pd.Timestamp]") -> list[str | None]:
    """Return ``2024-05-01T12:00:00`` for each value; None for a missing one.

    A fraction has 6 or 9 digits. A column with a time zone has the offset from UTC.
    """
    stamps, utc = _clocks(column)
    missing = np.isnat(stamps)
    seconds = stamps.astype("M8[s]")
    texts: list[str | None] = np.datetime_as_string(seconds).tolist()
    for row in np.flatnonzero(~missing & (seconds < _YEAR_0)):  # numpy counts the sign as a digit of the year
        year, rest = str(texts[row])[1:].split("-", 1)
        texts[row] = f"-{year:0>4}-{rest}"
    fractions = np.where(missing, 0, (stamps - seconds).astype("m8[ns]").astype(np.int64))
    for row in np.flatnonzero(fractions):
        micros, nanos = divmod(int(fractions[row]), 1000)
        texts[row] = f"{texts[row]}.{micros:06d}{nanos:03d}" if nanos else f"{texts[row]}.{micros:06d}"
    if utc is not None:
        suffixes, which = _offsets(stamps, utc)
        texts = [f"{text}{suffixes[index]}" for text, index in zip(texts, which.tolist(), strict=True)]
    for row in np.flatnonzero(missing):
        texts[row] = None
    return texts


def iso_datetime(value: "np.datetime64[Any]") -> str | None:
    """Return the text of a single numpy time of any unit and any year."""
    column: pd.Series[Any] = pd.Series(np.atleast_1d(value))
    return iso_datetimes(column)[0]


def iso_times(nanoseconds: list[int | None]) -> list[str | None]:
    """Return ``01:02:03`` for each time of day; a fraction has 6 or 9 digits."""
    return [None if value is None else _iso_time(value) for value in nanoseconds]


def _iso_time(nanoseconds: int) -> str:
    seconds, fraction = divmod(nanoseconds, 10**9)
    text = f"{seconds // 3600:02d}:{seconds % 3600 // 60:02d}:{seconds % 60:02d}"
    if not fraction:
        return text
    return f"{text}.{fraction:09d}" if fraction % 1000 else f"{text}.{fraction // 1000:06d}"


def iso_duration(nanoseconds: int) -> str:
    """Return ISO 8601 with days as the largest unit, and a fraction only if there is one: ``-P0DT1H0M0.5S``."""
    sign = "-" if nanoseconds < 0 else ""
    seconds, rest = divmod(abs(nanoseconds), 10**9)
    fraction = f".{rest:09d}".rstrip("0") if rest else ""
    days, seconds = divmod(seconds, _DAY_S)
    return f"{sign}P{days}DT{seconds // 3600}H{seconds % 3600 // 60}M{seconds % 60}{fraction}S"


def _clocks(column: "pd.Series[pd.Timestamp]") -> "tuple[np.ndarray[Any, Any], np.ndarray[Any, Any] | None]":
    """Return the local times of the column, and its times in UTC if it has a time zone."""
    if getattr(column.dtype, "tz", None) is None:
        return column.to_numpy(), None
    known = in_known_zone(column)  # pandas cannot convert from all zones
    column = column if known is None else known
    try:
        return _walls(column), _walls(column.dt.tz_convert("UTC"))
    except NotImplementedError:
        raise Unwritable(
            f"times outside the years 1 to 9999 have no offset in the zone {_name(column)}; convert them to UTC"
        ) from None


def _walls(column: "pd.Series[pd.Timestamp]") -> "np.ndarray[Any, Any]":
    """Return the local times of a column with a time zone."""
    return column.dt.tz_localize(None).to_numpy()


def _name(column: "pd.Series[pd.Timestamp]") -> str:
    zone: Any = column.dtype
    return str(zone.tz)[:100]


def _offsets(wall: "np.ndarray[Any, Any]", utc: "np.ndarray[Any, Any]") -> "tuple[list[str], np.ndarray[Any, Any]]":
    """Return the distinct offsets from UTC, and the index of each row's offset."""
    seconds = np.where(np.isnat(wall), 0, (wall - utc).astype("m8[s]").astype(np.int64))
    distinct, which = np.unique(seconds, return_inverse=True)
    return [_offset(int(offset)) for offset in distinct], which


def _offset(seconds: int) -> str:
    sign, rest = ("-", -seconds) if seconds < 0 else ("+", seconds)
    text = f"{sign}{rest // 3600:02d}:{rest % 3600 // 60:02d}"
    return f"{text}:{rest % 60:02d}" if rest % 60 else text
