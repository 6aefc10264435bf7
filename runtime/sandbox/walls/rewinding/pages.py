"""Finds the pages of a process that were written, and writes pages back.

The kernel notes writes (``tracking.py``); ``PAGEMAP_SCAN`` asks for them. ``/proc/<pid>/mem`` reads pages:
``process_vm_readv`` would pin them, and the kernel then gives the process a copy of each page that it shares.
"""

import ctypes
import mmap
import os
from collections.abc import Iterable
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from runtime.sandbox.walls import kernel
from runtime.sandbox.walls.policy import PAGEMAP_SCAN
from runtime.sandbox.walls.rewinding.unfit import Unfit
from runtime.sandbox.walls.syscalls import number_of, require_architecture

PAGE: Final = mmap.PAGESIZE

Spans = npt.NDArray[np.uint64]
"""Rows of an address and the address after the last."""

Addresses = npt.NDArray[np.uint64]
"""Addresses of pages, ascending."""

_PROTECT: Final = 1
_TRACKED, _WRITTEN, _OF_FILE, _PRESENT, _SWAPPED, _ZERO = (1 << bit for bit in range(6))
_WRITTEN_WITH_CONTENT: Final = {
    "inverted": _ZERO, "mask": _TRACKED | _WRITTEN | _ZERO, "any_of": _PRESENT | _SWAPPED, "returned": _WRITTEN,
}  # fmt: skip
_END_OF_SPACE: Final = 0x7FFFFFFFF000
_MOST_STRETCHES: Final = 16 * 1024

_IN_MEMORY, _IN_SWAP, _IS_OF_FILE, _UNSHARED = (np.uint64(1 << bit) for bit in (63, 62, 61, 56))
_ENTRY_BYTES: Final = 8

_MOST_VECTORS: Final = 1024
_libc = ctypes.CDLL(None, use_errno=True)
_libc.ioctl.argtypes = [ctypes.c_int, ctypes.c_ulong, ctypes.c_void_p]


class _Scan(ctypes.Structure):
    _fields_ = tuple(
        (name, ctypes.c_uint64)
        for name in (
            *("size", "flags", "start", "end", "walk_end", "vector", "vector_length", "most_pages"),
            *("inverted", "mask", "any_of", "returned"),
        )
    )


