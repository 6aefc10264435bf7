"""Numbers that are not 0 and that no float can tell from it (``1e-400``): whether a body may have some.

Readers make 0 of them without a word, so a column that has a 0 is read again if the body may have such a number. Each
of them has a long exponent or a long run of zeros.
"""

import re
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from runtime.datasets.formats.body import Body

_PIECE: Final = 1 << 20
_SIGNS: Final = (b"e-", b"E-")
_EXPONENT: Final = re.compile(rb"-[0-9]{3,}(?![0-9A-Za-z-])")
_LOWER: Final = np.uint8(0x20)
_ZEROS: Final = b"0" * 200
"""Floats begin at 5e-324, and an exponent of two digits is at most 99."""

_NARROW_ZEROS: Final = b"0" * 40
"""float32 begins at 1e-45."""


@dataclass(slots=True)
class TinyNumbers:
    """The tiny numbers that a body may have. It is searched only if somebody asks, and once.

    ``searchable``: its text has one byte for each digit, as in UTF-8. Else it may have any number.
    """

    body: Body
    searchable: bool = True
    _found: bool | None = None

    def may_be_among(self, floats: pa.DataType) -> bool:
        """Return whether the body may have a number of which this type would make 0."""
        if not self.searchable:
            return True
        if floats != pa.float64():
            return any(self.body.find(needle) >= 0 for needle in (*_SIGNS, _NARROW_ZEROS))
        if self._found is None:
            self._found = self.body.find(_ZEROS) >= 0 or _has_long_exponent(self.body)
        return self._found


def has_zero(column: Any) -> bool:  # Any: pa.Array or pa.ChunkedArray
    """Return whether a column of floats has a 0."""
    return bool(pc.any(pc.equal(column, pa.scalar(0, column.type)), min_count=0).as_py())


def _has_long_exponent(body: Body) -> bool:
    """Return whether the body has a number with an exponent such as ``e-324``; ``name-324`` is none."""
    if not body.contains(*_SIGNS):
        return False
    letters = np.frombuffer(body.view(), "uint8")
    for start in range(0, len(letters), _PIECE):
        piece = letters[start : start + _PIECE + 5]  # what an exponent needs may stand in the next one
        minus = np.flatnonzero((piece[2:-3] == ord("-")) & (piece[1:-4] | _LOWER == ord("e"))) + 2
        for place in (3, -2, 1, 2):  # the third digit first, because most exponents have two
            letter = piece[minus + place]
            minus = minus[((letter >= ord("0")) & (letter <= ord("9"))) | (place < 0) & (letter == ord("."))]
        if any(_EXPONENT.match(body.view(), start + at) for at in minus.tolist()):  # few: parts of UUIDs look so
            return True
    return False
