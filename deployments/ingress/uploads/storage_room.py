"""Checks before an upload is read that its owner may store it, as far as that is known by then."""

from typing import Final

from starlette.requests import Request

from deployments.ingress.body import announced_bytes
from deployments.ingress.services import Services
from runtime.datasets.file_types import FILE_TYPES
from runtime.datasets.records import ObjectRecord

_TEXT_TYPES: Final = frozenset(kind.name for kind in FILE_TYPES if not kind.magic)
"""A stored table is often smaller than its text. In any other type, the upload is as large as the table or smaller."""


async def check_room(
    request: Request,
    services: Services,
    owner_id: int,
    file_type: str,
    compression: str,
    replaced: ObjectRecord | None,
) -> None:
    """Raise ``StorageFull`` if what is stored already, or what ``Content-Length`` announces, leaves no room.

    The catalog checks again when the table is recorded.
    """
    if services.stored_bytes.most is None:
        return
    counts = bool(compression) or file_type not in _TEXT_TYPES
    announced = (announced_bytes(request) or 0) if counts else 0
    freed = 0 if replaced is None else replaced.byte_count
    await services.ask(services.stored_bytes.check, owner_id, announced, freed)
