"""Tries whether a process can be rewound here: one is made, changes a page, and is brought back."""

import ctypes
import mmap
import os
import platform
import signal
from contextlib import suppress
from typing import Final, NoReturn

import numpy as np

from runtime.sandbox.walls.rewind import SEALED_VERSION, TRACKED_VERSION
from runtime.sandbox.walls.rewinding import tracking
from runtime.sandbox.walls.rewinding.mappings import own_mappings
from runtime.sandbox.walls.rewinding.pages import PAGE, Memory, Originals, PageTable, pages_of
from runtime.sandbox.walls.rewinding.trace import Registers, Tracee
from runtime.sandbox.walls.rewinding.unfit import Unfit
from runtime.sandbox.walls.trial import Found, NotForbidden

_BEFORE, _AFTER = b"before", b"after!"
_SEALED, _TRACKED, _NOT_TRACKED = b"s", b"t", b"n"
_GENERATOR_IN_MEMORY: Final = (2, 41)
"""The version of glibc from which on random bytes may come from a state in the process's own memory."""


def try_rewind() -> Found:
    """Rewind a process. Raises ``OSError`` where the kernel or a container refuses a part of it."""
    if platform.machine() != "x86_64":
        return Found(False, f"not tested on {platform.machine()}")
    if _glibc() >= _GENERATOR_IN_MEMORY:
        version = ".".join(map(str, _glibc()))
        return Found(False, f"not tested with version {version} of the C library, whose random bytes might repeat")
    gate, waking = os.pipe()
    reading, saying = os.pipe()
    page = mmap.mmap(-1, PAGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    address = ctypes.addressof(ctypes.c_char.from_buffer(page))
    pid = os.fork()
    if pid == 0:
        _be_tried(page, address, gate, saying)
    os.close(saying)
    try:
        return _rewound(pid, address, waking, reading)
    except Unfit as unfit:
        raise NotForbidden(str(unfit)) from None
    finally:
        with suppress(OSError):
            os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


def _rewound(pid: int, address: int, waking: int, reading: int) -> Found:
    said, _, reason = os.read(reading, 200).partition(b" ")
    if said not in (_SEALED, _TRACKED):
        return Found(False, f"userfaultfd: {reason.decode() or 'no answer'}")
    seat, table, memory = Tracee(pid), PageTable(f"/proc/{pid}"), Memory(f"/proc/{pid}")
    pages = np.array([address], np.uint64)
    originals = Originals()
    registers = Registers()
    seat.stop()
    registers.read(pid)
    table.written(protect=True)
    originals.add(pages, memory.read(pages))
    seat.go_on()
    os.write(waking, b"w")
    os.read(reading, 1)
    seat.stop()
    if address not in pages_of(table.written()):
        raise NotForbidden("a page that was written does not show")
    originals.write_into(pid)
    registers.write(pid)
    if not memory.read(pages).tobytes().startswith(_BEFORE):
        raise NotForbidden("a page could not be written back")
    seat.go_on()
    if said == _SEALED:
        return Found(True, "writes are noted, mappings can be sealed", SEALED_VERSION)
    return Found(True, f"writes are noted; mappings cannot be sealed ({reason.decode()})", TRACKED_VERSION)


def _be_tried(page: mmap.mmap, address: int, gate: int, saying: int) -> NoReturn:
    try:
        page[: len(_BEFORE)] = _BEFORE
        mine = [one for one in own_mappings() if one.start <= address < one.end]
        try:
            if tracking.track(tracking.open_tracker(), mine):
                raise OSError(0, "memory cannot be tracked")
        except OSError as error:
            os.write(saying, _NOT_TRACKED + b" " + (error.strerror or "").encode())
            os._exit(1)
        try:
            tracking.seal(mine)
            os.write(saying, _SEALED)
        except OSError as error:
            os.write(saying, _TRACKED + b" mseal: " + (error.strerror or "").encode())
        os.read(gate, 1)
        page[: len(_AFTER)] = _AFTER
        os.write(saying, b"w")
        while True:
            os.read(gate, 1)
    finally:
        os._exit(1)


def _glibc() -> tuple[int, ...]:
    """Return the version of glibc; that of a very new one if the C library is another."""
    text = os.confstr("CS_GNU_LIBC_VERSION") or ""
    name, _, version = text.partition(" ")
    if name != "glibc":
        return _GENERATOR_IN_MEMORY
    return tuple(int(part) for part in version.split(".")[:2])
