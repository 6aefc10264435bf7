"""Which walls hold on this machine: each is put up in a process of its own, which then tries what the wall forbids.

What counts is the refusal, not that a call exists. ``examine()`` starts this module as a program, since a wall cannot
be taken off again; ``python -m runtime.sandbox.walls.probe`` prints what it found.
"""

import errno
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Final, NoReturn

from runtime.sandbox.walls import cgroup, delegation, identity, kernel, landlock, namespaces, policy
from runtime.sandbox.walls.seccomp import prepare_filter

TIMEOUT_S: Final = 20
_PROBED_BYTES: Final = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Found:
    """What came of trying one wall. ``version`` where it has one."""

    works: bool
    detail: str
    version: int = 0


class NotForbidden(Exception):
    """The wall went up, and what it should forbid went through."""


def examine(environment: dict[str, str] | None = None) -> dict[str, Found]:
    """What holds here, by name (``PROBES``). Raises ``OSError`` where the probe itself does not come to an end."""
    command = [sys.executable, "-P", "-s", "-m", __name__]
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, cwd="/",
        start_new_session=True,
    ) as process:  # fmt: skip
        try:
            said, complaints = process.communicate(timeout=TIMEOUT_S)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)  # what it forked holds the pipes open
            raise OSError(f"the walls of this machine could not be tried within {TIMEOUT_S} s") from None
    try:
        answers: dict[str, Any] = json.loads(said)
    except ValueError:
        last = complaints.decode(errors="replace").strip().splitlines()[-1:] or [f"exit code {process.returncode}"]
        raise OSError(f"the walls of this machine could not be tried: {last[0]}") from None
    return {name: Found(**answer) for name, answer in answers.items()}


def _landlock() -> Found:
    version = landlock.abi()
    if not version:
        return Found(False, "the kernel has none, or was started without it")
    kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
    readable = landlock.open_paths(landlock.library_paths())
    landlock.restrict(version, [(fd, landlock.READ) for fd in readable])
    _refused((errno.EACCES,), "a file outside", lambda: os.open("/etc/passwd", os.O_RDONLY))
    _refused((errno.EACCES,), "a new file", lambda: os.open("/tmp/graphside-probe", os.O_CREAT | os.O_WRONLY))  # noqa: S108
    __import__("colorsys")  # libraries still load
    return Found(True, f"version {version}: files outside refused, libraries load", version)


def _seccomp() -> Found:
    kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
    prepare_filter(policy.SEAT).put_up()
    _refused((errno.EPERM,), "a socket", lambda: socket.socket().close())
    _refused((errno.EPERM,), "a signal to another process", lambda: os.kill(os.getppid(), 0))
    _refused((errno.EPERM,), "a new process", os.fork)
    os.kill(os.getpid(), 0)
    return Found(True, "sockets, processes and signals to others refused")


def _namespaces() -> Found:
    namespaces.enter()
    identity.drop_capabilities()
    with socket.socket() as to_loopback:
        unreachable = (errno.ENETUNREACH, errno.EADDRNOTAVAIL)
        _refused(unreachable, "the loopback network", lambda: to_loopback.connect(("127.0.0.1", 9)))
    if os.getpid() > 10:
        raise NotForbidden("processes are numbered as outside")
    return Found(True, "network, processes, shared memory of its own")


def _throwaway_users() -> Found:
    if not identity.may_become_anybody():
        return Found(False, "the server is not root, or few user ids exist where it lives")
    paths = [path for path in (*landlock.library_paths(), *landlock.OF_THE_MACHINE) if os.path.exists(path)]
    identity.become(identity.new_uid())
    _refused((errno.EPERM, errno.EACCES), "root's rights", lambda: os.setuid(0))
    for path in paths:
        if not os.access(path, os.R_OK):
            hidden = f"other users cannot read {path}, {_hides(path)}"
            return Found(False, f"{hidden}: install Python and libraries where they can, or run as an ordinary user")
    __import__("colorsys")
    return Found(True, "each run can be a user of its own")


def _cgroup() -> Found:
    """A process in a group: counted, kept from making another, killed with the group."""
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
        refused = os.read(reading, 1) == b"r"
        counted = "memory" not in controllers or group.used_bytes() >= _PROBED_BYTES
    finally:
        group.close()
    _, status = os.waitpid(pid, 0)
    if "pids" in controllers and not refused:
        raise NotForbidden("a process past the limit was let through")
    if not counted:
        raise NotForbidden("memory is not counted")
    if os.waitstatus_to_exitcode(status) != -signal.SIGKILL:
        raise NotForbidden("a process outlived its group")
    missing = [name for name in delegation.CONTROLLERS if name not in controllers]
    without = f"; without {', '.join(missing)}" if missing else ""
    return Found(True, f"limits of {', '.join(controllers)} for all runs together{without}")


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


PROBES: Final[dict[str, Callable[[], Found]]] = {
    "landlock": _landlock,
    "seccomp": _seccomp,
    "namespaces": _namespaces,
    "throwaway_users": _throwaway_users,
    "cgroup": _cgroup,
}


def _hides(path: str) -> str:
    """Why it cannot be read: the topmost directory on the way that lets nobody through."""
    parts = path.split("/")
    for depth in range(2, len(parts)):
        above = "/".join(parts[:depth])
        if not os.access(above, os.X_OK):
            return f"which lies below {above}"
    return "which is closed itself"


def _refused(numbers: tuple[int, ...], what: str, act: Callable[[], object]) -> None:
    try:
        act()
    except OSError as error:
        if error.errno in numbers:
            return
        raise
    raise NotForbidden(f"{what} was let through")


def _try(probe: Callable[[], Found]) -> Found:
    """Run one probe in a child and read its answer from a pipe."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        _answer(probe, writing)
    os.close(writing)
    with os.fdopen(reading, "rb") as answer:
        text = answer.read()
    _, status = os.waitpid(pid, 0)
    if not text:
        return Found(False, f"the process that tried it ended with {os.waitstatus_to_exitcode(status)}")
    return Found(**json.loads(text))


def _answer(probe: Callable[[], Found], writing: int) -> NoReturn:
    try:
        found = probe()
    except NotForbidden as error:
        found = Found(False, str(error))
    except OSError as error:
        found = Found(False, error.strerror or str(error))
    except BaseException as error:
        found = Found(False, f"{type(error).__name__}: {error}"[:200])
    os.write(writing, json.dumps(asdict(found)).encode())
    os._exit(0)


if __name__ == "__main__":
    print(json.dumps({name: asdict(_try(probe)) for name, probe in PROBES.items()}))
