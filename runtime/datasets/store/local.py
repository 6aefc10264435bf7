"""``LocalStore``: tables in the data directory, as ``objects/<id[:2]>/<id>.arrow`` (mode 0444)."""

import errno
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from catalog.whole_file import fsync_directory
from runtime.datasets.store.base import SUFFIX, StoredObject, missing, object_id_of, object_name
from runtime.datasets.store.durable import fsync_file, storing
from runtime.datasets.store.folders import Folders, make_private


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
        """Return the object's path. Raises ``ValueError`` unless ``object_id`` is 32 lower-case hex digits."""
        return self._objects / object_name(object_id)

    def commit(self, path: Path, object_id: str) -> None:
        target = self.object_path(object_id)
        with storing():
            fsync_file(path)
            target.parent.mkdir(mode=0o700, exist_ok=True)
            fsync_directory(self._objects)
            if target.exists():
                raise FileExistsError(errno.EEXIST, "the object exists", object_id)
            path.rename(target)
            fsync_directory(target.parent)
            fsync_directory(path.parent)

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
        for path in self._objects.glob(f"??/*{SUFFIX}"):
            object_id = object_id_of(path.name)
            if object_id is None:
                continue
            try:
                status = path.lstat()
            except FileNotFoundError:
                continue
            # The change time is that of the commit; the bytes may have been written long before.
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
        fsync_file(draft)
        draft.rename(self._owner)
        fsync_directory(self._objects)
