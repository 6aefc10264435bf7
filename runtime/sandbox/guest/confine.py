"""What every process below the replica puts up around itself first, on any machine: resource limits, no new privileges,
closed descriptors, lower priority, death with the parent.

Everything here is per process and inherited, so each function says what it assumes about threads. The walls that a
kernel may lack are in ``walls/``.
"""

import os
import resource
import signal
from typing import Final

from runtime.sandbox.walls import kernel


def _max_fd() -> int:
    """One above the highest descriptor that can be open here."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return 1 << 20 if hard == resource.RLIM_INFINITY else hard


_MAX_FD: Final = _max_fd()
"""Asked once, in the template, before any limit is lowered: each question is pages that a seat copies."""

_RESERVE_BYTES: Final = 64 * 1024 * 1024

SIGNALS: Final = 64
"""Signals that may wait for delivery. They count for the user, who may be the server's."""


def die_with_parent(parent_pid: int) -> None:
    """Have the kernel kill this process when the thread that made it ends; end at once if that happened already."""
    kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent_pid:
        os._exit(1)


def outlive_parent() -> None:
    """Undo ``die_with_parent``: from here on the end of a control channel tells this process to go."""
    kernel.prctl(kernel.PR_SET_PDEATHSIG, 0)


def adopt_orphans() -> None:
    """Become the parent of whatever descendants leave behind, so that it can be found and killed."""
    kernel.prctl(kernel.PR_SET_CHILD_SUBREAPER, 1)


def hide_memory() -> None:
    """Keep other processes of this user out of this one's memory and environment (``/proc/<pid>/mem``, ptrace)."""
    kernel.prctl(kernel.PR_SET_DUMPABLE, 0)


def show_files() -> None:
    """Let processes of this user see which files this one has open. The opposite of ``hide_memory``, before walls."""
    kernel.prctl(kernel.PR_SET_DUMPABLE, 1)


def take_fds(fds: list[int]) -> None:
    """Make ``fds[i]`` descriptor ``i`` and close every other one, so that nobody else's travels along."""
    count = len(fds)
    if any(target < fd < count for target, fd in enumerate(fds)):
        # A source sits where another one has to go: all of them out of the way first.
        top = max(fds) + count
        for offset, fd in enumerate(fds):
            os.dup2(fd, top + offset)
        fds = list(range(top, top + count))
    for target, fd in enumerate(fds):
        if fd != target:
            os.dup2(fd, target)
    os.closerange(count, _MAX_FD)


def limit(which: int, soft: int, hard: int | None = None) -> None:
    """Lower one resource limit (a ``resource.RLIMIT_*``), never above the hard limit in force."""
    ceiling = resource.getrlimit(which)[1]
    hard = soft if hard is None else hard
    if ceiling != resource.RLIM_INFINITY:
        soft, hard = min(soft, ceiling), min(hard, ceiling)
    resource.setrlimit(which, (soft, hard))


class AddressSpace:
    """How much address space this process, or one just forked from it, has mapped.

    Opened while ``/proc`` can be; its children read their parent's, which is theirs at the fork.
    """

    def __init__(self) -> None:
        self._fd = os.open("/proc/self/statm", os.O_RDONLY | os.O_CLOEXEC)

    def mapped_bytes(self) -> int:
        """Bytes now."""
        return int(os.pread(self._fd, 128, 0).split()[0]) * resource.getpagesize()


def limit_memory(mapped_bytes: int, budget_bytes: int) -> None:
    """Refuse allocations past ``budget_bytes`` more than ``mapped_bytes`` of address space (a clean ``MemoryError``).

    A small reserve stays above it, so that the refusal itself can be reported (``release_reserve``).
    """
    limit(resource.RLIMIT_AS, mapped_bytes + budget_bytes, mapped_bytes + budget_bytes + _RESERVE_BYTES)


def release_reserve() -> None:
    """Allow what ``limit_memory`` kept back."""
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    resource.setrlimit(resource.RLIMIT_AS, (hard, hard))


def raise_walls(*, open_files: int, file_bytes: int) -> None:
    """Walls that every process below the replica wears, and hands on to what it forks. Expects one thread.

    ``file_bytes`` is the largest file it may write (scratch or result, whichever is more).
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
    """Leave an eighth of the processes and threads that the user may have to those who are not limited so.

    They count for the user: where that is the server's, it can still start what it needs whatever runs do.
    """
    most = resource.getrlimit(resource.RLIMIT_NPROC)[0]
    if most != resource.RLIM_INFINITY:
        limit(resource.RLIMIT_NPROC, most - most // 8)


class OutOfMemory:
    """Whom the kernel's out-of-memory killer chooses: a run before its holder, and that before the server's own.

    A holder with a large dataset would otherwise go for a run of somebody else that grows. To lower it again takes a
    privilege only below what a privileged process once wrote, so the lower number has to come first.
    """

    def __init__(self) -> None:
        # Its own files in /proc are root's while its memory is hidden, so it shows itself for that moment.
        kernel.prctl(kernel.PR_SET_DUMPABLE, 1)
        self._fd: int | None = None
        try:
            self._fd = os.open("/proc/self/oom_score_adj", os.O_WRONLY | os.O_CLOEXEC)
        except OSError:
            pass  # no /proc in this place: the watchdog remains
        finally:
            hide_memory()

    def after_runs(self) -> None:
        """Let runs go before this process."""
        self._write(b"100")

    def first(self) -> None:
        """This process goes first, or what is forked now."""
        self._write(b"1000")

    def close(self) -> None:
        """Leave it at that."""
        if self._fd is not None:
            os.close(self._fd)

    def _write(self, score: bytes) -> None:
        if self._fd is not None:
            os.pwrite(self._fd, score, 0)


class Threads:
    """The threads of this process. Opened while ``/proc`` can be."""

    def __init__(self) -> None:
        self._fd = os.open("/proc/self/task", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def only_one(self) -> bool:
        """Whether there is one: a fork beside a second one may hang for ever in the child."""
        return len(os.listdir(self._fd)) == 1
