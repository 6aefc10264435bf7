"""Counts files that a task has deleted and still holds: no directory lists them, and they still take disk space.

An open descriptor or a mapping holds them. ``/proc`` shows both to every process that may trace the one that holds
them: a process of the same user, if the traced process allows it (``confine.show_files``). Seats may never trace
others, because they are behind Landlock or run as other users.
"""

import ctypes
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from runtime.sandbox.host.scratch import byte_count

_libc = ctypes.CDLL(None)

MOST_MAPS_BYTES: Final = 2 * 1024 * 1024
"""Size limit of ``/proc/<pid>/maps``, because reading it takes time from all runs. It is ten times what many libraries
and mapped files produce."""


class TooManyMappings(Exception):
    """The process has so many mappings, or such long names, that they cannot be read in time."""


@dataclass(frozen=True, slots=True)
class DeletedFiles:
    """Total size and number of the deleted files that a process holds."""

    byte_count: int = 0
    file_count: int = 0


def deleted_files(pid: int, uid: int | None, directory: Path) -> DeletedFiles:
    """Count deleted files of ``directory`` that process ``pid`` of user ``uid`` (None: our own) holds.

    The count is zero if the process does not show its files, or has ended. Raises ``TooManyMappings``.
    """
    with _as_user(uid):
        try:
            held = _open_files(pid, directory.stat().st_dev)
            mapped = _mappings(pid, directory)
        except OSError:
            return DeletedFiles()
    found = {**mapped, **held}
    return DeletedFiles(sum(found.values()), len(found))


def _open_files(pid: int, device: int) -> dict[int, int]:
    """Return bytes by inode."""
    found = {}
    for name in os.listdir(f"/proc/{pid}/fd"):
        try:
            status = os.stat(f"/proc/{pid}/fd/{name}")
        except FileNotFoundError:
            continue  # closed meanwhile
        if status.st_nlink == 0 and status.st_dev == device and stat.S_ISREG(status.st_mode):
            found[status.st_ino] = byte_count(status)
    return found


def _mappings(pid: int, directory: Path) -> dict[int, int]:
    """Return bytes by inode: of the whole file if we may ask, else of its mapped parts. Raises ``TooManyMappings``."""
    prefix = os.fsencode(directory) + b"/"
    found: dict[int, int] = {}
    with open(f"/proc/{pid}/maps", "rb") as maps:
        text = maps.read(MOST_MAPS_BYTES + 1)
    if len(text) > MOST_MAPS_BYTES:
        raise TooManyMappings
    for line in text.splitlines():
        if not line.endswith(b" (deleted)"):
            continue
        span, _, _, _, inode, path = line.split(maxsplit=5)
        if path.startswith(prefix):
            start, _, end = span.partition(b"-")
            whole = _file_bytes(pid, span.decode())
            mapped = int(end, 16) - int(start, 16)
            found[int(inode)] = whole if whole is not None else found.get(int(inode), 0) + mapped
    return found


def _file_bytes(pid: int, span: str) -> int | None:
    """Return the size of the whole file behind a mapping; None if only a more privileged process may ask."""
    try:
        return byte_count(os.stat(f"/proc/{pid}/map_files/{_short(span)}"))
    except OSError:
        return None


def _short(span: str) -> str:
    """Return the name of a span in ``map_files``, which has no leading zeros."""
    start, _, end = span.partition("-")
    return f"{int(start, 16):x}-{int(end, 16):x}"


@contextmanager
def _as_user(uid: int | None) -> Iterator[None]:
    """Access files as this user, in this thread only. Root without the right to trace has no other way."""
    if uid is None:
        yield
        return
    mine, group = os.geteuid(), os.getegid()
    _libc.setfsgid(uid)
    _libc.setfsuid(uid)
    try:
        yield
    finally:
        _libc.setfsuid(mine)
        _libc.setfsgid(group)
