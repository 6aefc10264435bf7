"""The control group of a replica's template and of all its descendants. It limits what they use together, and can end
all of them at once.

Each run has limits of its own (rlimits, the watchdog); this is the wall behind those. Runs have no groups of their own,
because moving a process into a group stops every fork of the machine for about 10 ms.

A group belongs to the replica that holds its lock, so a later replica can tell which groups a killed one left.
"""

import fcntl
import logging
import os
import secrets
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from runtime.errors import RuntimeFailure, TaskCrashed, TaskMemoryExceeded
from runtime.sandbox.walls.delegation import write

log = logging.getLogger("graphside.sandbox")

PREFIX: Final = "graphside-tasks-"
CPU_WEIGHT: Final = 25
"""CPU weight of all runs together, where the server's own processes have 100."""

SHARE: Final = 0.9
"""The part of the memory limit of the groups above that runs may use. The rest is the server's own."""

END_S: Final = 2.0
_TICK_S: Final = 0.005


@dataclass(frozen=True, slots=True)
class GroupLimits:
    """Limits of all runs, holders, jobs and their template together. ``pids`` counts threads."""

    memory_bytes: int
    pids: int


@dataclass(frozen=True, slots=True)
class MemoryEvents:
    """``kills``: processes that the kernel ended for lack of memory. ``full``: how often this group's limit was why."""

    kills: int
    full: int


class TaskGroup:
    """The group of one replica. Make it with ``open_group``; ``close`` ends all processes in it."""

    def __init__(self, path: Path, controllers: tuple[str, ...], limits: GroupLimits) -> None:
        self.path = path
        self.controllers = controllers
        self.limits = limits
        self._closed = False
        path.mkdir()
        self._lock = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._events: int | None = None
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            for name, text in _files(controllers, limits):
                write(path / name, text)
            with suppress(FileNotFoundError):  # a kernel without swap
                if "memory" in controllers:
                    write(path / "memory.swap.max", "0")
            if "memory" in controllers:
                self._events = os.open(path / "memory.events", os.O_RDONLY | os.O_CLOEXEC)
            self.door = os.open(path / "cgroup.procs", os.O_WRONLY | os.O_CLOEXEC)
        except BaseException:
            os.close(self._lock)
            with suppress(OSError):
                path.rmdir()
            raise

    def memory_events(self) -> MemoryEvents:
        """Return the counts so far."""
        if self._events is None:
            return MemoryEvents(0, 0)
        words = os.pread(self._events, 1024, 0).split()
        counts = dict(zip(words[::2], map(int, words[1::2]), strict=True))
        return MemoryEvents(kills=counts.get(b"oom_kill", 0), full=counts.get(b"oom", 0))

    def used_bytes(self) -> int:
        """Return the memory that is charged to the group now."""
        return int((self.path / "memory.current").read_text(encoding="ascii"))

    def explain(self, failure: RuntimeFailure, before: MemoryEvents, used_bytes: int) -> RuntimeFailure:
        """Return ``TaskMemoryExceeded`` instead of the failure if the kernel killed the run for lack of memory.

        ``before``: the events when the run started. ``used_bytes``: the most memory that the run itself was seen with.
        """
        if not isinstance(failure, TaskCrashed) or failure.fields.get("signal") != "SIGKILL":
            return failure
        now = self.memory_events()
        if now.kills <= before.kills:
            return failure
        own = f"the task itself had used {used_bytes} bytes"
        if now.full == before.full:
            return TaskMemoryExceeded(f"the machine ran out of memory, and the kernel ended the task; {own}")
        limit = self.limits.memory_bytes
        text = (
            f"all runs of this server together reached their limit of {limit} bytes of memory, and the kernel ended "
            f"the task; {own}"
        )
        return TaskMemoryExceeded(text, limit_name="tasks_memory_bytes", limit=limit, observed=limit)

    def close(self) -> None:
        """End all processes in the group, and remove it. Blocks for up to ``END_S``."""
        if self._closed:
            return
        self._closed = True
        os.close(self.door)
        if self._events is not None:
            os.close(self._events)
            self._events = None
        if not _end(self.path):
            log.warning("group.left path=%s", self.path)
        os.close(self._lock)


def open_group(base: Path, controllers: tuple[str, ...], limits: GroupLimits) -> TaskGroup:
    """Make a group below ``base``, with at most ``SHARE`` of the memory that the groups above it allow.

    Raises ``OSError``.
    """
    with _locked(base):
        memory_bytes = min([limits.memory_bytes, *(int(SHARE * most) for most in _limits_above(base))])
        path = base / f"{PREFIX}{os.getpid()}-{secrets.token_hex(4)}"
        return TaskGroup(path, controllers, GroupLimits(memory_bytes, limits.pids))


def sweep(base: Path) -> None:
    """End and remove the groups that killed replicas left below ``base``. Raises ``OSError``."""
    with _locked(base):
        for path in base.glob(f"{PREFIX}*"):
            if _is_left(path) and _end(path):
                log.info("group.swept path=%s", path)


def enter(door: int) -> None:
    """Move this process, and all its future children, into a group. ``door``: descriptor of the group; it is closed."""
    os.write(door, b"0")
    os.close(door)


def _files(controllers: tuple[str, ...], limits: GroupLimits) -> Iterator[tuple[str, str]]:
    if "memory" in controllers:
        yield "memory.max", str(limits.memory_bytes)
        yield "memory.oom.group", "0"  # one run dies, not all
    if "pids" in controllers:
        yield "pids.max", str(limits.pids)
    if "cpu" in controllers:
        yield "cpu.weight", str(CPU_WEIGHT)


def _limits_above(base: Path) -> Iterator[int]:
    for group in (base, *base.parents):
        try:
            text = (group / "memory.max").read_text(encoding="ascii").strip()
        except OSError:
            return  # the root of the mounted groups
        if text.isdecimal():
            yield int(text)


@contextmanager
def _locked(group: Path) -> Iterator[None]:
    """Lock out other replicas that make and remove groups there."""
    fd = os.open(group, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)


def _is_left(group: Path) -> bool:
    """Return whether the replica that made the group has ended."""
    try:
        fd = os.open(group, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(fd)
    return True


def _end(group: Path) -> bool:
    """Kill all processes in the group and remove it. Return whether it is gone."""

    deadline = time.monotonic() + END_S
    while True:
        with suppress(OSError):
            _kill(group)
        try:
            for folder, _, _ in os.walk(group, topdown=False):
                os.rmdir(folder)
        except OSError:
            pass
        if not group.exists():
            return True
        if time.monotonic() > deadline:
            return False
        time.sleep(_TICK_S)


def _kill(group: Path) -> None:
    try:
        write(group / "cgroup.kill", "1")
    except FileNotFoundError:  # before Linux 5.14
        for line in (group / "cgroup.procs").read_text(encoding="ascii").split():
            with suppress(ProcessLookupError):
                os.kill(int(line), signal.SIGKILL)
