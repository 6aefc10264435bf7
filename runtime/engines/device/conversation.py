"""Message by message with a process that has a device and runs no task."""

import asyncio
import logging
from typing import Any

from runtime.errors import DatasetUnreadable, EngineUnavailable, RunInterrupted
from runtime.sandbox.host.channel import Channel
from runtime.sandbox.host.children import Child, ForkerClient
from runtime.sandbox.host.claims import MOST_CHARACTERS, validated_load_failure
from runtime.sandbox.protocol import Message, encode_frame
from runtime.task import CPU_ENGINE, GPU_ENGINE, send_with
from runtime.text import clip

log = logging.getLogger("graphside.engine")


async def begin_conversation(template: ForkerClient, fds: tuple[int, ...] = (), **message: Any) -> "Conversation":
    """Fork such a process. It starts with ``message`` and copies of ``fds``, which the caller closes.

    Raises ``RunInterrupted`` if the template has ended.
    """
    child, end = await template.fork_connected(message, fds)
    return Conversation(Channel(end, child), child)


class Conversation:
    """One process, until ``close``. Each call raises ``RunInterrupted`` if the process has ended.

    ``next`` also raises the failure that the process reports.
    """

    def __init__(self, channel: Channel, child: Child) -> None:
        self._channel = channel
        self._child = child
        self._closed = False

    @property
    def alive(self) -> bool:
        """Return whether the process can still answer."""
        return not self._child.dead and not self._closed

    @property
    def pid(self) -> int:
        return self._child.pid

    async def close(self) -> None:
        """End the process. Once this returns, it can change nothing any more."""
        if not self._closed:
            self._closed = True
            self._channel.close()
        self._child.kill()
        await asyncio.shield(self._child.wait_dead())

    async def say(self, message: Message, fds: tuple[int, ...]) -> None:
        """Send a short message with descriptors."""
        if not await self._channel.send(encode_frame(message), fds):
            raise await self._ended()

    async def next(self, event: str) -> Message:
        """Return the next message, which has to be ``event``."""
        message = await self._channel.receive()
        if message is None:
            raise await self._ended()
        return expected(message, event)

    async def _ended(self) -> Exception:
        self._child.kill()
        code = await self._child.exit_code()
        if code is not None and code < 0 and code != -9:
            return DatasetUnreadable(f"the process that loads the dataset ended with signal {-code}")
        return RunInterrupted("the process that loads the dataset ended; send the request again", retry_after_s=1)


def expected(message: Message, event: str) -> Message:
    """Return the message if it is ``event``; raise the failure that it reports if it is another one.

    Raises ``EngineUnavailable`` if the process cannot use the device, ``DatasetUnreadable``, ``DatasetTooLarge``.
    """
    if message.get("event") == "no_device":
        log.error("device.unusable why=%a", clip(str(message.get("why")), MOST_CHARACTERS))  # for the operator only
        text = f"this server's GPU cannot be used now; {send_with(CPU_ENGINE)}, or ask the server's operator"
        raise EngineUnavailable(text, engine=GPU_ENGINE)
    if message.get("event") != event:
        raise validated_load_failure(message.get("failure"))
    return message
