"""Writes the body of an upload to disk as it arrives, then has a runner parse it. Nothing stays in this process."""

import logging
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from starlette.requests import ClientDisconnect, Request

from deployments.ingress.body import refuse_longer, too_large
from deployments.ingress.errors import InvalidRequest, NotFound
from deployments.ingress.refusals import refused
from deployments.ingress.sender import current_sender
from deployments.ingress.services import Services
from deployments.ingress.threads import Pool
from deployments.ingress.uploads.incoming_file import IncomingFile
from runtime.datasets.records import ObjectRecord, RecordGone
from runtime.errors import StorageFull

log = logging.getLogger("graphside.uploads")


@dataclass(frozen=True, slots=True)
class Received:
    """An upload on disk: its file name in the store's incoming directory, and its size."""

    name: str
    byte_count: int


@asynccontextmanager
async def received(request: Request, services: Services) -> AsyncIterator[Received]:
    """Write the request's body to a file, which is deleted when the block ends. Users upload in turn.

    Raises ``TooLarge`` (before reading, if ``Content-Length`` says so), ``StorageFull``, ``InvalidRequest`` if the
    client leaves before the end.
    """
    limit = services.settings.max_upload_bytes
    refuse_longer(request, limit)
    async with _turn(services):
        path = services.store.incoming()
        try:
            yield Received(path.name, await _write(request, path, limit, services.threads.disk))
        finally:
            path.unlink(missing_ok=True)


async def parsed(
    services: Services, user_id: int, upload: Received, file_type: str, compression: str, options: dict[str, Any]
) -> ObjectRecord:
    """Have a runner parse and store an upload. Raises ``InvalidTable``, ``StorageFull``, ``RunInterrupted``."""
    described = await services.runners.parse(
        {"incoming": upload.name, "file_type": file_type, "file_compression": compression, "options": options},
        str(user_id),
    )
    return ObjectRecord(**described)


@asynccontextmanager
async def kept(services: Services, *tables: ObjectRecord, gone: str) -> AsyncIterator[None]:
    """Run the block that records stored tables, and delete the tables if it cannot.

    Raises ``StorageFull``, ``NotFound`` with the sentence ``gone`` if what the tables are for was deleted meanwhile.
    """
    try:
        yield
    except (RecordGone, StorageFull) as failure:
        for table in tables:
            await services.discard(table)
        if isinstance(failure, RecordGone):
            raise NotFound(gone) from None
        raise


def _turn(services: Services) -> AbstractAsyncContextManager[None]:
    """Wait until it is the sender's turn to upload. Raise ``TooManyRequests``, ``Overloaded``."""
    refusal = partial(refused, limit_name="waiting_uploads", limit=2 * services.settings.traffic.uploads)
    return services.upload_turns.place(current_sender(), refusal)


async def _write(request: Request, path: Path, limit: int, disk: Pool) -> int:
    count = 0
    file = IncomingFile(path, disk)
    try:
        async for chunk in request.stream():
            count += len(chunk)
            if count > limit:
                raise too_large(limit)
            await file.take(chunk)
        await file.finish()
    except ClientDisconnect:
        raise InvalidRequest("the upload ended before its last byte") from None
    finally:
        file.close()
    return count
