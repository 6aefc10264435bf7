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
    """The only replica of a deployment. Raises ``BadAnswer`` where there are more or none."""
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
    """All descendants that are alive."""
    with suppress(psutil.Error):
        return [one for one in process.children(recursive=True) if one.status() != psutil.STATUS_ZOMBIE]
    return []


def private_bytes(process: psutil.Process) -> int:
    """``RssAnon``; 0 once it has ended."""
    return _field(f"/proc/{process.pid}/status", "RssAnon:")


def proportional_private_bytes(processes: Iterable[psutil.Process]) -> int:
    """``Pss_Anon`` of all: what they have that is in no file, pages that a fork shares counted once.

    Raises ``PermissionError`` where this user may not look.
    """
    return sum(_field(f"/proc/{one.pid}/smaps_rollup", "Pss_Anon:") for one in processes)


def own_bytes(process: psutil.Process) -> int:
    """Pages that no other process has, and page tables: what would be free if it ended.

    Raises ``PermissionError`` where this user may not look.
    """
    pages = ("Private_Clean:", "Private_Dirty:")
    own = sum(_field(f"/proc/{process.pid}/smaps_rollup", name) for name in pages)
    return own + _field(f"/proc/{process.pid}/status", "VmPTE:")


def proportional_bytes(processes: Iterable[psutil.Process]) -> int:
    """``Pss`` of all and their page tables. Raises ``PermissionError`` where this user may not look."""
    return sum(
        _field(f"/proc/{one.pid}/smaps_rollup", "Pss:") + _field(f"/proc/{one.pid}/status", "VmPTE:")
        for one in processes
    )


def mapped_files(process: psutil.Process, folder: Path) -> dict[int, int]:
    """Size by inode of the files below ``folder`` that it maps."""
    sizes = {one.stat().st_ino: one.stat().st_size for one in folder.rglob("*") if one.is_file()}
    with suppress(FileNotFoundError, ProcessLookupError):
        lines = Path(f"/proc/{process.pid}/maps").read_text().splitlines()
        return {inode: sizes[inode] for line in lines if (inode := int(line.split()[4])) in sizes}
    return {}


def _field(path: str, name: str) -> int:
    """Bytes; 0 where the process has ended."""
    with suppress(FileNotFoundError, ProcessLookupError):
        for line in Path(path).read_text().splitlines():
            if line.startswith(name):
                return int(line.split()[1]) * 1024
    return 0


class PrivateGrowth:
    """How far a process's private memory rises above where it was. Use as a context manager."""

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
    """The processes forked from the one that holds a dataset of at least ``byte_count``, once there are ``count``.

    ``folder``: where stored tables are. Raises ``BadAnswer``.
    """
    until = time.monotonic() + _SETTLE_S
    while True:
        holding = [one for one in below(runner) if sum(mapped_files(one, folder).values()) >= byte_count]
        pids = {one.pid for one in holding}
        seats = [one for one in holding if _parent(one) in pids]
        if len(seats) == count:
            return seats
        if time.monotonic() > until:
            raise BadAnswer(f"{len(seats)} processes of a dataset where {count} were to be")
        time.sleep(_LOOK_S)


def _parent(process: psutil.Process) -> int | None:
    """None once it has ended: spare seats come and go."""
    try:
        return int(process.ppid())
    except psutil.Error:
        return None
