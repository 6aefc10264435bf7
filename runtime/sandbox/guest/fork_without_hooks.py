"""Fork without what Python and C libraries do around one.

They lock and unlock what other threads might hold, and begin their random states anew: in a process that has one thread
that is for nothing, and costs the child 300 copied pages. Whoever forks so sees to random states (``interior.py``).
"""

import ctypes
import os
from collections.abc import Callable


def _find() -> Callable[[], int] | None:
    """The C library's own, which keeps the interpreter's lock where it is; None where it has none."""
    try:
        fork = ctypes.PyDLL(None, use_errno=True)._Fork  # glibc from 2.34 on, musl from 1.2.3 on
    except AttributeError:
        return None
    fork.argtypes = []
    fork.restype = ctypes.c_int
    return fork


_fork = _find()


def fork_without_hooks() -> int:
    """Like ``os.fork``, of a process with one thread. Raises ``OSError``."""
    if _fork is None:
        return os.fork()
    pid = _fork()
    if pid < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return pid
