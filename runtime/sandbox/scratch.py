"""Scratch directories: one a run, its only place to write, gone after it.

A task owns what is in its directory, so nothing here follows a link, trusts a name's permission, or goes as deep as the
task cared to go. Directories are emptied once their process is dead.
"""

import fcntl
import logging
import os
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import uuid4

log = logging.getLogger("graphside.sandbox")

PREFIX: Final = "graphside-scratch-"
DEEPEST: Final = 64
"""Directories within directories; deeper ones are of no use to a task, and a burden to whoever has to count them."""

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
        self.path = home / f"{PREFIX}{uuid4().hex[:12]}"
        self.path.mkdir(mode=0o711)
        self.path.chmod(0o711 if for_other_users else 0o700)
        self.fd = os.open(self.path, _DIRECTORY)
        fcntl.flock(self.fd, fcntl.LOCK_SH | fcntl.LOCK_NB)  # told apart from what a killed replica left

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


def scratch_use(directory: Path, most_files: int) -> ScratchUse:
    """Count allocated bytes and entries below ``directory``; stops soon after ``most_files`` or ``DEEPEST``.

    The walk goes by descriptors, since a task may swap a directory for a link at any time.
    """
    byte_count = file_count = depth = 0
    with suppress(OSError):  # it changes under us; the next look sees more
        level = [os.open(directory, _DIRECTORY)]
        while level and file_count <= most_files and depth <= DEEPEST:
            deeper: list[int] = []
            for fd in level:
                with suppress(OSError):
                    for name in os.listdir(fd):
                        file_count += 1
                        status = os.stat(name, dir_fd=fd, follow_symlinks=False)
                        byte_count += status.st_blocks * 512
                        if status.st_mode & 0o170000 == 0o040000 and len(deeper) < most_files:
                            deeper.append(os.open(name, _DIRECTORY, dir_fd=fd))
                os.close(fd)
            level = deeper
            depth += bool(level)
        for fd in level:
            os.close(fd)
    return ScratchUse(byte_count, file_count, depth)


def remove(path: Path) -> None:
    """Remove a directory with all that is in it, however deep, whatever its permissions; never what a link names.

    No process may work in it any more. Errors are logged: there is nobody to tell.
    """
    try:
        path.chmod(0o700)
        fd = os.open(path, _DIRECTORY)
    except FileNotFoundError:
        return
    except OSError:
        log.exception("scratch.not_removed path=%s", path)
        return
    try:
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
        if not _is_directory(fd, name):
            os.unlink(name, dir_fd=fd)
            continue
        _open_up(fd, name)
        if depth >= DEEPEST:
            os.rename(name, uuid4().hex, src_dir_fd=fd, dst_dir_fd=top)
            continue
        inner = os.open(name, _DIRECTORY, dir_fd=fd)
        try:
            _empty(top, inner, depth + 1)
        finally:
            os.close(inner)
        os.rmdir(name, dir_fd=fd)


def _is_directory(fd: int, name: str) -> bool:
    return os.stat(name, dir_fd=fd, follow_symlinks=False).st_mode & 0o170000 == 0o040000


def _open_up(fd: int, name: str) -> None:
    os.chmod(name, 0o700, dir_fd=fd)  # it is a directory, and nobody is left who could make it a link


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
