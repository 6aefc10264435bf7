"""Tries whether a process can be rewound here: one is made, changes a page, and is brought back.

The trial takes the steps of a keeper (``guest/rewind/keeper.py``), without privileges, as a keeper has none. If a step
is refused, the result names it in words for an operator.
"""

import ctypes
import errno
import mmap
import os
import platform
import select
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Final, NoReturn

import numpy as np

from runtime.sandbox.walls import identity, kernel
from runtime.sandbox.walls.rewind import SEALED_VERSION, TRACKED_VERSION
from runtime.sandbox.walls.rewinding import tracking
from runtime.sandbox.walls.rewinding.mappings import own_mappings
from runtime.sandbox.walls.rewinding.pages import PAGE, Memory, Originals, PageTable, pages_of
from runtime.sandbox.walls.rewinding.trace import Registers, Tracee
from runtime.sandbox.walls.rewinding.unfit import Unfit
from runtime.sandbox.walls.trial import Found, NotForbidden

WITHIN_S: Final = 5.0
"""A trial takes 20 ms. One that takes so long is given up, so that it delays no start."""

ARCHITECTURES: Final = ("x86_64",)
"""Those whose registers ``trace.py`` knows."""

GENERATOR_IN_MEMORY: Final = (2, 41)
"""The version of glibc from which on random bytes may come from a state in the process's own memory."""

YAMA: Final = Path("/proc/sys/kernel/yama/ptrace_scope")
_YAMA_FORBIDS_FROM: Final = 2

_NOT_ALLOWED: Final = (errno.EPERM, errno.EACCES)
_BY_A_PROFILE: Final = "is not allowed here (a seccomp profile of the container?)"

_BEFORE, _AFTER = b"before", b"after!"
_HERE, _SEALED, _TRACKED, _NOT_TRACKED = b"h", b"s", b"t", b"n"
_SAID_BYTES: Final = 200


class _Refused(Exception):
    """A step was refused. The message says which, for an operator."""


def try_rewind() -> Found:
    """Rewind a process. This process loses its capabilities. Raises ``NotForbidden`` if the result is wrong."""
    if platform.machine() not in ARCHITECTURES:
        return Found(False, f"not tested on {platform.machine()}")
    if why := _why_not_this_library(os.confstr("CS_GNU_LIBC_VERSION") or ""):
        return Found(False, why)
    identity.drop_capabilities()
    signal.signal(signal.SIGALRM, _give_up)
    signal.setitimer(signal.ITIMER_REAL, WITHIN_S)
    try:
        return _tried()
    except _Refused as refused:
        return Found(False, str(refused))
    except Unfit as unfit:
        raise NotForbidden(str(unfit)) from None
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _give_up(_number: int, _frame: FrameType | None) -> None:
    raise _Refused(f"the trial had no end within {WITHIN_S:g} s")


