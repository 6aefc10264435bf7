"""Whether a caller may do something with a dataset: the one place where that is decided.

Somebody who may not read a dataset is answered as if there were none: the same body, after the same one question to
the catalog. Somebody who may read it, but not do this, is refused, and the refusal is audited. Neither administrators
nor owners of an organisation are more than anybody else here.
"""

import asyncio
from dataclasses import dataclass
from typing import Any, Final

from auth.errors import Forbidden
from auth.principal import Principal
from deployments.ingress.callers.call import Call
from deployments.ingress.errors import NotFound
from deployments.ingress.services import Services
from runtime.datasets.records import Access, DatasetRecord, Reader, is_id

NOBODY: Final = Reader()

_NEEDED: Final = {
    Access.EDIT: "giving dataset {id} a table needs edit access, and you have {has} access; ask its owner",
    Access.SHARE: "the sharing of dataset {id} is the business of its owner and of those who may share it",
    Access.OWNER: "only the owner of dataset {id} may do this",
}


@dataclass(frozen=True, slots=True)
class Found:
    """A dataset that the caller may read, and what else he may do with it."""

    record: DatasetRecord
    access: Access


async def find(services: Services, caller: Principal | None, dataset_id: str) -> Found:
    """The dataset, for a caller who may read it; None is somebody not signed in. Raises ``NotFound``.

    Asks the catalog nothing while that stays as it is, where somebody is signed in.
    """
    access = Access.NONE
    record = None
    if is_id(dataset_id):  # what is no id is not worth remembering
        access = await _access(services, reader_of(caller), dataset_id)
    if access >= Access.VIEW:
        record = await services.snapshot.get(("dataset", dataset_id), lambda: services.datasets.get(dataset_id))
    if record is None or record.has_expired:
        raise NotFound(f"dataset {dataset_id} not found")
    return Found(record, access)


async def permitted(call: Call[Any], dataset_id: str, needed: Access, action: str) -> DatasetRecord:
    """The dataset, for a caller who may do ``action`` (its name in the audit).

    Raises ``NotFound``; ``Forbidden`` for one who may read it.
    """
    found = await find(call.services, call.principal, dataset_id)
    if found.access < needed:
        call.note(action, f"dataset:{dataset_id}", "refused", access=found.access.name.lower())
        raise Forbidden(_NEEDED[needed].format(id=dataset_id, has=found.access.name.lower()))
    return found.record


def reader_of(caller: Principal | None) -> Reader:
    """How invitations and shares know the caller: an invitation with an @ means an e-mail, any other a username."""
    if caller is None:
        return NOBODY
    names = [caller.email.lower()] if "@" in caller.email else []
    if "@" not in caller.username:
        names.append(caller.username)
    return Reader(caller.user_id, tuple(names))


async def _access(services: Services, reader: Reader, dataset_id: str) -> Access:
    if reader == NOBODY:
        # Not remembered: whoever need not sign in could fill this replica's memory with ids that he made up.
        return await asyncio.to_thread(services.shares.access, dataset_id, reader)
    key = ("access", reader, dataset_id)
    return await services.snapshot.get(key, lambda: services.shares.access(dataset_id, reader))
