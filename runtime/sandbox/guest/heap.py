"""Uses up the small gaps in the C library's heap, so that what a run allocates lies together.

After its imports a process has thousands of gaps, all over its heap. A run would put each new object into another one,
and each page that it writes for the first time has to be copied. Without gaps a trivial run writes a quarter of its
pages less. Where the heap must not grow for some time, there is one large gap instead.
"""

import ctypes
from typing import Final

LARGEST_BYTES: Final = 8192
"""Larger gaps are left, because each of them holds many objects."""

_STEP_BYTES: Final = 16  # glibc's sizes are its multiples
_MOST_CHUNKS: Final = 500_000
_ABOVE_BYTES: Final = 128 * 1024 - 64
"""What so many bytes find no gap for is taken from the end of the heap. Larger chunks may be mappings of their own."""


def close_gaps() -> int:
    """Allocate the gaps for good, and return how many bytes that took. Collect garbage before, which leaves gaps."""
    libc = ctypes.CDLL(None)
    malloc, free = libc.malloc, libc.free
    malloc.restype, malloc.argtypes, free.argtypes = ctypes.c_void_p, [ctypes.c_size_t], [ctypes.c_void_p]
    end = malloc(_ABOVE_BYTES)
    if not end:
        return 0
    free(end)
    taken, size = 0, LARGEST_BYTES
    for _ in range(_MOST_CHUNKS):
        at = malloc(size)
        if at and at < end:
            taken += size
            continue
        free(at)  # there is no gap of this size left
        size -= _STEP_BYTES
        if not size:
            break
    return taken


def make_room(byte_count: int) -> None:
    """Have so many bytes free below the end of the heap, so that it need not grow for them."""
    libc = ctypes.CDLL(None)
    malloc, free = libc.malloc, libc.free
    malloc.restype, malloc.argtypes, free.argtypes = ctypes.c_void_p, [ctypes.c_size_t], [ctypes.c_void_p]
    *chunks, _ = [malloc(_ABOVE_BYTES) for _ in range(byte_count // _ABOVE_BYTES + 2)]
    for chunk in chunks:  # but the last, because the kernel would get the end of the heap back
        free(chunk)
