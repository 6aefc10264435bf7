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
    """An object as a store lists it. ``stored_at`` is a time of the store's own clock."""

    id: str
    byte_count: int
    stored_at: datetime


class Store(Protocol):
    """A store of immutable objects. Every method blocks, a remote store for seconds, so call it in a thread.

    A remote store may raise ``StoreUnavailable`` in every method except ``incoming`` and ``forget_incoming``.
    """

    def prepare(self) -> None:
        """Create missing folders and empty ``incoming/`` and ``scratch/``. One process calls this, at start."""

    def incoming(self) -> Path:
        """Return a new, unique path in ``incoming/``; nothing exists there yet."""

    def forget_incoming(self, older_than_s: float) -> int:
        """Remove files in ``incoming/`` that were not written to for so long; return their number."""

    def commit(self, path: Path, object_id: str) -> None:
        """Make the file at ``path`` (in ``incoming/``) the object ``object_id``, durably and atomically.

        After a crash, either the whole object exists or none. Raises ``FileExistsError`` if the object exists, because
        others may have it mapped. Raises ``StorageFull`` and then leaves ``path`` to the caller.
        """

    def open_object(self, object_id: str) -> int:
        """Return a read-only, close-on-exec descriptor, which the caller closes. Raises ``DatasetUnreadable``."""

    def reader(self, object_id: str) -> BinaryIO:
        """Return a stream of the object's bytes, for a copy. Raises ``DatasetUnreadable``."""

    def size(self, object_id: str) -> int:
        """Return the object's size in bytes. Raises ``DatasetUnreadable`` if it does not exist."""

    def stored(self) -> Iterable[StoredObject]:
        """Yield all objects. An object that is committed or deleted meanwhile may or may not be among them."""

    def delete(self, object_id: str) -> None:
        """Delete the object if it exists. Open maps of it stay valid."""

    def tidy(self) -> int:
        """Remove files that this node no longer needs; return their number."""

    def owner(self) -> str | None:
        """Return the id of the catalog that has claimed the store, if any."""

    def set_owner(self, catalog_id: str) -> None:
        """Record the catalog that claims the store."""


def object_name(object_id: str) -> str:
    """Return ``<id[:2]>/<id>.arrow``. Raises ``ValueError`` unless ``object_id`` is 32 lower-case hex digits."""
    if not _OBJECT_ID.fullmatch(object_id):
        raise ValueError("an object id is 32 lower-case hex digits")
    return f"{object_id[:2]}/{object_id}{SUFFIX}"


def object_id_of(file_name: str) -> str | None:
    """Return the id in ``<id>.arrow``; None for any other file name."""
    object_id = file_name.removesuffix(SUFFIX)
    return object_id if file_name.endswith(SUFFIX) and _OBJECT_ID.fullmatch(object_id) else None


def missing() -> DatasetUnreadable:
    """Return the error of every store for an object that it does not have."""
    return DatasetUnreadable("the stored table is missing")