class PageTable:
    """The pages of another process. This process must have the right to trace it."""

    def __init__(self, proc: str) -> None:
        """``proc``: the process's directory in ``/proc``."""
        self._fd = os.open(f"{proc}/pagemap", os.O_RDONLY | os.O_CLOEXEC)
        self._stretches = np.zeros((_MOST_STRETCHES, 3), np.uint64)
        self._scan = _Scan(size=ctypes.sizeof(_Scan), vector=self._stretches.ctypes.data, vector_length=_MOST_STRETCHES)
        self._scan_at = ctypes.addressof(self._scan)

    def written(self) -> Spans:
        """Return spans of tracked pages that were written since they were protected. The result is overwritten by the
        next call."""
        return self._ask(**_WRITTEN_WITH_CONTENT)

    def protect(self, start: int = 0, end: int = _END_OF_SPACE) -> None:
        """Have each tracked page that has content noted again at its next write.

        A page without content needs that only if it is of a file: otherwise it shows once it has content, which only a
        write gives it. To protect it would take memory for it.
        """
        self._ask(start=start, end=end, flags=_PROTECT, **_WRITTEN_WITH_CONTENT)

    def protect_file(self, start: int, end: int) -> None:
        """Have each page of a tracked mapping of a file noted at its next write, whether it is in memory or not."""
        self._ask(start=start, end=end, flags=_PROTECT, mask=_TRACKED, returned=_WRITTEN)

    def written_privately(self) -> Spans:
        """Return the same, but without pages of files, which also show when they were only read. This takes longer."""
        no_file = _OF_FILE | _ZERO
        mask = _TRACKED | _WRITTEN | no_file
        return self._ask(inverted=no_file, mask=mask, any_of=_PRESENT | _SWAPPED, returned=_WRITTEN)

    def tracked(self) -> Spans:
        """Return spans of pages whose writes the kernel notes."""
        return self._ask(mask=_TRACKED, returned=_TRACKED)

    def anonymous(self, start: int = 0, end: int = _END_OF_SPACE) -> Spans:
        """Return spans of pages that have content of the process's own, in memory or swapped out."""
        no_file = _OF_FILE | _ZERO
        return self._ask(start=start, end=end, inverted=no_file, mask=no_file, any_of=_PRESENT | _SWAPPED)

    def unshared(self, spans: Spans) -> Addresses:
        """Return those pages of spans that no other process has."""
        pages, entries = pages_of(spans), self._entries(spans)
        own = (entries & _IS_OF_FILE) == 0
        found: Addresses = pages[own & ((entries & (_UNSHARED | _IN_SWAP)) != 0)]
        return found

    def _ask(
        self,
        *,
        start: int = 0,
        end: int = _END_OF_SPACE,
        flags: int = 0,
        inverted: int = 0,
        mask: int = 0,
        any_of: int = 0,
        returned: int = 0,
    ) -> Spans:
        scan: Any = self._scan
        scan.start, scan.end, scan.flags = start, end, flags
        scan.inverted, scan.mask, scan.any_of, scan.returned = inverted, mask, any_of, returned
        count = _libc.ioctl(self._fd, PAGEMAP_SCAN, self._scan_at)
        if count < 0:
            raise kernel.failed()
        if count == _MOST_STRETCHES:
            raise Unfit("pages", "in too many stretches")
        found: Spans = self._stretches[:count, :2]
        return found

    def _entries(self, spans: Spans) -> npt.NDArray[np.uint64]:
        entries = np.zeros(int((spans[:, 1] - spans[:, 0]).sum()) // PAGE, np.uint64)
        view, at = memoryview(entries).cast("B"), 0  # type: ignore[arg-type]
        for start, end in spans.tolist():
            length = (end - start) // PAGE * _ENTRY_BYTES
            os.preadv(self._fd, [view[at : at + length]], start // PAGE * _ENTRY_BYTES)
            at += length
        return entries


def pages_of(spans: Spans) -> Addresses:
    """Return the address of each page of spans."""
    counts = ((spans[:, 1] - spans[:, 0]) // np.uint64(PAGE)).astype(np.int64)
    before = np.cumsum(counts) - counts
    within = np.arange(int(counts.sum()), dtype=np.int64) - np.repeat(before, counts)
    return np.repeat(spans[:, 0], counts) + (within * PAGE).astype(np.uint64)


def among(pages: Addresses, spans: Spans) -> npt.NDArray[np.bool_]:
    """Return which pages lie in ascending spans."""
    if not len(spans):
        return np.zeros(len(pages), bool)
    index = np.searchsorted(spans[:, 0], pages, side="right").astype(np.int64) - 1
    found: npt.NDArray[np.bool_] = (index >= 0) & (pages < spans[np.maximum(index, 0), 1])
    return found


class Memory:
    """Reads the memory of another process."""

    def __init__(self, proc: str) -> None:
        """``proc``: the process's directory in ``/proc``."""
        self._fd = os.open(f"{proc}/mem", os.O_RDONLY | os.O_CLOEXEC)

    def read(self, pages: Addresses) -> npt.NDArray[np.uint8]:
        """Return the content of pages, a row each."""
        content = np.empty((len(pages), PAGE), np.uint8)
        self.read_into(content, pages)
        return content

    def read_into(self, content: npt.NDArray[np.uint8], pages: Addresses) -> None:
        """Read pages into the rows of ``content``."""
        if not len(pages):
            return
        view, at = memoryview(content).cast("B"), 0  # type: ignore[arg-type]
        for start, length in _stretches(pages):
            got = os.preadv(self._fd, [view[at : at + length]], start)
            if got != length:
                raise Unfit("pages", f"{got} of {length} bytes could be read")
            at += length


class Originals:
    """Pages with the content that they had at the baseline, to be written into a process again and again.

    Content is kept where it was read to, so a page is never held twice.
    """

    def __init__(self) -> None:
        self.pages: Addresses = np.empty(0, np.uint64)
        self._contents: Addresses = np.empty(0, np.uint64)  # addresses of the content in this process
        self._kept: list[npt.NDArray[np.uint8]] = []
        self._calls: list[tuple[int, int, int, int]] = []
        self._vectors: list[npt.NDArray[np.uint64]] = []

    def add(self, pages: Addresses, content: npt.NDArray[np.uint8], rows: npt.NDArray[np.intp] | None = None) -> None:
        """Add pages that are not among these. ``rows``: the rows of ``content`` that are theirs; None: all, in order.

        ``content`` must not change any more.
        """
        if not len(pages):
            return
        self._kept.append(content)
        index = np.arange(len(pages)) if rows is None else rows
        contents = np.uint64(content.ctypes.data) + (index * PAGE).astype(np.uint64)
        merged = np.concatenate((self.pages, pages))
        order = np.argsort(merged, kind="stable")
        self.pages, self._contents = merged[order], np.concatenate((self._contents, contents))[order]
        self._prepare()

    def lacks(self, pages: Addresses) -> Addresses:
        """Return those of ``pages`` that are not among these."""
        if np.array_equal(pages, self.pages):
            return pages[:0]
        return pages[~np.isin(pages, self.pages, assume_unique=True)]

    def write_into(self, pid: int) -> None:
        """Write all pages into a process. Raises ``OSError``."""
        for local, remote, count, length in self._calls:
            written = kernel.syscall(
                _process_vm_writev(), pid, ctypes.c_void_p(local), ctypes.c_ulong(count), ctypes.c_void_p(remote),
                ctypes.c_ulong(count), ctypes.c_ulong(0),
            )  # fmt: skip
            if written != length:
                raise Unfit("pages", f"{written} of {length} bytes could be written")

    def _prepare(self) -> None:
        pages, contents = self.pages, self._contents
        cuts = np.flatnonzero((np.diff(pages) != PAGE) | (np.diff(contents) != PAGE)) + 1
        first, last = np.concatenate(([0], cuts)), np.concatenate((cuts, [len(pages)]))
        lengths = ((last - first) * PAGE).astype(np.uint64)
        remote = np.ascontiguousarray(np.stack((pages[first], lengths), axis=1))
        local = np.ascontiguousarray(np.stack((contents[first], lengths), axis=1))
        self._vectors = [local, remote]
        self._calls = []
        for at in range(0, len(first), _MOST_VECTORS):
            end = min(at + _MOST_VECTORS, len(first))
            ours, theirs = local[at:end].ctypes.data, remote[at:end].ctypes.data
            self._calls.append((ours, theirs, end - at, int(lengths[at:end].sum())))


def _stretches(pages: Addresses) -> Iterable[tuple[int, int]]:
    """Return the start and the length of each run of adjacent pages."""
    if not len(pages):
        return ()
    cuts = np.flatnonzero(np.diff(pages) != PAGE) + 1
    first, last = np.concatenate(([0], cuts)), np.concatenate((cuts, [len(pages)]))
    return zip(pages[first].tolist(), ((last - first) * PAGE).tolist(), strict=True)


def _process_vm_writev() -> int:
    number = number_of("process_vm_writev", require_architecture())
    assert number is not None
    return number
