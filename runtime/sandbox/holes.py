"""Fills the holes of the C library's heap, so that what is allocated after a fork lies together.

A seat that takes its first few hundred small pieces out of holes all over the heap copies a page for each of them.
"""

import ctypes
from typing import Final


class _Statistics(ctypes.Structure):
    """``struct mallinfo2``: ``fordblks`` are the free bytes, ``keepcost`` those of them at the heap's end."""

    _fields_ = tuple(
        (name, ctypes.c_size_t)
        for name in (
            "arena", "ordblks", "smblks", "hblks", "hblkhd", "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost",
        )
    )  # fmt: skip


_LARGEST: Final = 64 * 1024
_STEP: Final = 16

_libc = ctypes.PyDLL(None)
_libc.malloc.argtypes = [ctypes.c_size_t]
_libc.malloc.restype = ctypes.c_void_p
_libc.free.argtypes = [ctypes.c_void_p]
_libc.sbrk.argtypes = [ctypes.c_ssize_t]
_libc.sbrk.restype = ctypes.c_void_p


def fill_holes() -> int:
    """Take every hole of the heap for good. Returns how many bytes those were; 0 where the C library tells too little.

    Expects one thread.
    """
    if not hasattr(_libc, "mallinfo2"):
        return 0
    _libc.mallinfo2.restype = _Statistics
    statistics = _libc.mallinfo2()
    end = _libc.sbrk(0) - statistics.keepcost
    room = statistics.fordblks - statistics.keepcost
    filled = 0
    for size in _sizes():
        while filled < room and (piece := _libc.malloc(size)) is not None:
            if piece >= end:
                _libc.free(piece)
                break
            filled += size
    return filled


def _sizes() -> list[int]:
    """Large ones first: a large hole takes one piece then. What malloc adds to a piece is 8 bytes."""
    large = [_LARGEST >> power for power in range(6)]
    return [*large, *range(large[-1] - _STEP - 8, 0, -_STEP)]
