"""Rewinds a seat: brings a stopped process back, byte for byte, to what it was before its run.

The baseline is taken once, while the seat waits in a read of its gate. The **witness**, a child that the seat forked
and that never ran, keeps every page as it was; pages that the seat had written by the baseline are copied here. A page
that a run wrote is written back at each rewind from then on, written or not (the *hot* pages): that costs less than to
have the kernel note its next write. From time to time the hot pages are learned again.
"""

import time
from dataclasses import dataclass
from typing import Final

import numpy as np

from runtime.sandbox.guest.rewind.orders import Orders
from runtime.sandbox.guest.rewind.rewound_seat import is_large
from runtime.sandbox.guest.rewind.state import KernelState
from runtime.sandbox.process_ids import proc_directory
from runtime.sandbox.walls.rewinding.mappings import (
    KERNELS_CODE,
    MAY_BE_WRITTEN,
    SEALED,
    UNSEALABLE,
    Mapping,
    MappingList,
    changes,
    parse,
)
from runtime.sandbox.walls.rewinding.pages import Addresses, Memory, Originals, PageTable, Spans, among, pages_of
from runtime.sandbox.walls.rewinding.trace import Registers, Tracee
from runtime.sandbox.walls.rewinding.unfit import Unfit

MOST_HOT_PAGES: Final = 16 * 1024
"""Pages that are written back at most (64 MiB). A seat that wrote more is given up."""

LEARN_AGAIN_AFTER: Final = 64 * 1024
"""Pages that are written back, by all rewinds together, until it is learned again which are hot. So a large run does
not cost all later ones: the more pages it has made hot, the sooner they are forgotten."""

_BASELINE_TRIES: Final = 1000
_BASELINE_PAUSE_S: Final = 0.001
_NOTHING: Final = np.empty(0, np.uint64)


@dataclass(slots=True)
class Rewound:
    """What one rewind did."""

    written: int
    hot: int
    unmapped: int


