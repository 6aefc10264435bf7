"""Columns of text fields: the type that all values of a column share, by the rules in ``csv``.

Whole numbers keep every digit: a float that cannot hold one never replaces it.
"""

import re
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from runtime.datasets.formats.tiny_numbers import TinyNumbers, has_zero

AnyChunks = Any  # pa.ChunkedArray: its stubs know no element type that would help here

TRUE: Final = ("True", "TRUE", "true")
FALSE: Final = ("False", "FALSE", "false")
EXACT_FLOAT: Final = 2.0**53
"""From here on, not every whole number is a float."""

_NOT_ZERO: Final = r"^[+-]?[0.]*[1-9]"
_NOT_FINITE: Final = r"^[+-]?(?i:inf|infinity|nan)$"
_LONG: Final = 16  # digits that a whole number beyond EXACT_FLOAT has at least


@dataclass(frozen=True, slots=True)
class Spelling:
    """How a file writes numbers, and its own words for true and false."""

    decimal: str = "."
    thousands: str = ""
    true_words: tuple[str, ...] = ()
    false_words: tuple[str, ...] = ()

    def is_number(self, trimmed: AnyChunks, *, whole: bool = False) -> AnyChunks:
        """Return which texts are numbers, or whole numbers; thousands are separated in groups of three only."""
        digits = "[0-9]+"
        if self.thousands:
            digits += rf"|[1-9][0-9]{{0,2}}({re.escape(self.thousands)}[0-9]{{3}})+"
        if whole:
            return _matches(trimmed, rf"^[+-]?({digits})$")
        point = re.escape(self.decimal)
        plain = rf"^[+-]?(({digits})({point}[0-9]*)?|{point}[0-9]+)([eE][+-]?[0-9]+)?$"
        return pc.or_(_matches(trimmed, plain), _matches(trimmed, _NOT_FINITE))

    def plain(self, trimmed: AnyChunks) -> AnyChunks:
        """Return numbers as they are written everywhere, without a plus sign."""
        if self.thousands:
            trimmed = pc.replace_substring(trimmed, self.thousands, "")
        if self.decimal != ".":
            trimmed = pc.replace_substring(trimmed, self.decimal, ".")
        return pc.replace_substring_regex(trimmed, r"^\+", "")

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
    trimmed: AnyChunks = pc.utf8_trim_whitespace(column)
    if not _all(spelling.is_number(trimmed)):
        return column
    plain = spelling.plain(trimmed)
    if _all(spelling.is_number(trimmed, whole=True)):
        return _integers(plain, column)
    numbers: AnyChunks = column if _has_long_integer(plain) else plain.cast(pa.float64())
    return column if numbers is column or overflow(trimmed, numbers) or underflow(plain, numbers) else numbers


def inferred_again(column: AnyChunks, arrows: AnyChunks, spelling: Spelling) -> AnyChunks:
    """Return what ``inferred`` returns for a doubtful column of text. ``arrows``: the column as Arrow converted it.

    Integers are in doubt only if one of them is hexadecimal.
    """
    if pa.types.is_integer(arrows.type) and not _any(pc.match_substring(column, "x", ignore_case=True)):
        return arrows
    return inferred(column, spelling)


@dataclass(frozen=True, slots=True)
class OddNumbers:
    """Numbers that a file may have and that Arrow reads otherwise than our rules.

    These are ``0x1F``, text here, and ``+5``, and ``1e-400``, of which Arrow makes 0.
    """

    hexadecimal: bool
    plus_signs: bool
    tiny: TinyNumbers


def is_doubtful(column: AnyChunks, odd: OddNumbers) -> bool:
    """Return whether Arrow may have converted text otherwise than by our rules.

    These are dates, times, whole numbers that no float holds, numbers that are too large or too small for one, and odd
    numbers.
    """
    given = column.type
    if pa.types.is_temporal(given) or (odd.hexadecimal and pa.types.is_integer(given)):
        return True
    if not pa.types.is_floating(given):
        return False
    if _reaches(column, EXACT_FLOAT) or has_tiny_number(column, odd.tiny):
        return True
    # Arrow makes floats of a column with +5.
    return odd.plus_signs and bool(pc.all(pc.equal(pc.trunc(column), column)).as_py())


def has_far_number(column: AnyChunks) -> bool:
    """Return whether a column of floats has infinity, or a number that may have been another whole number."""
    return pa.types.is_floating(column.type) and _reaches(column, exact_below(column.type))


def has_tiny_number(column: AnyChunks, tiny: TinyNumbers) -> bool:
    """Return whether a column of floats has a 0 that may have been another number."""
    given = column.type
    return pa.types.is_floating(given) and has_zero(column) and tiny.may_be_among(given)


def exact_below(floats: pa.DataType) -> float:
    """Return the number below which a floating type has each whole number."""
    return 2.0**24 if floats == pa.float32() else EXACT_FLOAT


def _reaches(column: AnyChunks, bound: float) -> bool:
    extremes: Any = pc.min_max(column).as_py()
    return any(value is not None and abs(value) >= bound for value in extremes.values())


def _integers(plain: AnyChunks, column: AnyChunks) -> AnyChunks:
    """Return whole numbers as int64, or as uint64, or as the text that they were."""
    for kind in (pa.int64(), pa.uint64()):
        try:
            return plain.cast(kind)
        except pa.ArrowInvalid:
            continue
    return column


def overflow(trimmed: AnyChunks, numbers: AnyChunks) -> bool:
    """Return whether a number became infinite, though it was not written so."""
    is_infinite: AnyChunks = pc.is_inf(numbers)
    infinite: AnyChunks = pc.filter(trimmed, is_infinite)
    return not _all(_matches(infinite, _NOT_FINITE))


def underflow(plain: AnyChunks, numbers: AnyChunks) -> bool:
    """Return whether a number became 0, though it was not written so."""
    is_zero: AnyChunks = pc.equal(numbers, pa.scalar(0, numbers.type))
    zeros: AnyChunks = pc.filter(plain, is_zero)
    return bool(pc.any(_matches(zeros, _NOT_ZERO), min_count=0).as_py())


def _has_long_integer(plain: AnyChunks) -> bool:
    """Return whether a value is a whole number that no float holds."""
    long = _matches(plain, rf"^[+-]?[0-9]{{{_LONG},}}$")
    candidates: AnyChunks = pc.filter(plain, long)
    return any(not _is_held_by_float(value) for value in candidates.unique().to_pylist() if value is not None)


def _is_held_by_float(digits: str) -> bool:
    try:
        return int(float(digits)) == int(digits)
    except (OverflowError, ValueError):
        return False


def _all(found: AnyChunks) -> bool:
    return bool(pc.all(found, skip_nulls=True, min_count=0).as_py())


def _any(found: AnyChunks) -> bool:
    return bool(pc.any(found, skip_nulls=True, min_count=0).as_py())


def _matches(column: AnyChunks, pattern: str) -> AnyChunks:
    return pc.match_substring_regex(column, pattern)
