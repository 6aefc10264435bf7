"""Find and kill everything that a server started, and nothing else.

A pid may pass to another process, so a process is known by its pid and the moment it began. psutil checks both.
"""

import os
import time
from collections.abc import Collection, Iterable
from contextlib import suppress
from pathlib import Path

import psutil

from runtime.sandbox.walls.kernel import PR_SET_CHILD_SUBREAPER, prctl

_POLL_S = 0.05


def boot_id() -> str:
    """Return the id of this boot of the machine. Pids of another boot mean nothing."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def started(process: psutil.Process) -> int:
    """Return when the process began, in clock ticks since boot, which no change of the clock affects."""
    return round((process.create_time() - psutil.boot_time()) * os.sysconf("SC_CLK_TCK"))


def find(pid: int, began: int) -> psutil.Process | None:
    """Return the process ``pid`` if it is the one for which ``started`` was ``began``."""
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        return process if started(process) == began else None
    return None


def alive(process: psutil.Process) -> bool:
    """Return whether this very process exists and is no zombie."""
    with suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


def descendants(root: psutil.Process) -> list[psutil.Process]:
    """Return everything below ``root``, without zombies."""
    with suppress(psutil.NoSuchProcess):
        return [process for process in root.children(recursive=True) if alive(process)]
    return []


def become_subreaper() -> None:
    """Make orphans among this process's descendants its children, so that everything it ever started is below it."""
    prctl(PR_SET_CHILD_SUBREAPER, 1)


def reap_orphans(keep: Collection[int] = ()) -> None:
    """Collect the children that have ended, except ``keep``, which other code waits for."""
    for child in psutil.Process().children():
        with suppress(psutil.NoSuchProcess, ChildProcessError):
            if child.pid not in keep and child.status() == psutil.STATUS_ZOMBIE:
                os.waitpid(child.pid, os.WNOHANG)


def kill(processes: Iterable[psutil.Process], within_s: float) -> list[psutil.Process]:
    """Kill these and everything below them, repeatedly, because they may still start others. Return the survivors."""
    wanted = set(processes)
    deadline = time.monotonic() + within_s
    while True:
        for process in tuple(wanted):
            wanted.update(descendants(process))
        living = [process for process in wanted if alive(process)]
        if not living or time.monotonic() > deadline:
            return living
        for process in living:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        psutil.wait_procs(living, timeout=_POLL_S)
