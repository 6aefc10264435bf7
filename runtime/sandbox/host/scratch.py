"""Scratch directories. Each run has one, can write nowhere else, and loses it at its end.

A task owns what is in its directory. So this code follows no link, trusts no permission, and bounds how deep it goes. A
directory is emptied only once its process is dead.
"""

import fcntl
import logging
import os
import stat
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import uuid4

log = logging.getLogger("graphside.sandbox")

PREFIX: Final = "graphside-scratch-"
DEEPEST: Final = 320
"""The deepest nesting of directories. No task needs more, and every level costs time to count."""

_HELD: Final = 64
"""Levels that are open at the same time while a directory is removed."""

EMPTY_BYTES: Final = 4096
"""The size of a directory that never had many names. Names make it larger, and it stays so."""

_DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class ScratchUse:
    """The content of a scratch directory, counted. ``depth``: levels of nested directories."""

    byte_count: int
    file_count: int
    depth: int


class ScratchRoot:
    """The directory that holds the scratch directories of one replica.

    It is made in ``home``, or in the system's temporary directory if other users must reach it and may not pass the
    directories above ``home``. Making it also removes what killed replicas left there.
    """

    def __init__(self, home: Path, *, for_other_users: bool) -> None:
        if for_other_users and not _passable(home):
            home = Path(tempfile.gettempdir())
        _sweep(home)
        self.path, self.fd = _make_root(home)
        os.fchmod(self.fd, 0o711 if for_other_users else 0o700)

    def make(self, uid: int | None) -> Path:
        """Make an empty directory that belongs to ``uid``."""
        path = self.path / uuid4().hex
        path.mkdir(mode=0o700)
        if uid is not None:
            os.chown(path, uid, uid)
        return path

    def close(self) -> None:
        """Remove the directory and its content. No process may use it any more."""
        remove(self.path)
        os.close(self.fd)


def byte_count(status: os.stat_result) -> int:
    """Return the size of a file, or its disk space if that is more. Some file systems report disk space late."""
    return max(status.st_blocks * 512, status.st_size)


def scratch_use(directory: Path, most_files: int) -> ScratchUse:
    """Count bytes and entries below ``directory``. Counting stops soon after ``most_files`` or ``DEEPEST``."""
    census = _Census(most_files)
    with suppress(OSError):  # the task changes it meanwhile; the next count sees more
        census.take(_open(os.fspath(directory), None), 0)
    return ScratchUse(census.byte_count, census.file_count, census.depth)


class _Census:
    """A walk by descriptors, one for each level, because a task may replace a directory by a link at any time."""

    def __init__(self, most_files: int) -> None:
        self.byte_count = self.file_count = self.depth = 0
        self._most_files = most_files

    def _is_enough(self) -> bool:
        return self.file_count > self._most_files or self.depth > DEEPEST

    def take(self, fd: int, depth: int) -> None:
        """Count what is in a directory, and close its descriptor."""
        self.depth = max(self.depth, depth)
        try:
            if depth == 0:  # others are counted where they are found
                self.byte_count += max(0, os.fstat(fd).st_size - EMPTY_BYTES)
            if self._is_enough():
                return
            with os.scandir(fd) as entries:
                for entry in entries:
                    self.file_count += 1
                    with suppress(OSError):  # gone, or something else by now
                        self._count(entry, fd, depth)
                    if self._is_enough():
                        return
        finally:
            os.close(fd)

    def _count(self, entry: "os.DirEntry[str]", fd: int, depth: int) -> None:
        self.byte_count += byte_count(entry.stat(follow_symlinks=False))
        if not entry.is_dir(follow_symlinks=False):
            return
        try:
            inner = _open(entry.name, fd)
        except PermissionError:
            self.file_count = self._most_files + 1  # a directory that we cannot read may hold anything
            return
        self.take(inner, depth + 1)


def remove(path: Path) -> None:
    """Remove a directory and its content, however deep and whatever the permissions. Links are not followed.

    No process may use the directory any more. Errors are logged, because no caller could act on them.
    """
    try:
        fd = _open(os.fspath(path), None)
    except FileNotFoundError:
        return
    except OSError:
        log.exception("scratch.not_removed path=%s", path)
        return
    try:
        os.fchmod(fd, 0o700)
        while os.listdir(fd):
            _empty(fd, fd, 0)
        os.rmdir(path)
    except OSError:
        log.exception("scratch.not_removed path=%s", path)
    finally:
        os.close(fd)


def empty(path: Path) -> None:
    """Remove the content of a directory that no process uses now. Errors are logged."""
    try:
        fd = _open(os.fspath(path), None)
        try:
            while os.listdir(fd):
                _empty(fd, fd, 0)
        finally:
            os.close(fd)
    except OSError:
        log.exception("scratch.not_emptied path=%s", path)


def _empty(top: int, fd: int, depth: int) -> None:
    """Remove the content of a directory. What is too deep is moved to the top, for another round."""
    for name in os.listdir(fd):
        if not stat.S_ISDIR(os.stat(name, dir_fd=fd, follow_symlinks=False).st_mode):
            os.unlink(name, dir_fd=fd)
            continue
        inner = _open(name, fd)
        try:
            os.fchmod(inner, 0o700)
            if depth >= _HELD:
                os.rename(name, uuid4().hex, src_dir_fd=fd, dst_dir_fd=top)
                continue
            _empty(top, inner, depth + 1)
        finally:
            os.close(inner)
        os.rmdir(name, dir_fd=fd)


def _open(name: str, dir_fd: int | None) -> int:
    """Open a directory, never through a link. If its task took our permission, restore that by descriptor."""
    try:
        return os.open(name, _DIRECTORY, dir_fd=dir_fd)
    except PermissionError:
        closed = os.open(name, os.O_PATH | _DIRECTORY, dir_fd=dir_fd)
        try:
            os.chmod(f"/proc/self/fd/{closed}", 0o700)
            return os.open(".", _DIRECTORY, dir_fd=closed)
        finally:
            os.close(closed)


def _make_root(home: Path) -> tuple[Path, int]:
    """Make a directory; return its path and its descriptor. The lock on it shows that its replica is alive."""
    while True:
        path = home / f"{PREFIX}{uuid4().hex[:12]}"
        path.mkdir(mode=0o700)
        try:
            fd = os.open(path, _DIRECTORY)
        except FileNotFoundError:
            continue  # a replica that starts at this moment took it for a leftover
        fcntl.flock(fd, fcntl.LOCK_SH)
        if os.fstat(fd).st_nlink:
            return path, fd
        os.close(fd)


def _passable(path: Path) -> bool:
    """Return whether any user may pass through this directory and all above it."""
    try:
        return all(one.stat().st_mode & 0o001 for one in (path, *path.parents))
    except OSError:
        return False


def _sweep(home: Path) -> None:
    """Remove what replicas that have ended left in ``home``."""
    for path in home.glob(f"{PREFIX}*"):
        try:
            fd = os.open(path, _DIRECTORY)
        except OSError:
            continue
        try:
            if os.fstat(fd).st_uid == os.geteuid():
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                remove(path)
        except OSError:
            continue  # its replica is alive

        finally:
            os.close(fd)
