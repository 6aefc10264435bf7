"""Everything that a seat is given besides its dataset: scratch directory, result file, pipes for output, channel."""

import asyncio
import fcntl
import os
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import Final

from runtime.sandbox.host.output import OutputPipe
from runtime.sandbox.host.scratch import remove, scratch_use
from runtime.sandbox.host.seat_settings import SeatSettings

_REMOVERS: Final = ThreadPoolExecutor(2, thread_name_prefix="remove")
"""Threads that only remove scratch directories. A run can make that last, so nothing else waits for them."""

_SEALS: Final = fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL


class SeatFiles:
    """The files of one seat. Raises ``OSError`` if the machine has no descriptors or disk space left for them."""

    def __init__(self, settings: SeatSettings, uid: int | None) -> None:
        with ExitStack() as undo:  # if one of these fails, those before it are undone
            self.scratch = settings.scratch.make(uid)
            undo.callback(remove, self.scratch)
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
