"""``Store``: where the bytes of tables live, as immutable objects named by random ids and reached by descriptor.

``LocalStore`` (``local.py``) keeps the objects under the data directory, ``RemoteStore`` (``remote.py``) at a URL.
``open_store`` (``opening.py``) chooses between them.

Ids are random, never hashes of content. The process that parses a stranger's bytes would report the hash, so it could
name somebody else's object.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Final, Protocol

from runtime.errors import DatasetUnreadable

SUFFIX: Final = ".arrow"
_OBJECT_ID = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object as a store lists it. ``stored_at`` is by the store's own clock."""

    id: str
    byte_count: int
    stored_at: datetime


class Store(Protocol):
    """What the runtime needs of a store. Everything blocks, a remote store for seconds: call it in a thread.

    A remote store may raise ``StoreUnavailable`` anywhere but in ``incoming`` and ``forget_incoming``.
    """

    def prepare(self) -> None:
        """Makes what is missing and empties ``incoming/`` and ``scratch/``: for one process, at server start."""

    def incoming(self) -> Path:
        """A path in ``incoming/`` that nobody else has. Nothing exists there yet."""

    def forget_incoming(self, older_than_s: float) -> int:
        """Removes files in ``incoming/`` that nobody has written to for so long."""

    def commit(self, path: Path, object_id: str) -> None:
        """Makes the file at ``path`` (in ``incoming/``) the object ``object_id``, durably and all at once.

        After a crash there is either the whole object or none. Raises ``FileExistsError`` where the object
        exists: others may have it mapped. Raises ``StorageFull``, and then leaves ``path`` to the caller.
        """

    def open_object(self, object_id: str) -> int:
        """A read-only descriptor, closed on exec, the caller's to close. Raises ``DatasetUnreadable``."""

    def reader(self, object_id: str) -> BinaryIO:
        """The object's bytes from start to end, for whoever copies them. Raises ``DatasetUnreadable``."""

    def size(self, object_id: str) -> int:
        """Bytes of the object. Raises ``DatasetUnreadable`` if there is none."""

    def stored(self) -> Iterable[StoredObject]:
        """All that is stored. What is committed or deleted meanwhile may be among it or not."""

    def delete(self, object_id: str) -> None:
        """Removes the object; one that does not exist is fine. Maps that are open stay good."""

    def tidy(self) -> int:
        """Removes what this node keeps to no use; how many files that were."""

    def owner(self) -> str | None:
        """Identity of the catalog that these objects belong to, if one has claimed them."""

    def set_owner(self, catalog_id: str) -> None:
        """Write down whose they are."""


def object_name(object_id: str) -> str:
    """``<id[:2]>/<id>.arrow``. Raises ``ValueError`` unless ``object_id`` is 32 lower-case hex digits."""
    if not _OBJECT_ID.fullmatch(object_id):
        raise ValueError("an object id is 32 lower-case hex digits")
    return f"{object_id[:2]}/{object_id}{SUFFIX}"


def object_id_of(file_name: str) -> str | None:
    """The id in ``<id>.arrow``; None for a file that is no object."""
    object_id = file_name.removesuffix(SUFFIX)
    return object_id if file_name.endswith(SUFFIX) and _OBJECT_ID.fullmatch(object_id) else None


def missing() -> DatasetUnreadable:
    """What every store raises for an object that it does not have."""
    return DatasetUnreadable("A stored table is missing.")
