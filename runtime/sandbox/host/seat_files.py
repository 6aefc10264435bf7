"""Everything that a seat is given besides its dataset: scratch directory, result file, pipes for output, channel."""

import asyncio
import ctypes
import fcntl
import os
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Final

from runtime.sandbox.host.output import OutputPipe
from runtime.sandbox.host.scratch import EMPTY_BYTES, empty, remove, scratch_use
from runtime.sandbox.host.seat_settings import SeatSettings

_REMOVERS: Final = ThreadPoolExecutor(2, thread_name_prefix="remove")
"""Threads that only remove scratch directories. A run can make that last, so nothing else waits for them."""

_MOST_REMOVED: Final = 100
"""Files that are removed before another run may use the same directory."""

_KEEP_SIZE, _PUNCH_HOLE = 1, 2
_libc = ctypes.CDLL(None, use_errno=True)
_libc.fallocate.argtypes = [ctypes.c_int, ctypes.c_int, ctypes.c_int64, ctypes.c_int64]

_SEALS: Final = fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL


class SeatFiles:
    """The files of one seat. Raises ``OSError`` if the machine has no descriptors or disk space left for them."""

    def __init__(self, settings: SeatSettings, uid: int | None) -> None:
        with ExitStack() as undo:  # if one of these fails, those before it are undone
            self.scratch = settings.scratch.make(uid)
            undo.callback(remove, self.scratch)
            self._scratch_time = os.stat(self.scratch).st_mtime_ns
            self.channel_end, self._far_end = socket.socketpair()
            undo.callback(self.channel_end.close)
            undo.callback(self._far_end.close)
            self.stdout = OutputPipe(settings.output_bytes)
            undo.callback(self.stdout.finish)
            self.stderr = OutputPipe(settings.output_bytes)
            undo.callback(self.stderr.finish)
            self.result_fd = os.memfd_create("result", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
            undo.callback(os.close, self.result_fd)
            os.ftruncate(self.result_fd, settings.result_bytes)
            fcntl.fcntl(self.result_fd, fcntl.F_ADD_SEALS, _SEALS)
            undo.pop_all()

    @contextmanager
    def handed_over(self) -> Iterator[tuple[int, ...]]:
        """Provide the descriptors for the seat, in the order that it expects. Our copies are closed afterwards."""
        scratch_fd = os.open(self.scratch, os.O_DIRECTORY | os.O_RDONLY | os.O_CLOEXEC)
        try:
            yield self.stdout.write_fd, self.stderr.write_fd, self.result_fd, self._far_end.fileno(), scratch_fd
        finally:
            os.close(scratch_fd)
            self._far_end.close()
            self.stdout.close_write()
            self.stderr.close_write()

    @property
    def scratch_is_empty(self) -> bool:
        return scratch_use(self.scratch, 1).file_count == 0

    def discard_result(self) -> None:
        """Empty the result's file, whatever was written to it. Its size stays. Raises ``OSError``."""
        size = os.fstat(self.result_fd).st_size
        if _libc.fallocate(self.result_fd, _PUNCH_HOLE | _KEEP_SIZE, 0, size) != 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))

    def discard_output(self) -> None:
        """Drop what is in the pipes of output."""
        for pipe in (self.stdout, self.stderr):
            pipe.drop()

    async def empty_scratch(self) -> bool:
        """Remove the few files that a run left in scratch. Return False if they are many, or show afterwards."""
        if not self.scratch_is_empty:
            if scratch_use(self.scratch, _MOST_REMOVED).file_count > _MOST_REMOVED:
                return False
            await asyncio.get_running_loop().run_in_executor(_REMOVERS, empty, self.scratch)
        elif os.stat(self.scratch).st_mtime_ns == self._scratch_time:
            return True
        os.utime(self.scratch, ns=(self._scratch_time, self._scratch_time))
        return self.scratch_is_empty and os.stat(self.scratch).st_size <= EMPTY_BYTES

    def close_channel(self) -> None:
        self.channel_end.close()
        self._far_end.close()

    async def close(self) -> None:
        """Close everything, and remove the scratch directory. The seat must be dead."""
        self.stdout.finish()
        self.stderr.finish()
        os.close(self.result_fd)
        try:
            os.rmdir(self.scratch)
        except OSError:
            await asyncio.get_running_loop().run_in_executor(_REMOVERS, remove, self.scratch)
