"""Word by word with a process that has a device and runs no task."""

import asyncio
import logging
import socket
from typing import Any

from runtime.errors import DatasetUnreadable, EngineUnavailable, RunInterrupted
from runtime.sandbox.host.children import Child, ForkerClient
from runtime.sandbox.host.claims import MOST_CHARACTERS, validated_load_failure
from runtime.sandbox.protocol import ANSWER_BYTES, FrameBuffer, Message, ProtocolError, ancillary_of, encode_frame
from runtime.text import clip

log = logging.getLogger("graphside.engine")


async def begin_conversation(template: ForkerClient, fds: tuple[int, ...] = (), **message: Any) -> "Conversation":
    """Fork such a process. ``fds``, which stay the caller's, and ``message`` are what it begins with.

    Raises ``RunInterrupted`` where the template is gone.
    """
    near, far = socket.socketpair()
    near.setblocking(False)
    try:
        child = await template.fork(message, (far.fileno(), *fds))
    except BaseException:
        near.close()
        raise
    finally:
        far.close()
    return Conversation(near, child)


class Conversation:
    """One process, until ``close``. Raises ``RunInterrupted`` where it has ended, and the failure that it tells."""

    def __init__(self, channel: socket.socket, child: Child) -> None:
        self._channel = channel
        self._child = child
        self._frames = FrameBuffer(ANSWER_BYTES)
        self._closed = False

    @property
    def alive(self) -> bool:
        """Whether it can still be talked to."""
        return not self._child.dead and not self._closed

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._child.pid

    async def close(self) -> None:
        """End it. Once this returns it can change nothing any more."""
        if not self._closed:
            self._closed = True
            self._channel.close()
        self._child.kill()
        await asyncio.shield(self._child.wait_dead())

    async def say(self, message: Message, fds: tuple[int, ...]) -> None:
        """One short message, and descriptors."""
        try:
            self._channel.sendmsg([encode_frame(message)], ancillary_of(fds))
        except OSError:
            raise await self._ended() from None

    async def next(self, event: str) -> Message:
        """The next word, which is to be ``event``."""
        loop = asyncio.get_running_loop()
        data = b""
        try:
            while (message := self._frames.feed(data)) is None:
                if not (data := await loop.sock_recv(self._channel, 64 * 1024)):
                    raise ProtocolError("ended")
        except (OSError, ProtocolError):
            raise await self._ended() from None
        if message.get("event") == "no_device":
            raise device_unavailable(message)
        if message.get("event") != event:
            raise validated_load_failure(message.get("failure"))
        return message

    async def _ended(self) -> Exception:
        self._child.kill()
        code = await self._child.exit_code()
        if code is not None and code < 0 and code != -9:
            return DatasetUnreadable(f"the process that loads the dataset ended with signal {-code}")
        return RunInterrupted("the process that loads the dataset ended; send the request again", retry_after_s=1)


def device_unavailable(message: Message) -> EngineUnavailable:
    """What a process tells that could not use the device. The reason is for the log."""
    log.error("device.unusable why=%a", clip(str(message.get("why")), MOST_CHARACTERS))
    text = "this server's GPU cannot be used just now; send the run with engine='pandas', or ask its operator"
    return EngineUnavailable(text, engine="cudf")
