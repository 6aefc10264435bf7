"""Kernel calls for which Python has no function."""

import ctypes
import os
from typing import Any, Final

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long
_prctl = _libc.prctl
_prctl.argtypes = [ctypes.c_int, *([ctypes.c_ulong] * 4)]

PR_SET_PDEATHSIG: Final = 1
PR_SET_DUMPABLE: Final = 4
PR_SET_SECCOMP: Final = 22
PR_CAPBSET_DROP: Final = 24
PR_SET_CHILD_SUBREAPER: Final = 36
PR_SET_NO_NEW_PRIVS: Final = 38
PR_GET_NO_NEW_PRIVS: Final = 39
PR_CAP_AMBIENT: Final = 47


def prctl(option: int, value: int = 0, third: int = 0) -> int:
    """Call ``prctl``. Raises ``OSError``."""
    result: int = _prctl(option, value, third, 0, 0)
    if result < 0:
        raise failed()
    return result


def syscall(number: int, *arguments: Any) -> int:
    """Make any call by number. Arguments are ctypes values or ints. Raises ``OSError``."""
    result: int = _libc.syscall(ctypes.c_long(number), *arguments)
    if result < 0:
        raise failed()
    return result


def unshare(flags: int) -> None:
    """Call ``unshare``, which Python has from 3.12 on. Raises ``OSError``."""
    if _libc.unshare(ctypes.c_int(flags)) != 0:
        raise failed()


def mount(source: str, target: str, kind: str, flags: int, options: str) -> None:
    """Call ``mount``. Raises ``OSError``."""
    if _libc.mount(source.encode(), target.encode(), kind.encode(), ctypes.c_ulong(flags), options.encode()) != 0:
        raise failed()


def failed() -> OSError:
    """Return the error that the C library left in ``errno``."""

    number = ctypes.get_errno()
    return OSError(number, os.strerror(number))
