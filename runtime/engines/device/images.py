"""Images of blocks on this node's disk: a dataset that was on the device before is copied there, and not converted.

They are a cache. One that is missing, of other libraries or of a table that is deleted is as if there had never been
any; none is ever needed.
"""

import asyncio
import logging
import os
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from runtime.datasets.descriptors import close_all
from runtime.datasets.store import Store
from runtime.datasets.store_cache import NodeCache, Part
from runtime.engines.device.conversation import begun
from runtime.engines.device.loading import DeviceLimits, DeviceTable
from runtime.errors import DatasetUnreadable, RuntimeFailure
from runtime.sandbox.children import ForkerClient
from runtime.sandbox.device_image import image_bytes

log = logging.getLogger("graphside.engine")

WRITE_TIMEOUT_S: Final = 600.0


class Images:
    """Of one node, in a directory that its replicas share. ``budget_bytes``: what all of them may take of the disk."""

    def __init__(self, root: Path, budget_bytes: int) -> None:
        self._cache = NodeCache(root, budget_bytes, suffix=".image")

    def prepare(self) -> None:
        """Make the directory; images of an earlier server stay good."""
        self._cache.prepare()

    @asynccontextmanager
    async def opened(self, object_ids: Sequence[str]) -> AsyncIterator[list[int | None]]:
        """A descriptor of each image, None where there is none; closed when the block ends."""
        found = [self._cache.find(object_id) for object_id in object_ids]
        try:
            yield found
        finally:
            close_all([fd for fd in found if fd is not None])

    async def write(
        self, template: ForkerClient, object_id: str, table: DeviceTable, uid: int | None, limits: DeviceLimits
    ) -> None:
        """Have an image of a table written. Where it cannot be, the log says why.

        Until the first ``await`` this takes what it needs of the table, which may be given up from then on.
        """
        block_fd, header_fd = os.dup(table.block.fd), os.dup(table.header_fd)
        size, started = image_bytes(table.header_bytes, table.block.byte_count), time.monotonic()
        try:
            part = await asyncio.to_thread(self._cache.begin, object_id, size)
            try:
                fds = (block_fd, header_fd, part.fd)
                message = {**limits.to_wire(), "header_bytes": table.header_bytes, "file_bytes": size}
                conversation = await begun(
                    template, fds, kind="device_imager", uid=uid, byte_count=table.block.byte_count, **message
                )
                try:
                    async with asyncio.timeout(WRITE_TIMEOUT_S):
                        await conversation.next("written")
                finally:
                    await conversation.close()
                await _keep(part)
            except BaseException:
                await asyncio.to_thread(part.give_up)
                raise
        except (RuntimeFailure, OSError) as error:  # also where time is over
            log.warning("image.not_written object_id=%s %s: %s", object_id, type(error).__name__, error)
        else:
            log.info("image.written object_id=%s bytes=%d s=%.3f", object_id, size, time.monotonic() - started)
        finally:
            close_all([block_fd, header_fd])

    def forget_deleted(self, store: Store) -> None:
        """Remove images of tables that the store has no more. Blocks, as stores do."""
        for object_id in self._cache.object_ids:
            try:
                store.size(object_id)
            except DatasetUnreadable:
                self._cache.drop(object_id)
        self._cache.tidy()


async def _keep(part: Part) -> None:
    os.close(await asyncio.to_thread(part.keep))
