"""Where the bytes of tables live: immutable objects named by random ids, reached by descriptor.

Layout under the data directory: ``objects/<id[:2]>/<id>.arrow`` (mode 0444), ``incoming/`` (bytes being
uploaded or written, emptied at start), ``scratch/`` (working directories of runs, emptied at start).

Ids are random, never hashes of content: a hash told by the process that parsed a stranger's bytes could name
somebody else's object.
"""

import errno
import os
import re
import shutil
import stat
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from runtime.errors import DatasetUnreadable, StorageFull

_OBJECT_ID = re.compile(r"[0-9a-f]{32}")
_FULL = {errno.ENOSPC, errno.EDQUOT}


class Store(Protocol):
    """What the runtime needs of a store. A remote one commits by upload and opens through a local cache."""

    def prepare(self) -> None: ...

    def incoming(self) -> Path: ...

    def commit(self, path: Path, object_id: str) -> None: ...

    def open_object(self, object_id: str) -> int: ...

    def size(self, object_id: str) -> int: ...

    def delete(self, object_id: str) -> None: ...


@contextmanager
def storing() -> Iterator[None]:
    """Turns "no space left" and "quota exceeded" into ``StorageFull``; every other ``OSError`` passes."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise StorageFull("There is no room left to store this table.") from error
        raise


class LocalStore:
    """Objects in a directory of this machine.

    >>> store = LocalStore(Path("/var/lib/graphside"))
    >>> store.prepare()
    >>> path = store.incoming()
    >>> path.write_bytes(table_bytes)
    >>> store.commit(path, uuid.uuid4().hex)
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._objects = root / "objects"
        self._incoming = root / "incoming"
        self._scratch = root / "scratch"

    def prepare(self) -> None:
        """Makes the directories (0700) and removes what an earlier server left in incoming and scratch.

        For one process at server start: whoever calls it while uploads run deletes them.
        """
        self._root.mkdir(parents=True, exist_ok=True)
        for directory in (self._root, self._objects, self._incoming, self._scratch):
            directory.mkdir(exist_ok=True)
            directory.chmod(0o700)
        _empty(self._incoming)
        _empty(self._scratch)

    def incoming(self) -> Path:
        """A path in ``incoming/`` that nobody else has. Nothing exists there yet."""
        return self._incoming / uuid.uuid4().hex

    def object_path(self, object_id: str) -> Path:
        """Where the object lies. Raises ``ValueError`` unless ``object_id`` is 32 lower-case hex digits."""
        if not _OBJECT_ID.fullmatch(object_id):
            raise ValueError("an object id is 32 lower-case hex digits")
        return self._objects / object_id[:2] / f"{object_id}.arrow"

    def commit(self, path: Path, object_id: str) -> None:
        """Makes the file at ``path`` (in ``incoming/``) the object ``object_id``, durably and all at once.

        After a crash there is either the whole object or none. Raises ``FileExistsError`` where the object
        exists: others may have it mapped. Raises ``StorageFull``, and then leaves ``path`` to the caller.
        """
        target = self.object_path(object_id)
        with storing():
            _settle(path)
            target.parent.mkdir(mode=0o700, exist_ok=True)
            _fsync_directory(self._objects)
            if target.exists():
                raise FileExistsError(errno.EEXIST, "the object exists", object_id)
            path.rename(target)
            _fsync_directory(target.parent)
            _fsync_directory(self._incoming)

    def open_object(self, object_id: str) -> int:
        """A read-only descriptor, closed on exec, the caller's to close. Raises ``DatasetUnreadable``."""
        path = self.object_path(object_id)
        try:
            return os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except FileNotFoundError as error:
            raise DatasetUnreadable("A stored table is missing.") from error

    def size(self, object_id: str) -> int:
        """Bytes of the object. Raises ``DatasetUnreadable`` if there is none."""
        try:
            return self.object_path(object_id).lstat().st_size
        except FileNotFoundError as error:
            raise DatasetUnreadable("A stored table is missing.") from error

    def object_ids(self) -> list[str]:
        """Ids of all that is stored."""
        return [path.stem for path in self._objects.glob("??/*.arrow") if _OBJECT_ID.fullmatch(path.stem)]

    def delete(self, object_id: str) -> None:
        """Unlinks the object; one that does not exist is fine. Maps that are open stay good."""
        self.object_path(object_id).unlink(missing_ok=True)


def _settle(path: Path) -> None:
    """Flushes a regular file to disk and makes it read-only. A link is refused."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ValueError("only a regular file can become an object")
        os.fchmod(descriptor, 0o444)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _fsync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _empty(directory: Path) -> None:
    """Removes everything in ``directory``, following no link: runs may leave links and locked directories."""
    with os.scandir(directory) as entries:
        for entry in entries:
            if not entry.is_dir(follow_symlinks=False):
                os.unlink(entry.path)
                continue
            _unlock(Path(entry.path))
            shutil.rmtree(entry.path)


def _unlock(directory: Path) -> None:
    """Gives the owner back the right to empty every directory of a tree that no process uses any more."""
    directory.chmod(0o700)
    with os.scandir(directory) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                _unlock(Path(entry.path))
