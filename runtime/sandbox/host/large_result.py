"""A large result stays in the file into which its seat wrote it. The process that sends the result opens that file
itself if it can, so that the bytes are not copied between our own processes first.

The file has no name. Only the descriptor in this process leads to it, which ``/proc`` lets other processes of the same
user open for reading, on the same machine and in the same pid namespace. Elsewhere a process has to ask for the bytes.
Nobody can write to the file by then, because the only process that could, its seat, is dead.
"""

import mmap
import os
import stat
from pathlib import Path
from typing import Final, Self, TypedDict

_BOOT: Final = Path("/proc/sys/kernel/random/boot_id")
_PID_NAMESPACE: Final = "/proc/self/ns/pid"


class ResultLocation(TypedDict):
    """The location of a result file for other processes, as JSON.

    ``machine``: boot id and pid namespace of the process that has it. ``file``: device and inode. ``length``: bytes.
    """

    machine: list[str]
    path: str
    file: list[int]
    length: int


class LargeResult(mmap.mmap):
    """The file, mapped. It is gone once nobody refers to this object and nobody has the file open."""

    _descriptor: int

    def __new__(cls, descriptor: int, length: int) -> Self:
        """Map a file. The caller keeps ``descriptor``, and closes it."""
        result = super().__new__(cls, descriptor, length, prot=mmap.PROT_READ)
        result._descriptor = os.dup(descriptor)
        return result

    def __del__(self) -> None:
        os.close(self._descriptor)

    @property
    def location(self) -> ResultLocation | None:
        """The location for other processes; None if they could not verify that they find this file there."""
        machine = _machine()
        if machine is None:
            return None
        status = os.fstat(self._descriptor)
        path = f"/proc/{os.getpid()}/fd/{self._descriptor}"
        return {"machine": machine, "path": path, "file": [status.st_dev, status.st_ino], "length": len(self)}


def open_result(location: ResultLocation | None) -> int | None:
    """Return a descriptor of the file at a location, for the caller to close; None if this process cannot open it."""
    if location is None or location["machine"] != _machine():
        return None
    try:
        descriptor = os.open(location["path"], os.O_RDONLY | os.O_CLOEXEC)
    except OSError:  # its process has ended, or hides its files
        return None
    status = os.fstat(descriptor)
    same = [status.st_dev, status.st_ino] == list(location["file"]) and status.st_nlink == 0
    if same and stat.S_ISREG(status.st_mode) and status.st_size >= location["length"]:
        return descriptor
    os.close(descriptor)  # the number was used again, for another file
    return None


def _machine() -> list[str] | None:
    """Return what only processes that see each other under the same pids have in common."""
    try:
        return [_BOOT.read_text(encoding="ascii").strip(), os.readlink(_PID_NAMESPACE)]
    except OSError:
        return None
