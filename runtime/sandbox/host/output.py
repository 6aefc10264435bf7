"""Collects what a run prints. The pipe is drained however much comes; only the beginning and the end are kept."""

import asyncio
import os
from contextlib import suppress
from typing import Final

_CHUNK: Final = 64 * 1024
_CHUNKS_A_TURN: Final = 16
"""Chunks read in one turn of the event loop, so that a run that prints endlessly does not starve others."""


class OutputPipe:
    """The reading end of a run's stdout or stderr. Keeps at most ``cap`` bytes: the first half and the last half."""

    def __init__(self, cap: int) -> None:
        self._read_fd, self.write_fd = os.pipe2(os.O_CLOEXEC)
        os.set_blocking(self._read_fd, False)
        self._half = cap // 2
        self._head = bytearray()
        self._tail = bytearray()
        self._cut = 0

    def close_write(self) -> None:
        """Close our copy of the writing end. Call this once the run has its own."""
        os.close(self.write_fd)
        self.write_fd = -1

    def start(self) -> None:
        """Drain the pipe from now on, in the running loop."""
        asyncio.get_running_loop().add_reader(self._read_fd, self._on_readable)

    def pause(self) -> None:
        """Read what is in the pipe now, then no more until ``start``."""
        asyncio.get_running_loop().remove_reader(self._read_fd)
        self._on_readable()

    def drop(self) -> None:
        """Discard what was kept, and all that is in the pipe, to which nobody writes now."""
        asyncio.get_running_loop().remove_reader(self._read_fd)
        with suppress(BlockingIOError):
            while os.read(self._read_fd, _CHUNK):
                pass
        self.forget()

    def forget(self) -> None:
        """Discard what was kept so far."""
        self._head, self._tail, self._cut = bytearray(), bytearray(), 0

    def finish(self) -> None:
        """Read what is left in the pipe, and close it."""
        if self._read_fd < 0:
            return
        asyncio.get_running_loop().remove_reader(self._read_fd)
        self._on_readable()
        os.close(self._read_fd)
        self._read_fd = -1
        if self.write_fd >= 0:
            self.close_write()

    @property
    def truncated(self) -> bool:
        return self._cut > 0

    def text(self) -> str:
        """Return what was kept as text. Bytes that are not UTF-8 are replaced."""

        if not self._cut:
            return (self._head + self._tail).decode("utf-8", "replace")
        cut = f"\n... {self._cut} bytes cut ...\n"
        return self._head.decode("utf-8", "replace") + cut + self._tail.decode("utf-8", "replace")

    def _on_readable(self) -> None:
        for _ in range(_CHUNKS_A_TURN):
            try:
                data = os.read(self._read_fd, _CHUNK)
            except BlockingIOError:
                return
            if not data:
                asyncio.get_running_loop().remove_reader(self._read_fd)
                return
            self._keep(data)

    def _keep(self, data: bytes) -> None:
        room = self._half - len(self._head)
        if room > 0:
            self._head += data[:room]
            data = data[room:]
        self._tail += data
        surplus = len(self._tail) - self._half
        if surplus > 0:
            del self._tail[:surplus]
            self._cut += surplus
