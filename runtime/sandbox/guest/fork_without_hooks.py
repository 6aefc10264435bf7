"""Fork without what Python and C libraries do around a fork.

They lock and unlock what other threads might hold, and reseed their random generators. A process with one thread needs
none of it, and it costs the child 300 copied pages. Callers must reseed the random generators (``surroundings.py``).
"""

import ctypes
import os
from collections.abc import Callable


def _find() -> Callable[[], int] | None:
    """Return the C library's function, called without releasing the interpreter's lock; None if it has none."""
    try:
        fork = ctypes.PyDLL(None, use_errno=True)._Fork  # glibc from 2.34 on, musl from 1.2.3 on
    except AttributeError:
        return None
    fork.argtypes = []
    fork.restype = ctypes.c_int
    return fork


_fork = _find()


def fork_without_hooks() -> int:
    """Fork a process that has one thread, as ``os.fork`` does. Raises ``OSError``."""
    if _fork is None:
        return os.fork()
    pid = _fork()
    if pid < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return pid
