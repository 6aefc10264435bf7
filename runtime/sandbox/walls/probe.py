"""Try which walls hold on this machine: put each up in a process of its own, then do what the wall forbids.

``examine()`` runs this module as a program, because a wall cannot be taken off again;
``python -m runtime.sandbox.walls.probe`` prints the result as JSON.
"""

import errno
import json
import os
import signal
import socket
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Final, NoReturn

from runtime.probing import ProbeFailed, run_probe
from runtime.sandbox.walls import cgroup, delegation, identity, kernel, landlock, namespaces, policy
from runtime.sandbox.walls.basics import BASICS
from runtime.sandbox.walls.seccomp import prepare_filter
from runtime.sandbox.walls.trial import Found, NotForbidden, refused, try_in_child

TIMEOUT_S: Final = 20
_PROBED_BYTES: Final = 4 * 1024 * 1024


def examine(environment: Mapping[str, str] | None = None) -> dict[str, Found]:
    """Return what holds here, by the names of ``PROBES``. Raises ``OSError`` if the probe itself gives no answer."""
    try:
        answers = run_probe("-P", "-s", "-m", __name__, timeout_s=TIMEOUT_S, environment=environment)
    except ProbeFailed as error:
        raise OSError(f"the walls of this machine could not be tried: {error}") from None
    return {name: Found(**answer) for name, answer in answers.items()}


def _landlock() -> Found:
    version = landlock.abi()
    if not version:
        return Found(False, "the kernel has none, or was started without it")
    kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
    readable = landlock.open_paths(landlock.library_paths())
    landlock.restrict(version, [(fd, landlock.READ) for fd in readable])
    refused((errno.EACCES,), "a file outside", lambda: os.open("/etc/passwd", os.O_RDONLY))
    refused((errno.EACCES,), "a new file", lambda: os.open("/tmp/graphside-probe", os.O_CREAT | os.O_WRONLY))  # noqa: S108
    __import__("colorsys")  # libraries still load
    return Found(True, f"version {version}: files outside refused, libraries load", version)


def _seccomp() -> Found:
    kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
    prepare_filter(policy.SEAT).put_up()
    refused((errno.EPERM,), "a socket", lambda: socket.socket().close())
    refused((errno.EPERM,), "a signal to another process", lambda: os.kill(os.getppid(), 0))
    refused((errno.EPERM,), "a new process", os.fork)
    os.kill(os.getpid(), 0)
    return Found(True, "sockets, processes and signals to others refused")


def _namespaces() -> Found:
    outside = os.getpid()
    namespaces.enter()
    hidden = not os.path.exists(f"/proc/{outside}")
    identity.drop_capabilities()
    with socket.socket() as to_loopback:
        unreachable = (errno.ENETUNREACH, errno.EADDRNOTAVAIL)
        refused(unreachable, "the loopback network", lambda: to_loopback.connect(("127.0.0.1", 9)))
    if os.getpid() > 10:
        raise NotForbidden("its processes are numbered as outside")
    proc = "" if hidden else "; processes outside can still be listed, because /proc cannot be mounted"
    return Found(True, f"network, processes, shared memory of its own{proc}")


def _throwaway_users() -> Found:
    if not identity.may_become_anybody():
        return Found(False, "the server is not root, or its user namespace has too few user ids")
    paths = [path for path in (*landlock.library_paths(), *landlock.MACHINE_PATHS) if os.path.exists(path)]
    identity.become(identity.new_uid())
    refused((errno.EPERM, errno.EACCES), "root's rights", lambda: os.setuid(0))
    for path in paths:
        if not os.access(path, os.R_OK):
            hidden = f"other users cannot read {path}, {_hides(path)}"
            return Found(False, f"{hidden}: install Python and libraries where they can, or run as an ordinary user")
    __import__("colorsys")
    return Found(True, "each run can be a user of its own")


def _cgroup() -> Found:
    """Put a process into a group: it must be counted, be refused another process, and be killed with the group."""
    try:
        base = delegation.given_group()
        controllers = delegation.divide(base)
    except delegation.NotDelegated as error:
        return Found(False, str(error))
    group = cgroup.open_group(base, controllers, cgroup.GroupLimits(_PROBED_BYTES * 8, pids=1))
    try:
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            _fill_group(group.door, writing)
        os.close(writing)
        fork_refused = os.read(reading, 1) == b"r"
        counted = "memory" not in controllers or group.used_bytes() >= _PROBED_BYTES
    finally:
        group.close()
    _, status = os.waitpid(pid, 0)
    if "pids" in controllers and not fork_refused:
        raise NotForbidden("a process past the limit was let through")
    if not counted:
        raise NotForbidden("memory is not counted")
    if os.waitstatus_to_exitcode(status) != -signal.SIGKILL:
        raise NotForbidden("a process outlived its group")
    missing = [name for name in delegation.CONTROLLERS if name not in controllers]
    without = f"; without {', '.join(missing)}" if missing else ""
    return Found(True, f"limits of {', '.join(controllers)} for all runs together{without}")


def _rewind() -> Found:
    from runtime.sandbox.walls.rewinding.probe import try_rewind  # numpy, which takes longer than all other trials

    return try_rewind()


def _fill_group(door: int, writing: int) -> NoReturn:
    try:
        cgroup.enter(door)
        kept = b"1" * _PROBED_BYTES
        try:
            os.write(writing, b"s" if os.fork() else b"")
        except BlockingIOError:
            os.write(writing, b"r")
        signal.pause()
        del kept
    finally:
        os._exit(1)


WALLS: Final[dict[str, Callable[[], Found]]] = {
    "landlock": _landlock,
    "seccomp": _seccomp,
    "namespaces": _namespaces,
    "throwaway_users": _throwaway_users,
    "cgroup": _cgroup,
}
"""Walls that a machine may lack; the setting ``isolation`` says which ones a server needs."""

PROBES: Final = {**BASICS, **WALLS, "rewind": _rewind}
"""All of them. ``rewind`` is no wall: it says whether seats can be rewound behind those that stand."""


def _hides(path: str) -> str:
    """Return why other users cannot read a path: the topmost directory that they may not pass."""
    parts = path.split("/")
    for depth in range(2, len(parts)):
        above = "/".join(parts[:depth])
        if not os.access(above, os.X_OK):
            return f"which is below {above}"
    return "which has no permission for them"


if __name__ == "__main__":
    print(json.dumps({name: asdict(try_in_child(probe)) for name, probe in PROBES.items()}))
