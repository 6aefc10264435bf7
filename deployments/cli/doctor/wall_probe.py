"""Tries what every run wears on any machine, and prints what came of it, as JSON. Run by path in a process of its own.

The walls that a kernel may lack are tried by the server's own probe (``runtime/sandbox/walls/probe.py``). A layer
cannot be taken off again, so each is put on in a child of its own, which then tries what the layer forbids: what counts
is the refusal, not that the call exists. Standard library only.
"""

import ctypes
import errno
import fcntl
import json
import mmap
import os
import resource
import select
import signal
import sys
import tempfile
from collections.abc import Callable

_PROBE_S = 5

_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS, _PR_GET_NO_NEW_PRIVS = 1, 38, 39

_libc = ctypes.CDLL(None, use_errno=True)


class NotForbidden(Exception):
    """The layer went on, and what it should forbid went through."""


def no_new_privs() -> str:
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    if _libc.prctl(_PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1:
        raise NotForbidden("not in force after it was set")
    return "in force once set"


def rlimits() -> str:
    """Memory, open files and the size of a file, each met with its own refusal."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (16, 16))
    _expect(errno.EMFILE, "open files", lambda: [os.dup(0) for _ in range(32)])
    resource.setrlimit(resource.RLIMIT_NOFILE, (16, 16))
    os.closerange(8, 16)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1, 1))
    file = os.memfd_create("size")
    os.write(file, b"1")
    _expect(errno.EFBIG, "file size", lambda: os.write(file, b"2"))
    resource.setrlimit(resource.RLIMIT_AS, (64 << 20, 64 << 20))
    _expect(errno.ENOMEM, "memory", lambda: mmap.mmap(-1, 256 << 20))
    return "memory, file size, open files refused at their limits"


def closed_descriptors() -> str:
    reading, writing = os.pipe()
    os.closerange(min(reading, writing), max(reading, writing) + 1)
    _expect(errno.EBADF, "a closed descriptor", lambda: os.fstat(reading))
    return "closed in one call"


def scratch() -> str:
    with tempfile.TemporaryDirectory(prefix="graphside-doctor-") as folder:
        mode = os.stat(folder).st_mode & 0o777
    if mode != 0o700:
        raise NotForbidden(f"a private directory came out with mode {mode:o}")
    return "private directories can be made"


def priority() -> str:
    before = os.getpriority(os.PRIO_PROCESS, 0)
    if os.nice(5) <= before < 19:
        raise NotForbidden("the priority did not change")
    return "can be lowered"


def parent_death() -> str:
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    return "a process can be bound to its parent's life"


def pidfd() -> str:
    child = os.fork()
    if child == 0:
        signal.pause()
        os._exit(0)
    handle = os.pidfd_open(child)
    signal.pidfd_send_signal(handle, signal.SIGKILL)
    watch = select.poll()
    watch.register(handle, select.POLLIN)
    seen = watch.poll(2000)
    os.waitpid(child, 0)
    if not seen:
        raise NotForbidden("the end of a process did not show")
    return "a process can be killed and awaited by handle"


def memfd_sealing() -> str:
    file = os.memfd_create("seal", os.MFD_ALLOW_SEALING)
    os.write(file, b"x")
    fcntl.fcntl(file, fcntl.F_ADD_SEALS, fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW)
    _expect(errno.EPERM, "a sealed file", lambda: os.write(file, b"y"))
    return "memory files can be sealed"


PROBES: tuple[Callable[[], str], ...] = (
    no_new_privs,
    rlimits,
    closed_descriptors,
    scratch,
    priority,
    parent_death,
    pidfd,
    memfd_sealing,
)


def attempt(probe: Callable[[], str]) -> dict[str, object]:
    """What the probe says in a child of its own: ``works`` and ``detail``."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        signal.alarm(_PROBE_S)
        os.write(writing, json.dumps(_outcome(probe)).encode())
        os._exit(0)
    os.close(writing)
    with open(reading, "rb") as pipe:
        said = pipe.read()
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if not said:
        return {"works": False, "detail": f"the probe ended with {code}"}
    result: dict[str, object] = json.loads(said)
    return result


def _outcome(probe: Callable[[], str]) -> dict[str, object]:
    try:
        return {"works": True, "detail": probe()}
    except OSError as error:
        return {"works": False, "detail": (error.strerror or str(error)).lower()}
    except (NotForbidden, AttributeError, ValueError) as error:
        return {"works": False, "detail": str(error)}


def _expect(number: int, what: str, action: Callable[[], object]) -> None:
    try:
        action()
    except OSError as error:
        if error.errno == number:
            return
        raise
    raise NotForbidden(f"{what}: not refused")


def _check(result: int) -> None:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _prctl(option: int, value: int) -> None:
    _check(_libc.prctl(option, value, 0, 0, 0))


if __name__ == "__main__":
    json.dump({probe.__name__: attempt(probe) for probe in PROBES}, sys.stdout)