def _tried() -> Found:
    gate, waking = os.pipe()
    reading, saying = os.pipe()
    page = mmap.mmap(-1, PAGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    address = ctypes.addressof(ctypes.c_char.from_buffer(page))
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        _be_tried(page, address, gate, saying)
    os.close(saying)
    try:
        return _rewound(pid, address, waking, reading)
    finally:
        with suppress(OSError):
            os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def _rewound(pid: int, address: int, waking: int, reading: int) -> Found:
    seat = Tracee(pid)
    pidfd = os.pidfd_open(pid)
    _said(reading, pidfd)
    with _step("ptrace", _why_not_traced):
        seat.trace_fork()
    os.write(waking, b"w")
    witness = seat.forked_child()
    said = _said(reading, pidfd)
    mode, reason = said[:1], said[1:].decode()
    if mode == _NOT_TRACKED:
        raise _Refused(reason)
    pages, originals, registers = np.array([address], np.uint64), Originals(), Registers()
    seat.stop()
    with _step("ptrace"):
        registers.read(pid)
        seat.restartable_sequences()
    with _step("reading /proc/<pid>/pagemap or mem"):
        table, memory, untouched = PageTable(f"/proc/{pid}"), Memory(f"/proc/{pid}"), Memory(f"/proc/{witness.pid}")
    with _step("PAGEMAP_SCAN", _why_not_scanned):
        table.protect()
    originals.add(pages, untouched.read(pages))
    seat.go_on()
    os.write(waking, b"w")
    _said(reading, pidfd)
    seat.stop()
    if address not in pages_of(table.written()):
        raise NotForbidden("a page that was written does not show")
    with _step("process_vm_writev"):
        originals.write_into(pid)
    with _step("ptrace"):
        registers.write(pid)
    if not memory.read(pages).tobytes().startswith(_BEFORE):
        raise NotForbidden("a page could not be written back")
    # It stays stopped until it is killed, because its registers are those of a stack that was not written back.
    if mode == _SEALED:
        return Found(True, "userfaultfd, sealed", SEALED_VERSION)
    return Found(True, f"userfaultfd, without mseal: {reason}", TRACKED_VERSION)


def _be_tried(page: mmap.mmap, address: int, gate: int, saying: int) -> NoReturn:
    """Be the process that is rewound. Its child is the witness, which never runs."""
    try:
        kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
        page[: len(_BEFORE)] = _BEFORE
        os.write(saying, _HERE)
        os.read(gate, 1)
        if os.fork() == 0:
            os._exit(0)
        os.write(saying, _made_ready(address))
        os.read(gate, 1)
        page[: len(_AFTER)] = _AFTER
        os.write(saying, b"w")
        while os.read(gate, 1):
            pass
    finally:
        os._exit(1)


def _made_ready(address: int) -> bytes:
    """Have the calling process's writes noted around ``address``. Return how that went."""
    mine = [one for one in own_mappings() if one.start <= address < one.end]
    try:
        if tracking.track(tracking.open_tracker(), mine):
            return _NOT_TRACKED + b"the kernel cannot note writes to this memory"
    except OSError as error:
        return _NOT_TRACKED + _why_not_tracked(error).encode()
    try:
        tracking.seal(mine)
    except OSError as error:
        return _TRACKED + _refusal("mseal", error).encode()
    return _SEALED


def _said(reading: int, pidfd: int) -> bytes:
    """Return what the process says next. The witness has the same pipe, so its end is no sign."""
    ready, _, _ = select.select([reading, pidfd], [], [])
    if reading not in ready:
        raise _Refused("the process that was to be rewound ended by itself")
    return os.read(reading, _SAID_BYTES)


def _refusal(what: str, error: OSError) -> str:
    if error.errno in _NOT_ALLOWED:
        return f"{what} {_BY_A_PROFILE}"
    if error.errno == errno.ENOSYS:
        return f"the kernel has no {what}"
    return f"{what}: {error.strerror}"


def _why_not_traced(error: OSError) -> str:
    scope = _yama()
    if error.errno in _NOT_ALLOWED and scope >= _YAMA_FORBIDS_FROM:
        return f"kernel.yama.ptrace_scope is {scope}, so no process may trace its child (0 and 1 allow it)"
    return _refusal("ptrace", error)


def _why_not_tracked(error: OSError) -> str:
    if error.errno == errno.EINVAL:
        return "the kernel cannot note writes without stopping the process (Linux 6.7 or newer can)"
    return _refusal("userfaultfd", error)


def _why_not_scanned(error: OSError) -> str:
    if error.errno == errno.ENOTTY:
        return "the kernel has no PAGEMAP_SCAN (Linux 6.7 or newer has it)"
    return _refusal("PAGEMAP_SCAN", error)


@contextmanager
def _step(what: str, why: Callable[[OSError], str] | None = None) -> Iterator[None]:
    """Name what is refused in the block."""
    try:
        yield
    except OSError as error:
        raise _Refused(_refusal(what, error) if why is None else why(error)) from None


def _yama() -> int:
    """Return who may trace whom, as Yama has it; 0 without Yama."""
    try:
        return int(YAMA.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return 0


def _why_not_this_library(name_and_version: str) -> str:
    """Return why processes with this C library cannot be rewound; an empty text if they can."""
    name, _, version = name_and_version.partition(" ")
    if name != "glibc":
        return "tested with glibc only"
    if tuple(int(part) for part in version.split(".")[:2]) < GENERATOR_IN_MEMORY:
        return ""
    return f"not tested with glibc {version}: it may keep the state of random numbers in memory, so they could repeat"
