"""Write a file so that its name never shows half of it, not even after a crash.

It stands in this package because everything else may import ``catalog``, and ``catalog`` imports nothing of ours.
"""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO


@contextmanager
def whole_file(path: Path, mode: int, *, replace: bool = True) -> Iterator[BinaryIO]:
    """Yield a file to write to, which takes the name ``path`` when the block ends: whole, and flushed to disk.

    If the block raises, no file is left and ``path`` stays as it was. ``mode`` is reduced by the umask, as usual. A
    link at ``path`` is replaced, not followed. With ``replace=False`` the file replaces nothing: raise
    ``FileExistsError`` if the name is taken, even by a broken link. For a name that survives a loss of power, call
    ``fsync_directory`` afterwards.
    """
    draft = path.with_name(f".{path.name[:50]}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        with open(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(descriptor)
        if replace:
            draft.replace(path)
        else:
            os.link(draft, path)
    finally:
        draft.unlink(missing_ok=True)


def fsync_directory(directory: Path) -> None:
    """Flush a directory, so that renames into and out of it survive a loss of power."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
