"""The mappings of a process, as ``/proc/<pid>/maps`` lists them, and what became of them."""

import os
import re
from dataclasses import dataclass
from typing import Final

from runtime.sandbox.walls.rewinding.unfit import Unfit

_CHUNK: Final = 64 * 1024
_HEAP: Final = b"[heap]"
_NO_FILE: Final = b"0"

UNSEALABLE: Final = b"[vsyscall]"
"""A page of the kernel's own that is no mapping."""

KERNELS_CODE: Final = b"[vdso]"
"""Code of the kernel's that a process can make writable, but not map anew. Writes to it cannot be noted."""

SEALED, MAY_BE_WRITTEN = b" sl", b" mw"
"""Flags of mappings: ``mseal`` has fixed it; it is writable, or its process can make it so."""

MOST_ADDED: Final = 1000
"""Spans that a seat can be told to unmap."""


@dataclass(frozen=True, slots=True, order=True)
class Mapping:
    """One line of the list. ``offset``: into the file; 0 without one. ``name``: a path, or a name like ``[heap]``."""

    start: int
    end: int
    permissions: bytes
    offset: int
    device: bytes
    inode: bytes
    name: bytes

    @property
    def is_writable(self) -> bool:
        """Return whether it is private and can be written."""
        return self.permissions[:2] == b"rw" and self.permissions[3:] == b"p"

    @property
    def is_shared(self) -> bool:
        return self.permissions[3:] == b"s"

    @property
    def has_file(self) -> bool:
        return self.inode != _NO_FILE

    def is_part_of(self, whole: "Mapping") -> bool:
        """Return whether this is ``whole``, or a piece of it that differs only in its addresses."""
        moved = self.start - whole.start if whole.has_file else 0
        return self.offset == whole.offset + moved and self._kind == whole._kind

    @property
    def _kind(self) -> tuple[bytes, ...]:
        return self.permissions, self.device, self.inode, self.name


def parse(line: bytes) -> Mapping:
    """Parse one line of ``/proc/<pid>/maps``."""
    addresses, permissions, offset, device, inode, *name = line.split(None, 5)
    start, _, end = addresses.partition(b"-")
    at = int(offset, 16) if inode != _NO_FILE else 0
    return Mapping(int(start, 16), int(end, 16), permissions, at, device, inode, name[0] if name else b"")


def own_mappings() -> list[Mapping]:
    """Return the mappings of the calling process."""
    with open("/proc/self/maps", "rb") as lines:
        return [parse(line.rstrip(b"\n")) for line in lines]


class MappingList:
    """The mappings of another process."""

    def __init__(self, proc: str) -> None:
        """``proc``: the process's directory in ``/proc``."""
        self._proc = proc
        self._maps = os.open(f"{proc}/maps", os.O_RDONLY | os.O_CLOEXEC)
        self._statm = os.open(f"{proc}/statm", os.O_RDONLY | os.O_CLOEXEC)

    def lines(self) -> list[bytes]:
        parts, at = [], 0
        while part := os.pread(self._maps, _CHUNK, at):
            parts.append(part)
            at += len(part)
        return b"".join(parts).split(b"\n")[:-1]  # not splitlines(), because a file's name may have another end of line

    def flags(self) -> list[bytes]:
        """Return the kernel's flags of each mapping, two letters each. This looks at every page, so it is slow."""
        with open(f"{self._proc}/smaps", "rb") as file:
            return re.findall(rb"^VmFlags:( .*)$", file.read(), re.MULTILINE)

    def page_count(self) -> bytes:
        """Return the size of the address space, as text: much cheaper than ``lines``."""
        return os.pread(self._statm, 128, 0).split(None, 1)[0]


@dataclass(frozen=True, slots=True)
class Changes:
    """What has to be put right: spans to unmap (start, length), and whether the heap has another size."""

    added: list[tuple[int, int]]
    heap: bool


def changes(before: list[bytes], now: list[bytes]) -> Changes:
    """Compare two lists. Raise ``Unfit`` if a mapping of ``before`` is not there as it was, or too many were added."""
    known, seen = set(before), set(now)
    old = sorted(parse(line) for line in before if line not in seen)
    new = sorted(parse(line) for line in now if line not in known)
    heap = any(one.name == _HEAP for one in (*old, *new))
    old, new = ([one for one in some if one.name != _HEAP] for some in (old, new))
    for one in old:
        _require_whole(one, new)
    added: list[tuple[int, int]] = []
    for one in new:
        for start, end in _outside(one, old):
            if added and sum(added[-1]) == start:
                added[-1] = (added[-1][0], added[-1][1] + end - start)
            else:
                added.append((start, end - start))
    if len(added) > MOST_ADDED:
        raise Unfit("mappings", f"{len(added)} spans were added")
    return Changes(added, heap)


def _require_whole(old: Mapping, new: list[Mapping]) -> None:
    """Raise ``Unfit`` unless pieces of the same kind cover all of ``old``. A neighbor may have merged with it."""
    at = old.start
    for piece in new:
        if piece.end <= at or piece.start >= old.end:
            continue
        if piece.start > at or not piece.is_part_of(old):
            break
        at = piece.end
    if at < old.end:
        raise Unfit("mappings", f"{at:x}-{old.end:x} is gone or changed")


def _outside(new: Mapping, old: list[Mapping]) -> list[tuple[int, int]]:
    """Return the parts of ``new`` that none of ``old`` covers."""
    parts, at = [], new.start
    for one in old:
        if one.end <= at or one.start >= new.end:
            continue
        if one.start > at:
            parts.append((at, one.start))
        at = max(at, one.end)
    if at < new.end:
        parts.append((at, new.end))
    return parts
