"""Loading. A process brings the tables of one dataset into blocks that the owner makes, and ends.

Only this process ever maps a block for writing.
"""

import asyncio
import fcntl
import os
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Final

from runtime.engines.device.conversation import Conversation, begin_conversation
from runtime.engines.device.driver import Block
from runtime.errors import DatasetUnreadable, RunInterrupted
from runtime.sandbox.host.children import ForkerClient
from runtime.sandbox.host.claims import validated_load_failure, validated_seconds
from runtime.sandbox.protocol import Message

LOAD_TIMEOUT_S: Final = 300.0
WARM_TIMEOUT_S: Final = 60.0
"""Time limit for a process to make a context."""

HEADER_BYTES: Final = 4 * 1024 * 1024
"""Size limit of the description of a table in a block: names, types, offsets."""

SEALS: Final = fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK


@dataclass(frozen=True, slots=True)
class DeviceTable:
    """A table in a block. ``header_fd``: a file of ``header_bytes`` that describes the frame in the block, for seats.

    ``from_image``: whether the block was copied from an image, and not converted from the stored table.
    """

    role: str
    block: Block
    header_fd: int
    header_bytes: int
    from_image: bool


@dataclass(frozen=True, slots=True)
class DeviceLimits:
    """Limits of a process that has a device. ``device_bytes``: what it may allocate there besides its context."""

    device_bytes: int
    file_bytes: int
    open_files: int
    threads: int

    def to_wire(self) -> Message:
        return {
            "device_bytes": self.device_bytes, "file_bytes": self.file_bytes,
            "open_files": self.open_files, "threads": self.threads,
        }  # fmt: skip


CreateBlock = Callable[[int], Awaitable[Block]]
"""Makes a block of so many bytes."""


class Loader:
    """A process that has a context and waits for a dataset to load. Make it with ``open_loader``."""

    def __init__(self, conversation: Conversation) -> None:
        self._conversation = conversation

    @property
    def alive(self) -> bool:
        """Return whether the process can still load a dataset."""
        return self._conversation.alive

    @property
    def pid(self) -> int:
        return self._conversation.pid

    async def load(
        self,
        stored: dict[str, int],
        images: Sequence[int | None],
        create: CreateBlock,
        give_up: Callable[[Block], None],
    ) -> tuple[list[DeviceTable], float]:
        """Bring tables into blocks; return them and the seconds that this took. The process ends afterwards.

        ``stored``: descriptors of the tables by role. ``images``: for each table the descriptor of its image, or None.
        The caller closes all of them. ``give_up`` takes back blocks if loading fails. Such a block is never used again,
        because copies into it may still be on their way.

        Raises ``DatasetUnreadable``, ``DatasetTooLarge``, ``RunInterrupted``, and what ``create`` raises.
        """
        loaded: list[DeviceTable] = []
        with ExitStack() as undo:
            undo.callback(release_tables, loaded, give_up)
            try:
                async with asyncio.timeout(LOAD_TIMEOUT_S):
                    fds = (*stored.values(), *(image for image in images if image is not None))
                    await self._conversation.say({"images": [image is not None for image in images]}, fds)
                    for role in stored:
                        await _load(role, self._conversation, create, loaded)
                    load_s = (await self._conversation.next("loaded")).get("load_s")
                    seconds = validated_seconds(load_s, LOAD_TIMEOUT_S)
            except TimeoutError:
                raise DatasetUnreadable.by_timeout(LOAD_TIMEOUT_S) from None
            finally:
                await self.close()  # from here on nobody can change a header or a block
            for table in loaded:  # one run after the other gets the header, and none may leave the next a message in it
                fcntl.fcntl(table.header_fd, fcntl.F_ADD_SEALS, SEALS | fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SEAL)
            undo.pop_all()
        return loaded, seconds

    async def close(self) -> None:
        await self._conversation.close()


async def open_loader(template: ForkerClient, uid: int | None, limits: DeviceLimits) -> Loader:
    """Return a loader that has a context. Raises ``RunInterrupted``, ``EngineUnavailable``."""
    conversation = await begin_conversation(template, kind="device_loader", uid=uid, **limits.to_wire())
    try:
        async with asyncio.timeout(WARM_TIMEOUT_S):
            await conversation.next("warm")
    except TimeoutError:
        await conversation.close()
        text = "the process that was to load the dataset did not start; send the request again"
        raise RunInterrupted(text, retry_after_s=1) from None
    except BaseException:
        await conversation.close()
        raise
    return Loader(conversation)


async def _load(
    role: str,
    conversation: Conversation,
    create: CreateBlock,
    loaded: list[DeviceTable],
) -> None:
    """Load one table: learn its size, make a block, and have the loader fill the block and the header."""
    packed = await conversation.next("packed")
    byte_count, header_bytes = packed.get("byte_count"), packed.get("header_bytes")
    if type(byte_count) is not int or type(header_bytes) is not int:
        raise validated_load_failure(None)
    if byte_count < 0 or not 0 <= header_bytes <= HEADER_BYTES:
        raise validated_load_failure(None)
    header_fd = os.memfd_create("header", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        os.ftruncate(header_fd, header_bytes)
        fcntl.fcntl(header_fd, fcntl.F_ADD_SEALS, SEALS)
        block = await create(byte_count)
    except BaseException:
        os.close(header_fd)
        raise
    from_image = packed.get("from_image") is True
    loaded.append(DeviceTable(role, block, header_fd, header_bytes, from_image))
    await conversation.say({}, (block.fd, header_fd))
    await conversation.next("filled")


def release_tables(loaded: list[DeviceTable], give_up: Callable[[Block], None]) -> None:
    """Free the blocks and headers of tables that no dataset has."""

    for table in loaded:
        os.close(table.header_fd)
        give_up(table.block)
