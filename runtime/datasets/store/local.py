"""Where the bytes of tables live: immutable objects named by random ids, reached by descriptor.

``LocalStore`` keeps them under the data directory, ``objects/<id[:2]>/<id>.arrow`` (mode 0444); ``RemoteStore``
(``store_remote``) at a URL. ``store_location`` says which it is.

Ids are random, never hashes of content: a hash told by the process that parsed a stranger's bytes could name
somebody else's object.
"""

import errno
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, Protocol

from runtime.datasets.store.durable import settle, storing, sync_directory
from runtime.datasets.store.folders import Folders, make_private
from runtime.errors import DatasetUnreadable

_OBJECT_ID = re.compile(r"[0-9a-f]{32}")
_SUFFIX = ".arrow"


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
    return f"{object_id[:2]}/{object_id}{_SUFFIX}"


def object_id_of(file_name: str) -> str | None:
    """The id in ``<id>.arrow``; None for a file that is no object."""
    object_id = file_name.removesuffix(_SUFFIX)
    return object_id if file_name.endswith(_SUFFIX) and _OBJECT_ID.fullmatch(object_id) else None


def missing() -> DatasetUnreadable:
    """What every store raises for an object that it does not have."""
    return DatasetUnreadable("A stored table is missing.")


class LocalStore:
    """Objects in a directory of this machine (``Store``).

    >>> store = LocalStore(Path("/var/lib/graphside"))
    >>> store.prepare()
    >>> path = store.incoming()
    >>> path.write_bytes(table_bytes)
    >>> store.commit(path, uuid.uuid4().hex)
    """

    def __init__(self, root: Path) -> None:
        self._folders = Folders(root)
        self._objects = root / "objects"
        self._owner = self._objects / "owner"
        self.incoming = self._folders.incoming
        self.forget_incoming = self._folders.forget_incoming

    def prepare(self) -> None:
        self._folders.prepare()
        make_private(self._objects)

    def object_path(self, object_id: str) -> Path:
        """Where the object lies. Raises ``ValueError`` unless ``object_id`` is 32 lower-case hex digits."""
        return self._objects / object_name(object_id)

    def commit(self, path: Path, object_id: str) -> None:
        target = self.object_path(object_id)
        with storing():
            settle(path)
            target.parent.mkdir(mode=0o700, exist_ok=True)
            sync_directory(self._objects)
            if target.exists():
                raise FileExistsError(errno.EEXIST, "the object exists", object_id)
            path.rename(target)
            sync_directory(target.parent)
            sync_directory(path.parent)

    def open_object(self, object_id: str) -> int:
        path = self.object_path(object_id)
        try:
            return os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except FileNotFoundError as error:
            raise missing() from error

    def reader(self, object_id: str) -> BinaryIO:
        return os.fdopen(self.open_object(object_id), "rb")

    def size(self, object_id: str) -> int:
        try:
            return self.object_path(object_id).lstat().st_size
        except FileNotFoundError as error:
            raise missing() from error

    def stored(self) -> Iterator[StoredObject]:
        for path in self._objects.glob(f"??/*{_SUFFIX}"):
            object_id = object_id_of(path.name)
            if object_id is None:
                continue
            try:
                status = path.lstat()
            except FileNotFoundError:
                continue
            # The change time: committing moves it, while the bytes may have been written long before.
            yield StoredObject(object_id, status.st_size, datetime.fromtimestamp(status.st_ctime, UTC))

    def delete(self, object_id: str) -> None:
        self.object_path(object_id).unlink(missing_ok=True)

    def tidy(self) -> int:
        return 0

    def owner(self) -> str | None:
        try:
            return self._owner.read_text(encoding="ascii").strip()
        except FileNotFoundError:
            return None

    def set_owner(self, catalog_id: str) -> None:
        draft = self.incoming()
        draft.write_text(catalog_id, encoding="ascii")
        settle(draft)
        draft.rename(self._owner)
        sync_directory(self._objects)