class Rewinder:
    """The baseline of one seat. ``take_baseline`` leaves the seat stopped; so does each other method."""

    def __init__(self, seat: Tracee, witness: Tracee, *, sealed: bool) -> None:
        """``sealed``: no mapping of the seat can be changed."""
        proc = proc_directory(seat.pid)
        self._seat = seat
        self._sealed = sealed
        self._large: list[tuple[int, int]] = []  # spans that are not tracked
        self._never_copied: list[tuple[int, int]] = []  # the same, of pages that become the seat's own if it writes
        self._state = KernelState(proc, seat)
        self._table = PageTable(proc)
        self._memory = Memory(proc)
        self._witness = Memory(proc_directory(witness.pid))
        self._mappings = MappingList(proc)
        self._registers = Registers()
        self._lines: list[bytes] = []
        self._page_count = b""
        self._tracked: bytes = b""
        self._first_pages: Addresses = _NOTHING
        self._first_content = np.empty((0, 0), np.uint8)
        self._writable: Spans = np.empty((0, 2), np.uint64)
        self._hot = Originals()
        self._seen = b""
        self._written_back = 0

    def take_baseline(self, gate: int) -> Spans:
        """Remember everything, as soon as the seat waits in a read of descriptor ``gate``. Return which pages have
        content of its own."""
        for _ in range(_BASELINE_TRIES):
            self._seat.stop()
            self._registers.read(self._seat.pid)
            if self._registers.waits_in_read_of(gate):
                break
            self._seat.go_on()
            time.sleep(_BASELINE_PAUSE_S)
        else:
            raise Unfit("unsettled", "the seat does not wait at its gate")
        self._registers.begin_call_again()
        self._lines = self._mappings.lines()
        self._page_count = self._mappings.page_count()
        mappings = [parse(line) for line in self._lines]
        self._writable = np.array([(one.start, one.end) for one in mappings if one.is_writable], np.uint64)
        self._large = [(one.start, one.end) for one in mappings if self._sealed and is_large(one)]
        anonymous = self._table.anonymous().copy()
        self._first_pages = self._table.unshared(anonymous)
        self._first_content = self._memory.read(self._first_pages)
        self._state.remember()
        self._require_tracked(mappings)
        self._table.protect()
        for one in mappings:
            if one.has_file and one.is_writable and (one.start, one.end) not in self._large:
                self._table.protect_file(one.start, one.end)
        return anonymous

    def end_threads(self) -> None:
        """End all threads of the stopped seat but its first."""
        if self._state.other_threads():
            self._seat.end_threads(self._state.other_threads, self._registers["rip"])

    def rewind(self) -> tuple[Orders, Rewound]:
        """Write everything back into the stopped seat. Return what it has to undo itself once it goes on."""
        orders = self._state.compare()
        self._compare_mappings(orders)
        written = self._write_back()
        self._registers.write(self._seat.pid)
        return orders, Rewound(written, len(self._hot.pages), len(orders.unmap))

    def learn_again_if_due(self) -> None:
        """Forget which pages are hot, if that is due. Call it only while the stopped seat is as at the baseline: what
        is protected later does not show what the seat has written since."""
        self._written_back += len(self._hot.pages)
        if self._written_back >= LEARN_AGAIN_AFTER:
            self._table.protect()
            self._hot, self._seen, self._written_back = Originals(), b"", 0

    def _require_tracked(self, mappings: list[Mapping]) -> None:
        """Raise ``Unfit`` if a run could change a page of the baseline without notice."""
        tracked = self._table.tracked()
        self._tracked = tracked.tobytes()
        for one, of_one in zip(mappings, self._mappings.flags(), strict=True):
            can_be_written = b"w" in one.permissions if self._sealed else MAY_BE_WRITTEN in of_one
            if one.is_shared and can_be_written:
                raise Unfit("mappings", f"{one.name!r} is shared")
            if self._sealed and SEALED not in of_one and one.name != UNSEALABLE:
                raise Unfit("mappings", f"{one.name!r} is not sealed")
            if not self._sealed and one.name == KERNELS_CODE and not len(self._table.anonymous(one.start, one.end)):
                self._never_copied.append((one.start, one.end))
                continue
            pages = pages_of(np.array([(one.start, one.end)], np.uint64))
            if can_be_written and (one.start, one.end) not in self._large and not among(pages, tracked).all():
                raise Unfit("mappings", f"{one.name!r} is not tracked")

    def _compare_mappings(self, orders: Orders) -> None:
        if self._sealed and self._mappings.page_count() == self._page_count:
            return  # all mappings of the baseline are there and as they were, so nothing was added
        if not self._sealed and self._table.tracked().tobytes() != self._tracked:
            raise Unfit("mappings", "one was replaced")
        if any(len(self._table.anonymous(*span)) for span in self._never_copied):
            raise Unfit("mappings", "code of the kernel's was changed")
        lines = self._mappings.lines()
        if lines != self._lines:
            changed = changes(self._lines, lines)
            orders.unmap, orders.heap = changed.added, changed.heap

    def _write_back(self) -> int:
        """Write every page back that was written since the baseline. Return how many are new among them."""
        written, found = self._table.written() if self._sealed else self._table.written_privately(), 0
        if self._large or written.tobytes() != self._seen:
            self._seen = written.tobytes()
            pages = pages_of(written)
            if self._large:
                own = [pages_of(self._table.anonymous(*span)) for span in self._large]
                pages = np.unique(np.concatenate((pages, *own)))
            new = self._hot.lacks(pages)
            found = len(new)
            self._fetch(new)
        self._hot.write_into(self._seat.pid)
        return found

    def _fetch(self, pages: Addresses) -> None:
        """Add pages to the hot ones, with their content of the baseline."""
        if len(self._hot.pages) + len(pages) > MOST_HOT_PAGES:
            raise Unfit("pages", f"{len(self._hot.pages)} and {len(pages)} more")
        if not among(pages, self._writable).all():
            raise Unfit("mappings", "a page was written that nobody may write")
        index = np.searchsorted(self._first_pages, pages)
        index = np.minimum(index, len(self._first_pages) - 1)
        known = self._first_pages[index] == pages
        self._hot.add(pages[known], self._first_content, index[known])
        others = pages[~known]
        self._hot.add(others, self._witness.read(others))
