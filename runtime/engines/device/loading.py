"""Loading: a process of its own brings stored tables into blocks that the owner makes for it, and ends.

It is the only one that ever maps a block to write.
"""

import asyncio
import fcntl
import logging
import math
import os
import socket
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Final

from runtime.engines.device.driver import Block
from runtime.errors import DatasetUnreadable, EngineUnavailable, RunInterrupted
from runtime.sandbox.children import Child, ForkerClient
from runtime.sandbox.protocol import (
    ANSWER_BYTES,
    FrameBuffer,
    Message,
    ProtocolError,
    ancillary_of,
    encode_frame,
)
from runtime.sandbox.told import MOST_CHARACTERS, failure_to_load
from runtime.text import clip

log = logging.getLogger("graphside.engine")

LOAD_TIMEOUT_S: Final = 300.0

HEADER_BYTES: Final = 4 * 1024 * 1024
"""The most that may be needed to know of a table besides its block: names, types, offsets."""

SEALS: Final = fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK


@dataclass(frozen=True, slots=True)
class DeviceTable:
    """A table in a block. ``header_fd``: what a seat needs to know to see a frame in it, ``header_bytes`` long."""

    role: str
    block: Block
    header_fd: int
    header_bytes: int


@dataclass(frozen=True, slots=True)
class DeviceLimits:
    """What a process that has a device gets. ``device_bytes``: what it may allocate there, its context not counted."""

    device_bytes: int
    file_bytes: int
    open_files: int
    threads: int

    def to_wire(self) -> Message:
        return {
            "device_bytes": self.device_bytes, "file_bytes": self.file_bytes,
            "open_files": self.open_files, "threads": self.threads,
        }  # fmt: skip


async def load_tables(
    template: ForkerClient,
    roles: list[str],
    fds: list[int],
    uid: int | None,
    limits: DeviceLimits,
    create: Callable[[int], Awaitable[Block]],
    give_up: Callable[[Block], None],
) -> tuple[list[DeviceTable], float]:
    """Have a loader bring the stored tables ``fds`` (kept by the caller) into blocks; and how long that took (s).

    ``create`` makes a block of so many bytes, ``give_up`` takes back what became of no use: a block of a load that did
    not end well is never used again, since what was on its way into it may still arrive.

    Raises ``DatasetUnreadable``, ``DatasetTooLarge``, ``RunInterrupted``, and what ``create`` raises.
    """
    near, far = socket.socketpair()
    near.setblocking(False)
    try:
        child = await template.fork({"kind": "device_loader", "uid": uid, **limits.to_wire()}, (far.fileno(), *fds))
    except BaseException:
        near.close()
        raise
    finally:
        far.close()
    loaded: list[DeviceTable] = []
    with ExitStack() as undo:
        undo.callback(_let_go, loaded, give_up)
        try:
            async with asyncio.timeout(LOAD_TIMEOUT_S):
                conversation = _Conversation(near, child)
                for role in roles:
                    await _load(role, conversation, create, loaded)
                load_s = (await conversation.next("loaded")).get("load_s")
        except TimeoutError:
            raise DatasetUnreadable(f"the dataset did not load within {LOAD_TIMEOUT_S:g} s") from None
        finally:
            near.close()
            child.kill()
            await asyncio.shield(child.wait_dead())  # from here on nobody can change a header or a block
        for table in loaded:  # it goes to one run after the other, none of which may tell the next one anything
            fcntl.fcntl(table.header_fd, fcntl.F_ADD_SEALS, SEALS | fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SEAL)
        undo.pop_all()
    seconds = float(load_s) if isinstance(load_s, (int, float)) and math.isfinite(load_s) else 0.0
    return loaded, seconds


def no_device(message: Message) -> EngineUnavailable:
    """What a process tells that could not use the device. The reason is for the log."""
    log.error("device.unusable why=%a", clip(str(message.get("why")), MOST_CHARACTERS))
    text = "this server's GPU cannot be used just now; send the run with engine='pandas', or ask its operator"
    return EngineUnavailable(text, engine="cudf")


async def _load(
    role: str,
    conversation: "_Conversation",
    create: Callable[[int], Awaitable[Block]],
    loaded: list[DeviceTable],
) -> None:
    """One table: its size, a block for it, its header."""
    packed = await conversation.next("packed")
    byte_count, header_bytes = packed.get("byte_count"), packed.get("header_bytes")
    if type(byte_count) is not int or type(header_bytes) is not int:
        raise failure_to_load(None)
    if byte_count < 0 or not 0 <= header_bytes <= HEADER_BYTES:
        raise failure_to_load(None)
    header_fd = os.memfd_create("header", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        os.ftruncate(header_fd, header_bytes)
        fcntl.fcntl(header_fd, fcntl.F_ADD_SEALS, SEALS)
        block = await create(byte_count)
    except BaseException:
        os.close(header_fd)
        raise
    loaded.append(DeviceTable(role, block, header_fd, header_bytes))
    await conversation.say({}, (block.fd, header_fd))
    await conversation.next("filled")


def _let_go(loaded: list[DeviceTable], give_up: Callable[[Block], None]) -> None:
    for table in loaded:
        os.close(table.header_fd)
        give_up(table.block)


class _Conversation:
    """Word by word with a loader. Raises ``RunInterrupted`` where it ends, and the failure that it tells."""

    def __init__(self, channel: socket.socket, child: Child) -> None:
        self._channel = channel
        self._child = child
        self._frames = FrameBuffer(ANSWER_BYTES)

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
            raise no_device(message)
        if message.get("event") != event:
            raise failure_to_load(message.get("failure"))
        return message

    async def _ended(self) -> Exception:
        self._child.kill()
        code = await self._child.exit_code()
        if code is not None and code < 0 and code != -9:
            return DatasetUnreadable(f"the process that loads the dataset ended with signal {-code}")
        return RunInterrupted("the process that loads the dataset ended; send the request again", retry_after_s=1)
