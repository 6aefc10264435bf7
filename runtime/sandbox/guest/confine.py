"""Confinement that works on every machine: resource limits, no new privileges, closed descriptors, lower priority,
death with the parent. Every process below the replica applies it to itself first.

All of it is per process and inherited, so each function says what it assumes about threads. ``walls/`` has what a
kernel may lack.
"""

import os
import resource
import signal
from typing import Final

from runtime.sandbox.walls import kernel


def _max_fd() -> int:
    """Return one more than the highest descriptor that can be open here."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return 1 << 20 if hard == resource.RLIM_INFINITY else hard


_MAX_FD: Final = _max_fd()
"""Read once, in the template, before any limit is lowered, because reading it makes a seat copy pages."""

_RESERVE_BYTES: Final = 64 * 1024 * 1024

SIGNALS: Final = 64
"""Signals that may wait for delivery. The kernel counts them for the user, who may be the server's own."""


def die_with_parent(parent_pid: int) -> None:
    """Have the kernel kill this process when the thread that made it ends; exit at once if it has ended already."""
    kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent_pid:
        os._exit(1)


def outlive_parent() -> None:
    """Undo ``die_with_parent``, for a process that ends when its control channel does."""
    kernel.prctl(kernel.PR_SET_PDEATHSIG, 0)


def adopt_orphans() -> None:
    """Become the parent of processes that descendants leave behind, so that they can be found and killed."""
    kernel.prctl(kernel.PR_SET_CHILD_SUBREAPER, 1)


def hide_memory() -> None:
    """Hide memory and environment of this process from others of the same user (``/proc/<pid>/mem``, ptrace)."""
    kernel.prctl(kernel.PR_SET_DUMPABLE, 0)


def show_files() -> None:
    """Let others of the same user see the open files of this process. Undoes ``hide_memory``; call it before walls."""
    kernel.prctl(kernel.PR_SET_DUMPABLE, 1)


def take_fds(fds: list[int]) -> None:
    """Make ``fds[i]`` descriptor ``i`` and close every other one, so that no descriptor is inherited by mistake."""
    count = len(fds)
    if any(fd < target and fds[fd] != fd for target, fd in enumerate(fds)):
        # A lower target would overwrite this source before its turn, so all are moved out of the way first.
        top = max(fds) + count
        for offset, fd in enumerate(fds):
            os.dup2(fd, top + offset)
        fds = list(range(top, top + count))
    for target, fd in enumerate(fds):
        if fd != target:
            os.dup2(fd, target)
    os.closerange(count, _MAX_FD)


def read_nothing() -> None:
    """Make descriptor 0 an empty file that no other process has open: a task could change its flags for all of them."""
    fd = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    os.dup2(fd, 0)
    os.close(fd)


def limit(which: int, soft: int, hard: int | None = None) -> None:
    """Lower one resource limit (a ``resource.RLIMIT_*``), never above the hard limit in force."""
    ceiling = resource.getrlimit(which)[1]
    hard = soft if hard is None else hard
    if ceiling != resource.RLIM_INFINITY:
        soft, hard = min(soft, ceiling), min(hard, ceiling)
    resource.setrlimit(which, (soft, hard))


class AddressSpace:
    """Measures the address space of this process. Make it while ``/proc`` can be opened.

    A child reads its parent's, which equals its own just after the fork.
    """

    def __init__(self) -> None:
        self._fd = os.open("/proc/self/statm", os.O_RDONLY | os.O_CLOEXEC)

    def mapped_bytes(self) -> int:
        return int(os.pread(self._fd, 128, 0).split()[0]) * resource.getpagesize()

    def close(self) -> None:
        os.close(self._fd)


def limit_memory(mapped_bytes: int, budget_bytes: int) -> None:
    """Refuse allocations past ``mapped_bytes`` plus ``budget_bytes`` of address space, with a clean ``MemoryError``.

    A small reserve stays above that, so that the process can report the refusal (``release_reserve``).
    """
    limit(resource.RLIMIT_AS, mapped_bytes + budget_bytes, mapped_bytes + budget_bytes + _RESERVE_BYTES)


def release_reserve() -> None:
    """Allow the reserve that ``limit_memory`` kept back."""
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    resource.setrlimit(resource.RLIMIT_AS, (hard, hard))


def raise_walls(*, open_files: int, file_bytes: int) -> None:
    """Apply what every process below the replica and its children are confined by. Expects one thread.

    ``file_bytes``: the largest file that the process may write. A run may lower it further.
    """
    for which, most in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_MEMLOCK, 0),
        (resource.RLIMIT_MSGQUEUE, 0),
        (resource.RLIMIT_NOFILE, open_files),
        (resource.RLIMIT_FSIZE, file_bytes),
        (resource.RLIMIT_SIGPENDING, SIGNALS),
    ):
        limit(which, most)
    _leave_processes()
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # a write past the limit is then EFBIG, which Python can report
    kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)


def _leave_processes() -> None:
    """Leave an eighth of the user's processes and threads to processes without this limit.

    The kernel counts them for the user. If that is the server's own, the server can still start what it needs.
    """
    most = resource.getrlimit(resource.RLIMIT_NPROC)[0]
    if most != resource.RLIM_INFINITY:
        limit(resource.RLIMIT_NPROC, most - most // 8)


class OutOfMemory:
    """Sets the order in which the kernel kills processes when memory runs out: runs, their holder, then the server.

    Otherwise a holder with a large dataset would die because another user's run grows. Write the lower score first:
    only a privileged process may go below the lowest score that was ever written.
    """

    def __init__(self) -> None:
        # While its memory is hidden, its files in /proc belong to root, so this process shows itself for a moment.
        kernel.prctl(kernel.PR_SET_DUMPABLE, 1)
        self._fd: int | None = None
        try:
            self._fd = os.open("/proc/self/oom_score_adj", os.O_WRONLY | os.O_CLOEXEC)
        except OSError:
            pass  # there is no /proc; the watchdog still bounds memory
        finally:
            hide_memory()

    def after_runs(self) -> None:
        """Have the kernel kill runs before this process."""
        self._write(b"100")

    def first(self) -> None:
        """Have the kernel kill this process first, and every process that is forked from now on."""
        self._write(b"1000")

    def close(self) -> None:
        if self._fd is not None:
            os.close(self._fd)

    def _write(self, score: bytes) -> None:
        if self._fd is not None:
            os.pwrite(self._fd, score, 0)


class Threads:
    """Counts the threads of this process. Make it while ``/proc`` can be opened."""

    def __init__(self) -> None:
        self._fd = os.open("/proc/self/task", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def only_one(self) -> bool:
        """Return whether there is one thread. A child that is forked beside a second one may hang forever."""

        return len(os.listdir(self._fd)) == 1
