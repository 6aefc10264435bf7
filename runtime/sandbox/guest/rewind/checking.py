"""Compares a rewound seat with its baseline, byte for byte: for tests, because it doubles the memory of the seat.

It compares the pages that were the seat's own at the baseline, or shared with its holder: all anonymous pages. Pages of
mapped files are not among them.
"""

import ctypes
from typing import Final

import numpy as np

from runtime.sandbox.process_ids import proc_directory
from runtime.sandbox.walls.rewinding.pages import PAGE, Addresses, Memory

_STEP: Final = 256
"""Pages that are compared at once. They fit the processor's cache."""

_libc = ctypes.CDLL(None)
_libc.memcmp.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t]


class Check:
    """All anonymous pages of a stopped seat at its baseline."""

    def __init__(self, pid: int, pages: Addresses) -> None:
        """``pages``: those that are anonymous. Pages whose writes are noted look so too, so they are listed before."""
        self._memory = Memory(proc_directory(pid))
        self._pages = pages
        self._content = self._memory.read(self._pages)
        self._now = np.empty((_STEP, PAGE), np.uint8)
        self.differing = 0
        """Pages of the last comparison that differed."""

    def compare(self) -> None:
        """Compare the stopped seat, which was written back."""
        self.differing = 0
        for at in range(0, len(self._pages), _STEP):
            before = self._content[at : at + _STEP]
            now = self._now[: len(before)]
            self._memory.read_into(now, self._pages[at : at + _STEP])
            if _libc.memcmp(before.ctypes.data, now.ctypes.data, now.nbytes) != 0:
                self.differing += int((now != before).any(axis=1).sum())
