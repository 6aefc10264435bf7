"""The one place that decides what a caller may do with a dataset.

A caller who may not read a dataset gets the same answer as if it did not exist: the same body, after the same query to
the catalog. A caller who may read it but not do this is refused, and the refusal is audited. Administrators and admins
of an organization have no more rights here than others.
"""

from dataclasses import dataclass
from typing import Any, Final

from auth.errors import Forbidden
from auth.names import email_key
from auth.principal import Principal
from deployments.ingress.callers.call import Call
from deployments.ingress.errors import NotFound
from deployments.ingress.services import Services
from runtime.datasets.records import Access, DatasetRecord, Reader, is_id

NOBODY: Final = Reader()

_NEEDED: Final = {
    Access.EDIT: "uploading a table to dataset {id} needs edit access, and you have {has} access; ask its owner",
    Access.SHARE: "only its owner, or a user with share access, may see or change how dataset {id} is shared",
    Access.OWNER: "only the owner of dataset {id} may do this",
}


@dataclass(frozen=True, slots=True)
class Found:
    """A dataset that the caller may read, and what else the caller may do with it."""

    record: DatasetRecord
    access: Access


async def find(services: Services, caller: Principal | None, dataset_id: str) -> Found:
    """Return the dataset if the caller may read it; a caller of None is not signed in. Raises ``NotFound``.

    For a user, this asks the catalog again only after the catalog changes.
    """
    access = Access.NONE
    record = None
    if is_id(dataset_id):  # a text that is not an id would only fill the snapshot
        access = await _access(services, reader_of(caller), dataset_id)
    if access >= Access.VIEW:
        record = await services.snapshot.get(("dataset", dataset_id), lambda: services.datasets.get(dataset_id), _size)
    if record is None or record.has_expired:
        raise NotFound(f"dataset {dataset_id} not found")
    return Found(record, access)


async def permitted(call: Call[Any], dataset_id: str, needed: Access, action: str) -> DatasetRecord:
    """Return the dataset if the caller has the ``needed`` access. ``action`` is the name in the audit log.

    Raises ``NotFound`` if the caller may not read the dataset, else ``Forbidden``.
    """
    found = await find(call.services, call.principal, dataset_id)
    if found.access < needed:
        call.note(action, f"dataset:{dataset_id}", "refused", access=found.access.name.lower())
        raise Forbidden(_NEEDED[needed].format(id=dataset_id, has=found.access.name.lower()))
    return found.record


def _size(record: DatasetRecord | None) -> int:
    return 0 if record is None else record.size


def reader_of(caller: Principal | None) -> Reader:
    """Return how invitations know the caller: one with an @ means an e-mail address, any other a username."""
    if caller is None:
        return NOBODY
    names = [email] if (email := email_key(caller.email)) else []
    if "@" not in caller.username:
        names.append(caller.username)
    return Reader(caller.user_id, tuple(names))


async def _access(services: Services, reader: Reader, dataset_id: str) -> Access:
    if reader == NOBODY:
        # Not remembered: callers who need not sign in could fill this replica's memory with invented ids.
        return await services.ask(services.shares.access, dataset_id, reader)
    key = ("access", reader, dataset_id)
    return await services.snapshot.get(key, lambda: services.shares.access(dataset_id, reader))
