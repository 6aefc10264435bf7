"""Images of blocks on this node's disk: a dataset that was on the device before is copied there, and not converted.

They are a cache. One that is missing, of no use or of a table that is deleted is as if there had never been any; none
is ever needed.
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
"""Of the disk: what images leave to tables, and to everybody else."""

_T = TypeVar("_T")


class Images:
    """Of one node, in a directory that its replicas share. ``budget_bytes``: what all of them may take of the disk."""

    def __init__(self, root: Path, budget_bytes: int) -> None:
        self._root = root
        # A dataset may be on the device for days, in which nobody opens its image.
        self._cache = NodeCache(root, budget_bytes, suffix=".image", unused_s=None)

    def prepare(self) -> None:
        """Make the directory; images of an earlier server stay good."""
        self._cache.prepare()

    @asynccontextmanager
    async def opened(self, object_ids: Sequence[str]) -> AsyncIterator[list[int | None]]:
        """A descriptor of each image, None where there is none; closed when the block ends."""
        found = [self._find(object_id) for object_id in object_ids]
        try:
            yield found
        finally:
            close_all([fd for fd in found if fd is not None])

    def drop(self, object_ids: Iterable[str]) -> None:
        """Images that were of no use."""
        for object_id in object_ids:
            self._cache.drop(object_id)

    async def write(
        self,
        template: ForkerClient,
        object_id: str,
        table: DeviceTable,
        uid: int | None,
        limits: DeviceLimits,
        read: Callable[[], None],
    ) -> None:
        """Have an image of a table written. Where it cannot be, the log says why.

        Until the first ``await`` this takes what it needs of the table, which may be given up from then on. ``read`` is
        called once its block is not mapped any more.
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
                read()
            await _to_the_end(_keep, part)
        except (RuntimeFailure, OSError) as error:  # also where time is over
            log.warning("image.not_written object_id=%s %s: %s", object_id, type(error).__name__, error)
        else:
            log.info("image.written object_id=%s bytes=%d s=%.3f", object_id, size, time.monotonic() - started)

    def forget_deleted(self, store: Store) -> None:
        """Remove images of tables that the store has no more. Blocks, as stores do."""
        for object_id in self._cache.object_ids:
            try:
                store.size(object_id)
            except (DatasetUnreadable, ValueError):  # or no table's at all
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
    """``fds``: block, header, file."""
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
    """In a thread, to its end also where this is cancelled meanwhile; what came of it is then undone."""
    work = asyncio.ensure_future(asyncio.to_thread(function, *arguments))
    try:
        return await asyncio.shield(work)
    except asyncio.CancelledError:
        await asyncio.wait([work])
        if undo is not None and work.exception() is None:
            undo(work.result())
        raise
