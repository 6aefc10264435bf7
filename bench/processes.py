"""The processes of a server and the memory that they take, as the kernel counts it."""

import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import psutil

from bench.client import BadAnswer
from bench.servers import Server

_LOOK_S = 0.005
_SETTLE_S = 10.0


def replica(server: Server, deployment: str) -> psutil.Process:
    """Return the only replica of a deployment. Raises ``BadAnswer`` if there are several or none."""
    found = []
    for process in psutil.Process(server.pid).children(recursive=True):
        with suppress(psutil.Error):
            words = " ".join(process.cmdline())
            if "ServeReplica" in words and deployment in words:
                found.append(process)
    if len(found) != 1:
        raise BadAnswer(f"{len(found)} replicas of {deployment}")
    return found[0]


def below(process: psutil.Process) -> list[psutil.Process]:
    """Return all descendants that are alive."""
    with suppress(psutil.Error):
        return [one for one in process.children(recursive=True) if one.status() != psutil.STATUS_ZOMBIE]
    return []


def private_bytes(process: psutil.Process) -> int:
    """Return ``RssAnon``, or 0 if the process has ended."""
    return _field(f"/proc/{process.pid}/status", "RssAnon:")


def proportional_private_bytes(processes: Iterable[psutil.Process]) -> int:
    """Return the sum of ``Pss_Anon``: memory that is in no file, with pages that a fork shares counted once.

    Raises ``PermissionError`` if this user may not look.
    """
    return sum(_field(f"/proc/{one.pid}/smaps_rollup", "Pss_Anon:") for one in processes)


def own_bytes(process: psutil.Process) -> int:
    """Return the bytes that would be free if the process ended: pages that no other process has, and page tables.

    Raises ``PermissionError`` if this user may not look.
    """
    pages = ("Private_Clean:", "Private_Dirty:")
    own = sum(_field(f"/proc/{process.pid}/smaps_rollup", name) for name in pages)
    return own + _field(f"/proc/{process.pid}/status", "VmPTE:")


def proportional_bytes(processes: Iterable[psutil.Process]) -> int:
    """Return the sum of ``Pss`` and page tables. Raises ``PermissionError`` if this user may not look."""
    return sum(
        _field(f"/proc/{one.pid}/smaps_rollup", "Pss:") + _field(f"/proc/{one.pid}/status", "VmPTE:")
        for one in processes
    )


def mapped_files(process: psutil.Process, folder: Path) -> dict[int, int]:
    """Return the size, by inode, of the files below ``folder`` that the process maps."""
    sizes = {one.stat().st_ino: one.stat().st_size for one in folder.rglob("*") if one.is_file()}
    with suppress(FileNotFoundError, ProcessLookupError):
        lines = Path(f"/proc/{process.pid}/maps").read_text().splitlines()
        return {inode: sizes[inode] for line in lines if (inode := int(line.split()[4])) in sizes}
    return {}


def _field(path: str, name: str) -> int:
    """Return the field in bytes, or 0 if the process has ended."""
    with suppress(FileNotFoundError, ProcessLookupError):
        for line in Path(path).read_text().splitlines():
            if line.startswith(name):
                return int(line.split()[1]) * 1024
    return 0


class PrivateGrowth:
    """Measure how far a process's private memory rises above its start. Use as a context manager."""

    def __init__(self, process: psutil.Process) -> None:
        self._process = process
        self._before = private_bytes(process)
        self._most = self._before
        self._ended = threading.Event()
        self._looking = threading.Thread(target=self._look, daemon=True)

    @property
    def bytes(self) -> int:
        """The most so far, above the start."""
        return self._most - self._before

    def __enter__(self) -> "PrivateGrowth":
        self._looking.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._looking.join()

    def _look(self) -> None:
        while not self._ended.wait(_LOOK_S):
            self._most = max(self._most, private_bytes(self._process))


def seats_of(runner: psutil.Process, folder: Path, byte_count: int, count: int) -> list[psutil.Process]:
    """Return the processes that were forked from the holder of a dataset, once there are ``count`` of them.

    The dataset has at least ``byte_count`` bytes. ``folder``: where stored tables are. Raises ``BadAnswer`` if that
    takes too long.
    """
    until = time.monotonic() + _SETTLE_S
    while True:
        holding = [one for one in below(runner) if sum(mapped_files(one, folder).values()) >= byte_count]
        pids = {one.pid for one in holding}
        seats = [one for one in holding if _parent(one) in pids]
        if len(seats) == count:
            return seats
        if time.monotonic() > until:
            raise BadAnswer(f"{len(seats)} processes of a dataset, expected {count}")
        time.sleep(_LOOK_S)


def _parent(process: psutil.Process) -> int | None:
    """Return the parent's pid, or None if the process has ended, because spare seats come and go."""
    try:
        return int(process.ppid())
    except psutil.Error:
        return None
