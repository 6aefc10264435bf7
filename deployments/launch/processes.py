"""Processes by identity: a pid and the moment it began, so that a number given to somebody else is never signalled."""

import ctypes
import os
import signal
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_PR_SET_CHILD_SUBREAPER = 36
_POLL_S = 0.05


@dataclass(frozen=True, slots=True)
class Process:
    """``started`` is in clock ticks since boot (proc(5), field 22)."""

    pid: int
    started: int

    def alive(self) -> bool:
        """Whether this very process exists and is no zombie."""
        now = _stat(self.pid)
        return now is not None and now.process == self and now.state not in "ZX"

    def signal(self, number: int) -> None:
        """Sends a signal to this process and to no later owner of its number. Silent where it is gone."""
        try:
            descriptor = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return
        try:
            if self.alive():  # checked through the descriptor's eyes: the number cannot pass on in between
                signal.pidfd_send_signal(descriptor, number)
        except ProcessLookupError:
            pass
        finally:
            os.close(descriptor)


@dataclass(frozen=True, slots=True)
class _Stat:
    process: Process
    parent: int
    state: str


def boot_id() -> str:
    """Changes with every boot of the machine: ticks and pids of another boot mean nothing."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def identify(pid: int) -> Process | None:
    """The process that has this number now."""
    found = _stat(pid)
    return found.process if found else None


def age_s(process: Process) -> float:
    """Seconds since it began."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) - process.started / os.sysconf("SC_CLK_TCK")


def become_subreaper() -> None:
    """Orphans among this process's descendants become its children, so that its tree is all that it ever started."""
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_CHILD_SUBREAPER)")


def descendants(root: int) -> tuple[Process, ...]:
    """Everything below ``root``, children before grandchildren, zombies left out."""
    below: dict[int, list[_Stat]] = {}
    for entry in os.scandir("/proc"):
        found = _stat(int(entry.name)) if entry.name.isdecimal() else None
        if found is not None:
            below.setdefault(found.parent, []).append(found)
    tree: list[Process] = []
    level = [root]
    while level:
        children = [child for pid in level for child in below.get(pid, ())]
        tree += [child.process for child in children if child.state not in "ZX"]
        level = [child.process.pid for child in children]
    return tuple(tree)


def reap_orphans(keep: Iterable[int] = ()) -> None:
    """Collects children that have ended, except those that somebody else waits for."""
    own = os.getpid()
    for entry in os.scandir("/proc"):
        found = _stat(int(entry.name)) if entry.name.isdecimal() else None
        if found is None or found.parent != own or found.state != "Z" or found.process.pid in keep:
            continue
        try:
            os.waitpid(found.process.pid, os.WNOHANG)
        except ChildProcessError:
            continue


def kill(processes: Iterable[Process], within_s: float) -> tuple[Process, ...]:
    """SIGKILL to these and to everything below them, over again until they are gone. Returns those that are not."""
    wanted = set(processes)
    deadline = time.monotonic() + within_s
    while True:
        for process in tuple(wanted):
            wanted.update(descendants(process.pid) if process.alive() else ())
        living = tuple(process for process in wanted if process.alive())
        if not living or time.monotonic() > deadline:
            return living
        for process in living:
            process.signal(signal.SIGKILL)
        reap_orphans()
        time.sleep(_POLL_S)


def _stat(pid: int) -> _Stat | None:
    try:
        text = Path(f"/proc/{pid}/stat").read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = text[text.rindex(b")") + 2 :].split()  # a name may hold blanks and brackets
    return _Stat(Process(pid, int(fields[19])), int(fields[1]), fields[0].decode())
