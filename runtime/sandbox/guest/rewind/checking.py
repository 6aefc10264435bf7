"""Compares a rewound seat with its baseline, byte for byte: for tests, because it doubles the memory of the seat.

It compares the pages that were the seat's own at the baseline, or shared with its holder: all anonymous pages. Pages of
mapped files are not among them.
"""

from typing import Final

from runtime.sandbox.process_ids import proc_directory
from runtime.sandbox.walls.rewinding.pages import Memory, PageTable, pages_of

_STEP: Final = 4096
"""Pages that are compared at once."""


class Check:
    """All anonymous pages of a stopped seat at its baseline."""

    def __init__(self, pid: int) -> None:
        proc = proc_directory(pid)
        self._memory = Memory(proc)
        self._pages = pages_of(PageTable(proc).anonymous())
        self._content = self._memory.read(self._pages)
        self.differing = 0
        """Pages of the last comparison that differed."""

    def compare(self) -> None:
        """Compare the stopped seat, which was written back."""
        self.differing = 0
        for at in range(0, len(self._pages), _STEP):
            now = self._memory.read(self._pages[at : at + _STEP])
            self.differing += int((now != self._content[at : at + _STEP]).any(axis=1).sum())
