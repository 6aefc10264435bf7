"""Copies of stored tables on this node's disk, from which tables of a remote store or for a device are mapped.

All processes of a node share the directory. One process fetches a copy while the others wait; the copy appears
atomically and is read-only. It is removed when room is needed (least recently used first), or when nobody has opened it
for a day. A mapped copy may be removed too: its pages stay until the last map ends.

    copies/<id>.arrow    mode 0444; the modification time is that of the last use
    parts/               copies in progress, at their final size, locked by the process that makes them
    locks/               one for each first byte of an id, and ``room`` for the process that makes room
"""

import fcntl
import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import uuid4

from catalog.whole_file import fsync_directory
from runtime.datasets.store.durable import fsync_file, storing
from runtime.datasets.store.folders import make_private
from runtime.errors import DatasetTooLarge, Overloaded

log = logging.getLogger("graphside.store")

UNUSED_S: Final = 86_400.0
LOCK_WAIT_S: Final = 300.0
_POLL_S: Final = 0.02


class NodeCache:
    """A directory with a byte budget. A fetch reserves its room beforehand."""

    def __init__(
        self, root: Path, budget_bytes: int, suffix: str = ".arrow", unused_s: float | None = UNUSED_S
    ) -> None:
        """``unused_s``: how long a copy is kept that nobody opens; None for no such limit."""
        self._root = root
        self._unused_s = unused_s
        self._suffix = suffix
        self._copies = root / "copies"
        self._parts = root / "parts"
        self._locks = root / "locks"
        self._budget_bytes = budget_bytes

    def prepare(self) -> None:
        """Create the directories (0700). Copies of an earlier server stay valid."""
        self._root.mkdir(parents=True, exist_ok=True)
        for directory in (self._root, self._copies, self._parts, self._locks):
            make_private(directory)

    def open(self, object_id: str, size: Callable[[], int], fetch: Callable[[Path], None]) -> int:
        """Return a read-only descriptor of the copy. If there is none, ``fetch`` fills a file of ``size()`` bytes.

        Raises ``DatasetTooLarge`` for a table larger than the budget, ``Overloaded`` if other fetches fill it,
        ``StorageFull``, and what the two functions raise.
        """
        found = self.find(object_id)
        if found is not None:
            return found
        with self._locked(object_id[:2]):
            found = self.find(object_id)  # another process fetched it meanwhile
            return self._fetched(object_id, size(), fetch) if found is None else found

    def find(self, object_id: str) -> int | None:
        """Return a read-only descriptor of the copy, or None if there is none."""
        try:
            descriptor = os.open(self._copy(object_id), os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except FileNotFoundError:
            return None
        os.utime(descriptor)
        return descriptor

    def begin(self, object_id: str, byte_count: int) -> "Part":
        """Return a file of that size, to be written and then kept as the copy. Raises as ``open``."""
        path = self._parts / uuid4().hex
        with self._locked("room"):
            self._make_room(byte_count)
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        part = Part(path, descriptor, self._copy(object_id))
        try:
            with storing():
                if byte_count:
                    os.posix_fallocate(descriptor, 0, byte_count)
        except BaseException:
            part.give_up()
            raise
        return part

    @property
    def object_ids(self) -> list[str]:
        """Ids of all copies."""
        names = (copy.name for _, copy in _files(self._copies))
        return [name.removesuffix(self._suffix) for name in names if name.endswith(self._suffix)]

    def adopt(self, path: Path, object_id: str) -> None:
        """Move the file of a table that was just stored into the cache, or remove it if there is no room."""
        try:
            with self._locked("room"):
                self._make_room(path.stat().st_size)
                path.rename(self._copy(object_id))
        except (OSError, DatasetTooLarge, Overloaded):  # usually another disk; the store has the bytes
            path.unlink(missing_ok=True)

    def drop(self, object_id: str) -> None:
        """Remove the copy if it exists."""
        self._copy(object_id).unlink(missing_ok=True)

    def tidy(self) -> int:
        """Remove leftovers of a crash and unused copies; return the number of files."""
        with self._locked("room"):
            return self._remove_dead_parts() + self._remove_unused()

    @property
    def used_bytes(self) -> int:
        """Bytes of all copies, including those in progress."""
        return sum(status.st_size for status, _ in (*_files(self._copies), *_files(self._parts)))

    def _copy(self, object_id: str) -> Path:
        return self._copies / f"{object_id}{self._suffix}"

    def _fetched(self, object_id: str, byte_count: int, fetch: Callable[[Path], None]) -> int:
        started = time.monotonic()
        part = self.begin(object_id, byte_count)
        try:
            with storing():
                fetch(part.path)
                descriptor = part.keep()
        except BaseException:
            part.give_up()
            raise
        log.info("store.fetched object_id=%s bytes=%d s=%.3f", object_id, byte_count, time.monotonic() - started)
        return descriptor

    def _make_room(self, byte_count: int) -> None:
        if byte_count > self._budget_bytes:
            text = f"the stored table has {byte_count} bytes, more than this node may keep ({self._budget_bytes})"
            raise DatasetTooLarge(text, limit_name="store_cache_bytes", limit=self._budget_bytes, observed=byte_count)
        self._remove_dead_parts()
        self._remove_unused()
        excess = self.used_bytes + byte_count - self._budget_bytes
        for status, copy in sorted(_files(self._copies), key=lambda item: item[0].st_mtime_ns):
            if excess <= 0:
                return
            copy.unlink(missing_ok=True)
            excess -= status.st_size
        if excess > 0:
            raise Overloaded(
                "other tables that are being fetched fill this node's cache; try again later", retry_after_s=5
            )

    def _remove_unused(self) -> int:
        if self._unused_s is None:
            return 0
        last = time.time() - self._unused_s
        unused = [copy for status, copy in _files(self._copies) if status.st_mtime < last]
        for copy in unused:
            copy.unlink(missing_ok=True)
        return len(unused)

    def _remove_dead_parts(self) -> int:
        """Remove parts whose lock nobody holds, because their process has ended."""
        count = 0
        for _, part in _files(self._parts):
            with suppress(FileNotFoundError, BlockingIOError):
                descriptor = os.open(part, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    part.unlink()
                    count += 1
                finally:
                    os.close(descriptor)
        return count

    @contextmanager
    def _locked(self, name: str) -> Iterator[None]:
        """Hold a lock that all threads and processes of this node respect. Raises ``Overloaded`` after minutes."""
        descriptor = os.open(self._locks / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        deadline = time.monotonic() + LOCK_WAIT_S
        try:
            while True:
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > deadline:
                        text = "fetching the stored table takes too long; try again later"
                        raise Overloaded(text, retry_after_s=5) from None
                    time.sleep(_POLL_S)
            yield
        finally:
            os.close(descriptor)


@dataclass(frozen=True, slots=True)
class Part:
    """A copy in progress. ``fd`` is open for writing and locked; the lock tells it from a leftover of a crash."""

    path: Path
    fd: int
    _copy: Path

    def keep(self) -> int:
        """Make it the copy, atomically and durably, replacing any other; return a read-only descriptor.

        Closes ``fd``. If this raises, ``give_up`` is still possible.
        """
        fsync_file(self.path)
        descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            self.path.rename(self._copy)
            fsync_directory(self._copy.parent)
        except BaseException:
            os.close(descriptor)
            raise
        os.close(self.fd)
        return descriptor

    def give_up(self) -> None:
        """Remove it. Closes ``fd``."""
        self.path.unlink(missing_ok=True)
        os.close(self.fd)


def _files(directory: Path) -> Iterator[tuple[os.stat_result, Path]]:
    """Yield the files of a directory that others may change meanwhile."""
    with os.scandir(directory) as entries:
        for entry in entries:
            with suppress(FileNotFoundError):
                yield entry.stat(follow_symlinks=False), Path(entry.path)
