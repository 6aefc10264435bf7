"""Fewer mappings for the same memory: a fork copies each of them, and an end takes each apart (2 us together).

A library is mapped in five pieces with rights of their own. In a holder that has loaded its dataset, nobody's data is
read any more, and what runs in its seats may change its own memory as it likes; so there the pieces may share rights.
The template, which has the same libraries, finds out beforehand which: it is most of the work.
"""

import ctypes
import mmap
from dataclasses import dataclass

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]


@dataclass(frozen=True, slots=True)
class _Mapping:
    """A line of ``/proc/self/maps``: ``file`` is device and inode, ``offset`` where in it the mapping begins."""

    start: int
    end: int
    rights: bytes
    offset: int
    file: tuple[bytes, bytes]

    def goes_on_in(self, after: "_Mapping") -> bool:
        """Whether the two are one stretch of one file, writable both or neither."""
        return (
            self.end == after.start and self.file == after.file and self.offset + self.end - self.start == after.offset
        )


Merge = tuple[int, int, int]
"""Address and length in bytes of a mapping, and the rights that it is to have."""


def find_merges() -> list[Merge]:
    """What to change so that adjacent mappings of one library have the same rights."""
    with open("/proc/self/maps", "rb") as file:
        mappings = [_mapping(line) for line in file]
    libraries = {one.file for one in mappings if one.rights == b"r-xp" and one.file[1] != b"0"}
    merges = []
    for number, one in enumerate(mappings):
        if one.rights == b"r--p" and one.file in libraries:
            neighbours = mappings[max(0, number - 1) : number + 2]
            writable = any(other.rights == b"rw-p" and one.goes_on_in(other) for other in neighbours)
            rights = mmap.PROT_READ | (mmap.PROT_WRITE if writable else mmap.PROT_EXEC)
            merges.append((one.start, one.end - one.start, rights))
    return merges


def merge(merges: list[Merge]) -> None:
    """Change it, here or in a process forked from where it was found: the kernel makes one mapping of several."""
    for address, length, rights in merges:
        _libc.mprotect(address, length, rights)  # where it fails, things stay as they were


def _mapping(line: bytes) -> _Mapping:
    span, rights, offset, device, inode, *_ = line.split(maxsplit=5)
    start, end = (int(one, 16) for one in span.split(b"-"))
    return _Mapping(start, end, rights, int(offset, 16), (device, inode.strip()))
