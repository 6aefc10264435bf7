"""The file that all writers write a result to."""

import errno
from typing import BinaryIO


class Sink:
    """A raw binary file whose writes are complete, for writers that take a file (zipfile, pyarrow, ours).

    A raw file may write less than it is given, and writers do not check. ``failure`` is the first error of the file
    itself, because writers wrap it or hide it behind errors of their own. ``close`` leaves the file open.
    """

    closed = False

    def __init__(self, raw: BinaryIO) -> None:
        self._raw = raw
        self.failure: OSError | None = None

    def write(self, data: bytes | memoryview) -> int:
        """Write all of ``data``. Raise ``OSError`` (EPERM, ENOSPC, EFBIG) if it does not fit."""
        rest = memoryview(data).cast("B")
        size = len(rest)
        try:
            while rest:
                written = self._raw.write(rest)
                if not written:
                    raise OSError(errno.EIO, "the file takes no more bytes")
                rest = rest[written:]
        except OSError as exc:
            self.failure = self.failure or exc
            raise
        return size

    def writable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._raw.tell()

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._raw.seek(offset, whence)

    def flush(self) -> None:
        self._raw.flush()

    def close(self) -> None:
        """Do nothing: the caller who opened the file closes it."""
