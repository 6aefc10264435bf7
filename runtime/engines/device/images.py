"""The cache of images on this node's disk. With images, a dataset that was on the device before is copied there, and
need not be converted again.

No image is ever needed: a missing, damaged or outdated one only means that the table is converted.
"""

import asyncio
import logging
import os
import time
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, TypeVar

from runtime.datasets.store.base import Store
from runtime.datasets.store.descriptors import close_all
from runtime.datasets.store.node_cache import NodeCache, Part
from runtime.engines.device.conversation import begin_conversation
from runtime.engines.device.loading import DeviceLimits, DeviceTable
from runtime.errors import DatasetUnreadable, RuntimeFailure, StorageFull
from runtime.sandbox.device_image import image_bytes
from runtime.sandbox.host.children import ForkerClient

log = logging.getLogger("graphside.engine")

WRITE_TIMEOUT_S: Final = 600.0

RESERVE: Final = 0.1
"""The part of the disk that images leave free for tables and for other programs."""

_T = TypeVar("_T")


class Images:
    """The images of one node, in a directory that its replicas share. ``budget_bytes`` bounds their total size."""

    def __init__(self, root: Path, budget_bytes: int) -> None:
        self._root = root
        # A dataset may stay on the device for days while nobody opens its image.
        self._cache = NodeCache(root, budget_bytes, suffix=".image", unused_s=None)

    def prepare(self) -> None:
        """Make the directory. Images of an earlier server stay valid."""
        self._cache.prepare()

    @asynccontextmanager
    async def opened(self, object_ids: Sequence[str]) -> AsyncIterator[list[int | None]]:
        """Provide a descriptor of each image, or None if there is none. They are closed afterwards."""
        found = [self._find(object_id) for object_id in object_ids]
        try:
            yield found
        finally:
            close_all([fd for fd in found if fd is not None])

    def drop(self, object_ids: Iterable[str]) -> None:
        """Delete images that could not be used."""
        for object_id in object_ids:
            self._cache.drop(object_id)

    async def write(
        self,
        template: ForkerClient,
        object_id: str,
        table: DeviceTable,
        uid: int | None,
        limits: DeviceLimits,
        end_reading: Callable[[], None],
    ) -> None:
        """Have a process write the image of a table. Log why if that fails.

        Before its first ``await`` this copies the descriptors that it needs, so the table may be closed from then on.
        ``end_reading`` is called once the block is no longer mapped.
        """
        started = time.monotonic()
        fds: list[int] = []
        try:
            try:
                fds += [os.dup(table.block.fd)]
                fds += [os.dup(table.header_fd)]
                size = image_bytes(table.header_bytes, table.block.byte_count)
                part = await _to_the_end(self._begin, object_id, size, undo=lambda part: part.give_up())
                try:
                    await _written(template, (*fds, part.fd), table, uid, limits, size)
                except BaseException:
                    await _to_the_end(part.give_up)
                    raise
            finally:
                close_all(fds)
                end_reading()
            await _to_the_end(_keep, part)
        except (RuntimeFailure, OSError) as error:  # a timeout is an OSError
            log.warning("image.not_written object_id=%s %s: %s", object_id, type(error).__name__, error)
        else:
            log.info("image.written object_id=%s bytes=%d s=%.3f", object_id, size, time.monotonic() - started)

    def forget_deleted(self, store: Store) -> None:
        """Delete images of tables that the store no longer has. Blocks, because stores do."""
        for object_id in self._cache.object_ids:
            try:
                store.size(object_id)
            except (DatasetUnreadable, ValueError):  # ValueError: the name is not that of a table
                self._cache.drop(object_id)
        self._cache.tidy()

    def _find(self, object_id: str) -> int | None:
        try:
            return self._cache.find(object_id)
        except OSError as error:
            log.warning("image.not_opened object_id=%s %s", object_id, error)
            return None

    def _begin(self, object_id: str, size: int) -> Part:
        disk = os.statvfs(self._root)
        if disk.f_bavail * disk.f_frsize - size < RESERVE * disk.f_blocks * disk.f_frsize:
            raise StorageFull("the disk would be nearly full")
        return self._cache.begin(object_id, size)


async def _written(
    template: ForkerClient, fds: tuple[int, ...], table: DeviceTable, uid: int | None, limits: DeviceLimits, size: int
) -> None:
    """Wait until a process has written an image. ``fds``: block, header, file."""
    message = {**limits.to_wire(), "header_bytes": table.header_bytes, "file_bytes": size}
    conversation = await begin_conversation(
        template, fds, kind="device_imager", uid=uid, byte_count=table.block.byte_count, **message
    )
    try:
        async with asyncio.timeout(WRITE_TIMEOUT_S):
            await conversation.next("written")
    finally:
        await conversation.close()


def _keep(part: Part) -> None:
    try:
        os.close(part.keep())
    except BaseException:
        part.give_up()
        raise


async def _to_the_end(function: Callable[..., _T], *arguments: object, undo: Callable[[_T], None] | None = None) -> _T:
    """Run a function in a thread. If this is cancelled, the function still runs to its end and is then undone."""

    work = asyncio.ensure_future(asyncio.to_thread(function, *arguments))
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        await asyncio.wait([work])
        if undo is not None and work.exception() is None:
            undo(work.result())
        raise
