"""Namespaces around the template and its descendants: a network without interfaces, processes of their own, a ``/proc``
in which each sees only itself, and no shared memory with others.

They need root, or a kernel that lets every user make user namespaces. Containers mostly forbid both, so namespaces are
a second wall behind filters and Landlock, never the only one.
"""

import os
import signal
from contextlib import suppress
from typing import Final, NoReturn

from runtime.sandbox.walls import kernel

_NEWUSER, _NEWPID, _NEWNET, _NEWIPC, _NEWUTS = 0x10000000, 0x20000000, 0x40000000, 0x08000000, 0x04000000
_NEWNS: Final = 0x00020000
_ALL: Final = _NEWPID | _NEWNET | _NEWIPC | _NEWUTS | _NEWNS

_NOSUID, _NODEV, _NOEXEC, _RECURSIVE, _SLAVE = 2, 4, 8, 0x4000, 0x80000


def enter() -> None:
    """Continue in new namespaces, as a child of their first process. Raises ``OSError`` if that is not allowed.

    Expects one thread. The calling process stays outside and waits. The first process of a pid namespace is its init,
    whose end kills all others there. So it must not be the template, and only waits until its namespace is empty.
    """
    uid, gid = os.geteuid(), os.getegid()
    kernel.unshare(_ALL if uid == 0 else _ALL | _NEWUSER)
    if uid != 0:
        _keep_ids(uid, gid)
    first = os.fork()
    if first:
        _wait()
    kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
    _own_proc()
    if os.fork():
        _wait()


def path_of(directory: int) -> str:
    """Return the path of an open directory. ``getcwd`` fails if another mount namespace opened it."""
    return os.readlink(f"/proc/self/fd/{directory}")


def _own_proc() -> None:
    """Mount a ``/proc`` in which a process sees those only that it may trace: for a seat, itself.

    Where parts of ``/proc`` are hidden already (containers), an ordinary user may not. The old one then stays.
    """
    kernel.mount("none", "/", "", _RECURSIVE | _SLAVE, "")  # what is mounted here stays here; what goes outside, goes
    for hiding in ("ptraceable", "2"):  # the first needs Linux 5.8; the second shows all to the group of root
        with suppress(OSError):
            return kernel.mount("proc", "/proc", "proc", _NOSUID | _NODEV | _NOEXEC, f"hidepid={hiding}")


def _keep_ids(uid: int, gid: int) -> None:
    for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
        with open(f"/proc/self/{name}", "w", encoding="ascii") as file:
            file.write(text)


def _wait() -> NoReturn:
    """Reap children, and end when none is left."""
    kernel.prctl(kernel.PR_SET_DUMPABLE, 0)
    os.closerange(3, 1 << 20)  # otherwise this process would keep channels open that others wait to end
    while True:
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            os._exit(0)


def inhabitant(outside: int) -> int | None:
    """Return the pid of the process that continued inside, by the pid of the one outside; None once it has ended."""

    pid = outside
    for _ in range(2):
        try:
            with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
                children = file.read().split()
        except OSError:
            return None
        if not children:
            return None
        pid = int(children[0])
    return pid
