"""The walls around a process, put up by the process itself before it reads a byte of a stranger's.

Everything here is per process and inherited, so each function says what it assumes about threads. The walls of this
version are resource limits, no new privileges, closed descriptors, a private working directory, lower priority and
death with the parent.
"""

import ctypes
import os
import resource
import signal
from typing import Final

_PR_SET_PDEATHSIG: Final = 1
_PR_SET_DUMPABLE: Final = 4
_PR_SET_CHILD_SUBREAPER: Final = 36
_PR_SET_NO_NEW_PRIVS: Final = 38

_RESERVE_BYTES: Final = 64 * 1024 * 1024

_libc = ctypes.CDLL(None, use_errno=True)
_prctl = _libc.prctl
_prctl.argtypes = [ctypes.c_int, *([ctypes.c_ulong] * 4)]


def _set(option: int, value: int) -> None:
    if _prctl(option, value, 0, 0, 0) != 0:
        errno = ctypes.get_errno()
        raise OSError(errno, os.strerror(errno))


def die_with_parent(parent_pid: int) -> None:
    """Have the kernel kill this process when the thread that made it ends; end at once if that happened already."""
    _set(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent_pid:
        os._exit(1)


def outlive_parent() -> None:
    """Undo ``die_with_parent``: from here on the end of a control channel tells this process to go."""
    _set(_PR_SET_PDEATHSIG, 0)


def adopt_orphans() -> None:
    """Become the parent of whatever descendants leave behind, so that it can be found and killed."""
    _set(_PR_SET_CHILD_SUBREAPER, 1)


def hide_memory() -> None:
    """Keep other processes of this user out of this one's memory and environment (``/proc/<pid>/mem``, ptrace)."""
    _set(_PR_SET_DUMPABLE, 0)


def take_fds(fds: list[int]) -> None:
    """Make ``fds[i]`` descriptor ``i`` and close every other one, so that nobody else's travels along."""
    top = max([*fds, len(fds)]) + 1
    moved = []
    for offset, fd in enumerate(fds):
        os.dup2(fd, top + offset)  # out of the way first: a source may sit where another one has to go
        moved.append(top + offset)
    for target, fd in enumerate(moved):
        os.dup2(fd, target)
    os.closerange(len(fds), _max_fd())


def _max_fd() -> int:
    """One above the highest descriptor that can be open here."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return 1 << 20 if hard == resource.RLIM_INFINITY else hard


def limit(which: int, soft: int, hard: int | None = None) -> None:
    """Lower one resource limit (a ``resource.RLIMIT_*``), never above the hard limit in force."""
    ceiling = resource.getrlimit(which)[1]
    hard = soft if hard is None else hard
    if ceiling != resource.RLIM_INFINITY:
        soft, hard = min(soft, ceiling), min(hard, ceiling)
    resource.setrlimit(which, (soft, hard))


def limit_memory(budget_bytes: int) -> None:
    """Refuse allocations past ``budget_bytes`` more address space than is mapped now (a clean ``MemoryError``).

    A small reserve stays above it, so that the refusal itself can be reported (``release_reserve``).
    """
    with open("/proc/self/statm", "rb", buffering=0) as statm:
        mapped = int(statm.read().split()[0]) * resource.getpagesize()
    limit(resource.RLIMIT_AS, mapped + budget_bytes, mapped + budget_bytes + _RESERVE_BYTES)


def release_reserve() -> None:
    """Allow what ``limit_memory`` kept back."""
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    resource.setrlimit(resource.RLIMIT_AS, (hard, hard))


def raise_walls(*, open_files: int, file_bytes: int, niceness: int) -> None:
    """Walls that every process below the replica wears. Expects one thread.

    ``file_bytes`` is the largest file it may write (scratch or result, whichever is more).
    """
    limit(resource.RLIMIT_CORE, 0)
    limit(resource.RLIMIT_NOFILE, open_files)
    limit(resource.RLIMIT_FSIZE, file_bytes)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # a write past the limit is then EFBIG, which Python can report
    os.nice(niceness)
    _set(_PR_SET_NO_NEW_PRIVS, 1)


def die_first() -> None:
    """Make the kernel's out-of-memory killer choose this process before the server's own."""
    try:
        fd = os.open("/proc/self/oom_score_adj", os.O_WRONLY)
    except OSError:
        return  # no /proc in this place: the watchdog remains
    try:
        os.write(fd, b"1000")
    finally:
        os.close(fd)


def only_thread() -> bool:
    """Whether this process has one thread: a fork beside a second one may hang for ever in the child."""
    return len(os.listdir("/proc/self/task")) == 1
