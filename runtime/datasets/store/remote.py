"""``RemoteStore``: tables at a URL. A commit uploads; an open goes through copies on this node's disk.

<prefix>/objects/<id[:2]>/<id>.arrow    the canonical Arrow file, as it is mapped
<prefix>/owner                          id of the catalog that has claimed the store
"""

import errno
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO, Final

from runtime.datasets.store.base import StoredObject, missing, object_id_of, object_name
from runtime.datasets.store.bucket import Bucket
from runtime.datasets.store.durable import fsync_file, storing
from runtime.datasets.store.folders import Folders
from runtime.datasets.store.node_cache import NodeCache
from runtime.errors import StoreUnavailable

OWNER: Final = "owner"
_DRAFT_KEPT: Final = timedelta(days=1)


class RemoteStore:
    """Objects in a bucket (``Store``). Uploads still arrive in the data directory, which nodes share."""

    def __init__(self, root: Path, bucket: Bucket, cache: NodeCache) -> None:
        self._folders = Folders(root)
        self._bucket = bucket
        self._cache = cache
        self.incoming = self._folders.incoming
        self.forget_incoming = self._folders.forget_incoming
        cache.prepare()

    def prepare(self) -> None:
        self._folders.prepare()
        self._bucket.require()

    def commit(self, path: Path, object_id: str) -> None:
        name = _name(object_id)
        with storing():
            fsync_file(path)
        if self._bucket.size(name) is not None:
            raise FileExistsError(errno.EEXIST, "the object exists", object_id)
        self._bucket.put(path, name)
        self._cache.adopt(path, object_id)

    def open_object(self, object_id: str) -> int:
        name = _name(object_id)
        try:
            return self._cache.open(object_id, lambda: self.size(object_id), lambda part: self._bucket.get(name, part))
        except FileNotFoundError as error:
            raise missing() from error

    def reader(self, object_id: str) -> BinaryIO:
        try:
            return self._bucket.reader(_name(object_id))
        except FileNotFoundError as error:
            raise missing() from error

    def size(self, object_id: str) -> int:
        size = self._bucket.size(_name(object_id))
        if size is None:
            raise missing()
        return size

    def stored(self) -> Iterator[StoredObject]:
        last = datetime.now(UTC) - _DRAFT_KEPT
        for shard in self._bucket.folders("objects"):  # at most 256; one listing of everything might be too large
            for found in self._bucket.files(f"objects/{shard}"):
                object_id = object_id_of(found.name)
                if object_id is not None:
                    yield StoredObject(object_id, found.byte_count, found.stored_at)
                elif found.stored_at < last:  # a partial file on a mount, whose writer died
                    self._bucket.delete(f"objects/{shard}/{found.name}")

    def delete(self, object_id: str) -> None:
        name = _name(object_id)
        self._cache.drop(object_id)
        self._bucket.delete(name)

    def tidy(self) -> int:
        return self._cache.tidy()

    def owner(self) -> str | None:
        try:
            with self._bucket.reader(OWNER) as data:
                return data.read(100).decode("ascii", "replace").strip()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StoreUnavailable("the store of tables does not answer", retry_after_s=5) from error

    def set_owner(self, catalog_id: str) -> None:
        draft = self.incoming()
        draft.write_text(catalog_id, encoding="ascii")
        try:
            self._bucket.put(draft, OWNER)
        finally:
            draft.unlink(missing_ok=True)


def _name(object_id: str) -> str:
    return f"objects/{object_name(object_id)}"
