"""Files that are whole or not there after a crash, and what a full disk is called."""

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
    """Turns "no space left" and "quota exceeded" into ``StorageFull``; every other ``OSError`` passes."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise StorageFull("There is no room left to store this table.") from error
        raise


def begin_fsync(descriptor: int, start: int, count: int) -> None:
    """Has the kernel begin to write a part of a file to disk, so that ``fsync_file`` has less to wait for.

    Promises nothing: where it cannot be done, settling does it all.
    """
    part = (ctypes.c_int64(start), ctypes.c_int64(count))
    _libc.sync_file_range(descriptor, *part, ctypes.c_uint(_SYNC_FILE_RANGE_WRITE))


def fsync_file(path: Path) -> None:
    """Flushes a regular file to disk and makes it read-only. A link is refused."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ValueError("only a regular file can become an object")
        os.fchmod(descriptor, 0o444)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
