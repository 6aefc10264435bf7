"""Columns of text fields: the type that all values of a column share, by the rules in ``csv``.

Whole numbers keep every digit: a float that cannot hold one never replaces it.
"""

from dataclasses import dataclass
from typing import Any, Final

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from runtime.datasets.formats import dtypes
from runtime.errors import InvalidTable

AnyChunks = Any  # pa.ChunkedArray: its stubs know no element type that would help here

TRUE: Final = ("True", "TRUE", "true")
FALSE: Final = ("False", "FALSE", "false")
EXACT_FLOAT: Final = 2.0**53
"""From here on, not every whole number is a float."""

_WHOLE: Final = r"^[+-]?[0-9]+$"
_NUMBER: Final = r"^[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?$|^[+-]?(?i:inf|infinity|nan)$"
_OFFSET: Final = r"[T ][0-9:.,]+ *([+-][0-9]{2}:?([0-9]{2})?|[zZ]|UTC|GMT)$"
_LONG: Final = 16  # digits that a whole number beyond EXACT_FLOAT has at least


@dataclass(frozen=True, slots=True)
class Spelling:
    """How a file writes numbers, and its own words for true and false."""

    decimal: str = "."
    thousands: str = ""
    true_words: tuple[str, ...] = ()
    false_words: tuple[str, ...] = ()

    def number(self, column: AnyChunks) -> AnyChunks:
        """Return text in which numbers are written as everywhere."""
        plain: AnyChunks = pc.utf8_trim_whitespace(column)
        if self.thousands:
            plain = pc.replace_substring(plain, self.thousands, "")
        if self.decimal != ".":
            plain = pc.replace_substring(plain, self.decimal, ".")
        return plain

    def flags(self, column: AnyChunks) -> AnyChunks | None:
        """Return the column as true and false; None if it has another value."""
        trues, falses = pa.array([*TRUE, *self.true_words]), pa.array([*FALSE, *self.false_words])
        words: AnyChunks = column.cast(pa.string()) if column.type != pa.string() else column
        is_true: AnyChunks = pc.is_in(words, trues)
        known = pc.or_(is_true, pc.is_in(words, falses))
        if not pc.all(pc.or_(known, pc.is_null(words))).as_py():
            return None
        return pc.if_else(pc.is_valid(words), is_true, None)


def inferred(column: AnyChunks, spelling: Spelling) -> AnyChunks:
    """Return a column of text in the type that its values share."""
    if column.null_count == len(column):
        return pa.chunked_array([pa.nulls(len(column))])
    flags = spelling.flags(column)
    if flags is not None:
        return flags
    plain = spelling.number(column)
    if _all_match(plain, _WHOLE):
        return _integers(plain, column)
    if not _all_match(plain, _NUMBER) or _has_long_integer(plain):
        return column
    return _without_plus(plain).cast(pa.float64())


def converted(name: str, column: AnyChunks, dtype: str, spelling: Spelling) -> AnyChunks:
    """Return a column of text in the type that the option ``dtype`` names. Raises ``InvalidTable``."""
    target = dtypes.arrow_type(dtype)
    if pa.types.is_boolean(target):
        flags = spelling.flags(column)
        if flags is None:
            raise InvalidTable(f"column {name!r} cannot be read as {dtype}: a value is neither true nor false")
        return flags
    is_number = pa.types.is_integer(target) or pa.types.is_floating(target)
    plain = _without_plus(spelling.number(column)) if is_number else column
    return dtypes.cast(name, plain, dtype)


def timestamps(name: str, column: AnyChunks, *, day_first: bool = False) -> AnyChunks:
    """Return a text column as times; those with an offset become times in UTC. Raises ``InvalidTable``."""
    text = column.to_pandas()
    reason = ""
    tries: tuple[dict[str, Any], ...] = ({}, {"format": "ISO8601"}, {"utc": True}, {"format": "ISO8601", "utc": True})
    for more in tries:
        try:
            times: Any = pd.to_datetime(text, dayfirst=day_first, **more)
        except (ValueError, TypeError, OverflowError) as error:
            reason = reason or str(error).partition(". You might")[0].partition(" Pass utc")[0]
            continue
        if getattr(times.dtype, "tz", None) is None:
            return pa.chunked_array([pa.array(times, from_pandas=True)])
        if _all_match(pc.utf8_trim_whitespace(column), _OFFSET):
            return pa.chunked_array([pa.array(times.dt.tz_convert("UTC"), from_pandas=True)])
        reason = "only some values have an offset from UTC"
        break
    raise InvalidTable(
        f"column {name!r} cannot be read as dates: {reason[:300]}; leave it out of parse_dates to have its text"
    )


def is_doubtful(column: AnyChunks, *, odd_integers: bool) -> bool:
    """Return whether Arrow may have converted text otherwise than by our rules.

    These are dates, times and whole numbers that no float holds. ``odd_integers``: the file may have whole numbers
    written as ``0x1F``, which are text here, or ``+5``, which are not floats.
    """
    given = column.type
    if pa.types.is_temporal(given) or (odd_integers and pa.types.is_integer(given)):
        return True
    if not pa.types.is_floating(given):
        return False
    extremes: Any = pc.min_max(column).as_py()
    if any(value is not None and abs(value) >= EXACT_FLOAT for value in extremes.values()):
        return True
    return odd_integers and bool(pc.all(pc.equal(pc.trunc(column), column)).as_py())


def _integers(plain: AnyChunks, column: AnyChunks) -> AnyChunks:
    """Return whole numbers as int64, or as uint64, or as the text that they were."""
    bare = _without_plus(plain)
    for kind in (pa.int64(), pa.uint64()):
        try:
            return bare.cast(kind)
        except pa.ArrowInvalid:
            continue
    return column


def _without_plus(plain: AnyChunks) -> AnyChunks:
    return pc.replace_substring_regex(plain, r"^\+", "")


def _has_long_integer(plain: AnyChunks) -> bool:
    """Return whether a value is a whole number that no float holds."""
    long: AnyChunks = pc.match_substring_regex(plain, rf"^[+-]?[0-9]{{{_LONG},}}$")
    candidates: AnyChunks = pc.filter(plain, long)
    return any(not _is_held_by_float(value) for value in candidates.unique().to_pylist() if value is not None)


def _is_held_by_float(digits: str) -> bool:
    try:
        return int(float(digits)) == int(digits)
    except (OverflowError, ValueError):
        return False


def _all_match(column: AnyChunks, pattern: str) -> bool:
    return bool(pc.all(pc.match_substring_regex(column, pattern), skip_nulls=True).as_py())
