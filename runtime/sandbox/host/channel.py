"""The replica's end of the stream channel to one process below it."""

import asyncio
import socket

from runtime.sandbox.host.children import Child, readable
from runtime.sandbox.protocol import ANSWER_BYTES, FrameBuffer, Message, ProtocolError, ancillary_of


class Channel:
    """Sends frames to one process and receives frames from it, until the process ends."""

    def __init__(self, end: socket.socket, child: Child, most_bytes: int = ANSWER_BYTES) -> None:
        """``end``: our end of the socket pair; the channel closes it. ``most_bytes``: the longest frame to accept."""
        end.setblocking(False)
        self._end = end
        self._fd = end.fileno()  # the loop asks a socket for its number each time
        self._child = child
        self._most_bytes = most_bytes
        self._frames = FrameBuffer(most_bytes)

    @property
    def has_unread(self) -> bool:
        """Return whether the process has sent something since the last message, or has closed its end."""
        return readable(self._fd)

    def close(self) -> None:
        self._end.close()

    async def exchange(self, request: bytes, fds: tuple[int, ...] = ()) -> Message | None:
        """Send a request and return its answer; None if the process ended without one.

        What the process sent before the request is discarded.
        """
        self._frames = FrameBuffer(self._most_bytes)
        return await self.receive() if await self.send(request, fds) else None

    async def send(self, frame: bytes, fds: tuple[int, ...] = ()) -> bool:
        """Send a frame; False if the process has ended. Only a short frame can carry ``fds``."""
        try:
            sent = self._end.sendmsg([frame], ancillary_of(fds)) if fds else 0
            await asyncio.get_running_loop().sock_sendall(self._end, frame[sent:])
        except OSError:
            return False
        return True

    async def receive(self) -> Message | None:
        """Return the next message; None if the process ended without one, or sent bytes that are no message."""
        loop = asyncio.get_running_loop()
        received: asyncio.Future[Message | None] = loop.create_future()

        def finish(message: Message | None) -> None:
            if not received.done():
                received.set_result(message)

        def on_readable() -> None:
            while not received.done():
                try:
                    data = self._end.recv(256 * 1024)
                    message = self._frames.feed(data) if data else None
                except BlockingIOError:
                    return
                except (OSError, ProtocolError):
                    return finish(None)
                if message is not None or not data:
                    finish(message)

        def on_death() -> None:
            on_readable()  # what the process sent before it died
            finish(None)

        try:
            if (message := self._frames.feed(b"")) is not None:
                return message
        except ProtocolError:
            return None
        forget = self._child.on_death(on_death)
        loop.add_reader(self._fd, on_readable)
        try:
            return await received
        finally:
            loop.remove_reader(self._fd)
            forget()
