"""Scratch directories: one a run, its only place to write, gone after it.

A task owns what is in its directory, so nothing here follows a link, trusts a name's permission, or goes as deep as the
task cared to go. Directories are emptied once their process is dead.
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
"""Directories within directories; deeper ones are of no use to a task, and a burden to whoever has to count them."""

_HELD: Final = 64
"""Levels that are open at a time while a directory is removed."""

_DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class ScratchUse:
    """What lies in a scratch directory. ``depth``: of directories within directories."""

    byte_count: int
    file_count: int
    depth: int


class ScratchRoot:
    """The directory of one replica's scratch directories.

    ``home`` is where it is made; where the users that runs are given could not pass the directories above that, it is
    made in the system's temporary directory instead. Leftovers of replicas that were killed are removed.
    """

    def __init__(self, home: Path, *, for_other_users: bool) -> None:
        if for_other_users and not _passable(home):
            home = Path(tempfile.gettempdir())
        _sweep(home)
        self.path, self.fd = _make_root(home)
        os.fchmod(self.fd, 0o711 if for_other_users else 0o700)

    def make(self, uid: int | None) -> Path:
        """A new empty directory, which belongs to ``uid``."""
        path = self.path / uuid4().hex
        path.mkdir(mode=0o700)
        if uid is not None:
            os.chown(path, uid, uid)
        return path

    def close(self) -> None:
        """Remove it with all that is in it. No process may work there any more."""
        remove(self.path)
        os.close(self.fd)


def byte_count(status: os.stat_result) -> int:
    """Of a file: its size, or what it takes of the disk if that is more. Some file systems take note of that late."""
    return max(status.st_blocks * 512, status.st_size)


def scratch_use(directory: Path, most_files: int) -> ScratchUse:
    """Count bytes and entries below ``directory``; stops soon after ``most_files`` or ``DEEPEST``."""
    census = _Census(most_files)
    with suppress(OSError):  # it changes under us; the next look sees more
        census.take(_open(os.fspath(directory), None), 0)
    return ScratchUse(census.byte_count, census.file_count, census.depth)


class _Census:
    """A walk by descriptors, one a level, since a task may swap a directory for a link at any time."""

    def __init__(self, most_files: int) -> None:
        self.byte_count = self.file_count = self.depth = 0
        self._most_files = most_files

    def _is_enough(self) -> bool:
        return self.file_count > self._most_files or self.depth > DEEPEST

    def take(self, fd: int, depth: int) -> None:
        """Of a directory, whose descriptor is closed then."""
        self.depth = max(self.depth, depth)
        try:
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
            self.file_count = self._most_files + 1  # what cannot be looked into may hold anything
            return
        self.take(inner, depth + 1)


def remove(path: Path) -> None:
    """Remove a directory with all that is in it, however deep, whatever its permissions; never what a link names.

    No process may work in it any more. Errors are logged: there is nobody to tell.
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


def _empty(top: int, fd: int, depth: int) -> None:
    """Remove what is in a directory. What lies too deep comes up to the top, for another round."""
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
    """A directory, never what a link names. One that its task closed to us is opened up: that one, not its name."""
    try:
        return os.open(name, _DIRECTORY, dir_fd=dir_fd)
    except PermissionError:
        place = os.open(name, os.O_PATH | _DIRECTORY, dir_fd=dir_fd)
        try:
            os.chmod(f"/proc/self/fd/{place}", 0o700)
            return os.open(".", _DIRECTORY, dir_fd=place)
        finally:
            os.close(place)


def _make_root(home: Path) -> tuple[Path, int]:
    """A new directory and its descriptor, locked, by which it is told apart from what a killed replica left."""
    while True:
        path = home / f"{PREFIX}{uuid4().hex[:12]}"
        path.mkdir(mode=0o700)
        try:
            fd = os.open(path, _DIRECTORY)
        except FileNotFoundError:
            continue  # another replica that starts just now took it for a leftover
        fcntl.flock(fd, fcntl.LOCK_SH)
        if os.fstat(fd).st_nlink:
            return path, fd
        os.close(fd)


def _passable(path: Path) -> bool:
    """Whether any user may pass through this directory and all above it."""
    try:
        return all(one.stat().st_mode & 0o001 for one in (path, *path.parents))
    except OSError:
        return False


def _sweep(home: Path) -> None:
    """Remove what replicas that are no more left in ``home``."""
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
            continue  # somebody works there
        finally:
            os.close(fd)
