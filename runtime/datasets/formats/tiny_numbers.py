"""Numbers that are not 0 and that no float can tell from it (``1e-400``): whether a body may have some.

Readers make 0 of them without a word, so a column that has a 0 is read again if the body may have such a number. Each
of them has a long exponent or a long run of zeros.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from runtime.datasets.formats.body import Body

_PIECE: Final = 1 << 20
_LOWER: Final = np.uint8(0x20)
_ZEROS: Final = b"0" * 200
"""Floats begin at 5e-324, and an exponent of two digits is at most 99."""

_NARROW_ZEROS: Final = b"0" * 40
_NARROW_SIGNS: Final = (b"e-", b"E-")
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
            return any(self.body.find(needle) >= 0 for needle in (*_NARROW_SIGNS, _NARROW_ZEROS))
        if self._found is None:
            self._found = self.body.find(_ZEROS) >= 0 or _has_long_exponent(self.body)
        return self._found


def has_zero(column: Any) -> bool:  # Any: pa.Array or pa.ChunkedArray
    """Return whether a column of floats has a 0."""
    return bool(pc.any(pc.equal(column, pa.scalar(0, column.type)), min_count=0).as_py())


def _has_long_exponent(body: Body) -> bool:
    """Return whether the body has an exponent such as ``e-324``."""
    letters = np.frombuffer(body.view(), "uint8")
    for start in range(0, len(letters), _PIECE):
        piece = letters[start : start + _PIECE + 4]
        minus = np.flatnonzero(piece[1:-3] == ord("-")) + 1
        minus = minus[piece[minus - 1] | _LOWER == ord("e")]
        digits = piece[minus[:, np.newaxis] + (1, 2, 3)]
        if np.any(np.all((digits >= ord("0")) & (digits <= ord("9")), axis=1)):
            return True
    return False
