"""A large result stays in the file into which its seat wrote it. Whoever has to send it opens that file where he can,
so that its bytes do not travel between our own processes first.

The file has no name. What there is of it is this process's descriptor, which ``/proc`` lets other processes of the same
user open, for reading: on the same machine, in the same namespace of processes. Elsewhere the bytes have to be asked
for. Nobody can write to it by then: its seat, the only one who could, is dead.
"""

import mmap
import os
import stat
from pathlib import Path
from typing import Any, Final, Self

_BOOT: Final = Path("/proc/sys/kernel/random/boot_id")
_PROCESSES: Final = "/proc/self/ns/pid"


class LargeResult(mmap.mmap):
    """The file, mapped. It goes when nobody refers to this any more, and has it open."""

    _descriptor: int

    def __new__(cls, descriptor: int, length: int) -> Self:
        """``descriptor`` stays the caller's."""
        result = super().__new__(cls, descriptor, length, prot=mmap.PROT_READ)
        result._descriptor = os.dup(descriptor)
        return result

    def __del__(self) -> None:
        os.close(self._descriptor)

    @property
    def place(self) -> dict[str, Any] | None:
        """Where other processes find the file, as JSON; None where they could not tell that it is this one."""
        machine = _machine()
        if machine is None:
            return None
        status = os.fstat(self._descriptor)
        path = f"/proc/{os.getpid()}/fd/{self._descriptor}"
        return {"machine": machine, "path": path, "file": [status.st_dev, status.st_ino], "length": len(self)}


def open_result(place: dict[str, Any] | None) -> int | None:
    """A descriptor of the file at a ``LargeResult.place``, the caller's to close; None where it cannot be had here."""
    if place is None or place["machine"] != _machine():
        return None
    try:
        descriptor = os.open(place["path"], os.O_RDONLY | os.O_CLOEXEC)
    except OSError:  # its process has ended, or does not show itself
        return None
    status = os.fstat(descriptor)
    same = [status.st_dev, status.st_ino] == list(place["file"]) and status.st_nlink == 0
    if same and stat.S_ISREG(status.st_mode) and status.st_size >= place["length"]:
        return descriptor
    os.close(descriptor)  # somebody else's: the number was used again
    return None


def _machine() -> list[str] | None:
    """What is the same for two processes that see each other under the same number."""
    try:
        return [_BOOT.read_text(encoding="ascii").strip(), os.readlink(_PROCESSES)]
    except OSError:
        return None
