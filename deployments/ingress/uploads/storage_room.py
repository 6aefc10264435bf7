"""Whether an upload has a place in what its owner may store, as far as can be told before it is read."""

import asyncio
from typing import Final

from starlette.requests import Request

from deployments.ingress.services import Services
from runtime.datasets.records import ObjectRecord

_TEXT_TYPES: Final = ("csv", "json")
"""Stored, a table is often smaller than it was as text. In every other form it came about as large, or smaller."""


async def check_room(
    request: Request,
    services: Services,
    owner_id: int,
    file_type: str,
    compression: str,
    replaced: ObjectRecord | None,
) -> None:
    """Raise ``StorageFull`` where what is stored already, or what ``Content-Length`` announces, leaves no room.

    What cannot be told is told by the catalog, when the table is about to be kept.
    """
    if services.stored_bytes.most is None:
        return
    length = request.headers.get("content-length", "")
    counts = bool(compression) or file_type not in _TEXT_TYPES
    announced = int(length) if counts and length.isdigit() else 0
    freed = 0 if replaced is None else replaced.byte_count
    await asyncio.to_thread(services.stored_bytes.check, owner_id, announced, freed)
