"""Merges memory mappings, because a fork copies each mapping and an exit removes each (2 us together).

A library is mapped in five pieces that differ in their rights. A holder that has loaded its dataset reads no stranger's
data any more, and a task in a seat may change the memory of its own process anyway. So the pieces may share rights
there. The template has the same libraries and finds the merges beforehand, which is most of the work.
"""

import ctypes
import mmap
from dataclasses import dataclass

_libc = ctypes.CDLL(None, use_errno=True)
_libc.mprotect.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]


@dataclass(frozen=True, slots=True)
class _Mapping:
    """A line of ``/proc/self/maps``. ``file``: device and inode. ``offset``: where in the file the mapping begins."""

    start: int
    end: int
    rights: bytes
    offset: int
    file: tuple[bytes, bytes]

    def goes_on_in(self, after: "_Mapping") -> bool:
        """Return whether the two mappings are one contiguous part of one file."""
        return (
            self.end == after.start and self.file == after.file and self.offset + self.end - self.start == after.offset
        )


Merge = tuple[int, int, int]
"""Address of a mapping, its length in bytes, and the rights that it is to get."""


def find_merges() -> list[Merge]:
    """Find the changes that give adjacent mappings of one library the same rights."""
    with open("/proc/self/maps", "rb") as file:
        mappings = [_mapping(line) for line in file]
    libraries = {one.file for one in mappings if one.rights == b"r-xp" and one.file[1] != b"0"}
    merges = []
    for number, one in enumerate(mappings):
        if one.rights == b"r--p" and one.file in libraries:
            neighbors = mappings[max(0, number - 1) : number + 2]
            writable = any(other.rights == b"rw-p" and one.goes_on_in(other) for other in neighbors)
            rights = mmap.PROT_READ | (mmap.PROT_WRITE if writable else mmap.PROT_EXEC)
            merges.append((one.start, one.end - one.start, rights))
    return merges


def merge(merges: list[Merge]) -> None:
    """Apply changes in the process that found them or in a child. The kernel then merges the mappings."""
    for address, length, rights in merges:
        _libc.mprotect(address, length, rights)  # a failure leaves the mapping as it was


def _mapping(line: bytes) -> _Mapping:
    span, rights, offset, device, inode, *_ = line.split(maxsplit=5)
    start, end = (int(one, 16) for one in span.split(b"-"))
    return _Mapping(start, end, rights, int(offset, 16), (device, inode.strip()))
