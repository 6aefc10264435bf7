"""Makes files durable before they are renamed into place, and turns a full disk into ``StorageFull``."""

import ctypes
import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from runtime.errors import StorageFull

_SYNC_FILE_RANGE_WRITE = 2
_libc = ctypes.CDLL(None)

_FULL = {errno.ENOSPC, errno.EDQUOT}


@contextmanager
def storing() -> Iterator[None]:
    """Turn "no space left" and "quota exceeded" into ``StorageFull``; any other ``OSError`` passes."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise StorageFull("the server has no room left to store this table") from error
        raise


def begin_fsync(descriptor: int, start: int, count: int) -> None:
    """Ask the kernel to start writing a part of a file to disk, so that ``fsync_file`` waits less.

    Errors are ignored: ``fsync_file`` writes whatever is missing.
    """
    part = (ctypes.c_int64(start), ctypes.c_int64(count))
    _libc.sync_file_range(descriptor, *part, ctypes.c_uint(_SYNC_FILE_RANGE_WRITE))


def fsync_file(path: Path) -> None:
    """Flush a regular file to disk and make it read-only. Raises ``OSError`` for a symbolic link."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ValueError("only a regular file can become an object")
        os.fchmod(descriptor, 0o444)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
