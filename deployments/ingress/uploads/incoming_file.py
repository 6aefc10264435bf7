"""The file of an arriving upload. A thread writes one batch while the next batch arrives."""

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from deployments.ingress.threads import Pool
from runtime.datasets.store.durable import begin_fsync
from runtime.errors import StorageFull

BATCH_BYTES: Final = 1024 * 1024
BATCH_CHUNKS: Final = 1024
"""The most chunks for one ``writev``. At most two batches are in memory."""

_MAY_STAY: Final = b"ARROW1"
"""The first bytes of a file that may be stored unchanged. It is flushed to disk from the start, because the caller
will wait for that; any other file is read once and deleted."""


class IncomingFile:
    """A new file, for one writer in one event loop."""

    def __init__(self, path: Path, disk: Pool) -> None:
        self._disk = disk
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        self._batch: list[bytes] = []
        self._batch_bytes = 0
        self._passed_on = 0
        self._may_stay = False
        self._writing: asyncio.Future[None] | None = None

    async def take(self, chunk: bytes) -> None:
        """Take the next bytes. Raises ``StorageFull`` for these or earlier bytes."""
        self._batch.append(chunk)
        self._batch_bytes += len(chunk)
        if self._batch_bytes >= BATCH_BYTES or len(self._batch) >= BATCH_CHUNKS:
            await self._pass_on()

    async def finish(self) -> None:
        """Return when all bytes are in the file. Raises ``StorageFull``."""
        await self._pass_on()
        await self._written()

    def close(self) -> None:
        """Take no more. The descriptor stays open until a thread that still writes has ended."""
        if self._writing is None:
            os.close(self._fd)
        elif self._writing.done():
            self._close_after(self._writing)
        else:
            self._writing.add_done_callback(self._close_after)

    async def _pass_on(self) -> None:
        await self._written()
        batch, start = self._batch, self._passed_on
        if not start:
            self._may_stay = b"".join(batch[: len(_MAY_STAY)]).startswith(_MAY_STAY)
        self._batch, self._batch_bytes, self._passed_on = [], 0, start + self._batch_bytes
        write = self._disk.call(_write_all, self._fd, batch, start if self._may_stay else None)
        self._writing = asyncio.ensure_future(write)

    async def _written(self) -> None:
        if self._writing is not None:
            await asyncio.shield(self._writing)

    def _close_after(self, writing: "asyncio.Future[None]") -> None:
        if not writing.cancelled():
            writing.exception()  # mark it as retrieved: perhaps nobody waits for it
        os.close(self._fd)


def _write_all(descriptor: int, chunks: Sequence[bytes], fsync_from: int | None) -> None:
    """Raises ``StorageFull``. ``fsync_from``: where these bytes stand, if their way to the disk begins now."""
    views = [memoryview(chunk) for chunk in chunks]
    try:
        while views:
            sent = os.writev(descriptor, views)
            if fsync_from is not None:
                begin_fsync(descriptor, fsync_from, sent)
                fsync_from += sent
            views = _rest(views, sent)
    except OSError as error:
        raise StorageFull("the server has no room for this upload") from error


def _rest(views: list[memoryview], sent: int) -> list[memoryview]:
    """Return what is left after ``sent`` bytes."""
    for position, view in enumerate(views):
        if sent < len(view):
            return [view[sent:], *views[position + 1 :]]
        sent -= len(view)
    return []
