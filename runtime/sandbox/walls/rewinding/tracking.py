"""Has the kernel note which pages of the calling process are written (userfaultfd), and fixes its mappings (mseal).

Both are done once, by the process itself, before its own filter forbids the calls.
"""

import ctypes
import errno
from typing import Final

from runtime.sandbox.walls import kernel
from runtime.sandbox.walls.policy import UFFDIO_API, UFFDIO_REGISTER
from runtime.sandbox.walls.rewinding.mappings import UNSEALABLE, Mapping
from runtime.sandbox.walls.syscalls import number_of, require_architecture

_OPEN_FLAGS: Final = 0o2000000 | 0o4000 | 1  # O_CLOEXEC, O_NONBLOCK, UFFD_USER_MODE_ONLY, which needs no privilege
_API_VERSION: Final = 0xAA
_ASYNCHRONOUS: Final = 1 << 15  # UFFD_FEATURE_WP_ASYNC: note a write and let it happen
_WRITE_PROTECT: Final = 2

_libc = ctypes.CDLL(None, use_errno=True)
_libc.ioctl.argtypes = [ctypes.c_int, ctypes.c_ulong, ctypes.c_void_p]


class _Api(ctypes.Structure):
    _fields_ = (("version", ctypes.c_uint64), ("features", ctypes.c_uint64), ("ioctls", ctypes.c_uint64))


class _Register(ctypes.Structure):
    _fields_ = (*((name, ctypes.c_uint64) for name in ("start", "length", "mode", "ioctls")),)


def open_tracker() -> int:
    """Return a userfaultfd of this process. Writes are noted until it is closed. Raises ``OSError``."""
    fd = kernel.syscall(_number("userfaultfd"), ctypes.c_int(_OPEN_FLAGS))
    api = _Api(_API_VERSION, _ASYNCHRONOUS, 0)
    if _libc.ioctl(fd, UFFDIO_API, ctypes.addressof(api)) < 0:
        raise kernel.failed()
    return fd


def track(tracker: int, mappings: list[Mapping]) -> list[Mapping]:
    """Have the kernel note writes to mappings. Return those of which it cannot."""
    untracked = []
    for mapping in mappings:
        register = _Register(mapping.start, mapping.end - mapping.start, _WRITE_PROTECT, 0)
        if _libc.ioctl(tracker, UFFDIO_REGISTER, ctypes.addressof(register)) < 0:
            if ctypes.get_errno() not in (errno.EINVAL, errno.EPERM):  # EPERM: it can never be written
                raise kernel.failed()
            untracked.append(mapping)
    return untracked


def seal(mappings: list[Mapping]) -> None:
    """Fix mappings for good: they can no longer be unmapped, moved, replaced or protected otherwise.

    Raises ``OSError``; with ENOSYS if the kernel is older than 6.10.
    """
    for mapping in mappings:
        if mapping.name != UNSEALABLE:
            length = ctypes.c_size_t(mapping.end - mapping.start)
            kernel.syscall(_number("mseal"), ctypes.c_void_p(mapping.start), length, ctypes.c_ulong(0))


def touch(address: int) -> None:
    """Write a byte, below the stack: the kernel makes the stack reach that far."""
    ctypes.c_ubyte.from_address(address).value = 1


def _number(name: str) -> int:
    number = number_of(name, require_architecture())
    assert number is not None
    return number
