"""One running server of one data directory: its lock, its private folder, and a record for the next start.

The record lists the server's processes. If the server is killed, the next start ends what is left of them.
"""

import errno
import fcntl
import json
import os
import shutil
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from catalog.whole_file import whole_file
from deployments.launch.errors import LaunchError
from deployments.launch.machine.folders import PREFIX, make_folder
from deployments.launch.machine.processes import boot_id, descendants, find, kill, started

SWEEP_S = 5.0
_SETTLED_S = 3.0


class Instance:
    """The right to run a server on a data directory, as a context manager.

    Entering takes the lock, ends what a killed predecessor left, and makes ``folder``: mode 0700, removed at the end,
    outside the data directory because the paths of sockets must be short. Raises ``LaunchError`` if another server uses
    the data directory.
    """

    def __init__(self, data_dir: Path) -> None:
        self._record = data_dir / "server.json"
        self._lock_path = data_dir / "server.lock"
        self._recorded: list[list[int]] = []
        self._open: list[int] = []
        self.folder = Path()

    def __enter__(self) -> Self:
        self._take_lock()
        self._sweep()
        self.folder = make_folder()
        # A shared lock on the folder keeps systemd-tmpfiles, which removes old files from /tmp, away from it.
        descriptor = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._open.append(descriptor)
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        self._write([])
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Remove the folder and the record. Every process below this one must have ended."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self._record.unlink(missing_ok=True)
        self._close()

    def empty_folder(self) -> None:
        """Remove what is in the folder. Every process below this one must have ended."""
        for entry in self.folder.iterdir():
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry, ignore_errors=True)
            else:
                entry.unlink(missing_ok=True)

    def note_processes(self) -> None:
        """Record what runs below this process, except the youngest: most of those are runs, which end with the rest."""
        settled = time.time() - _SETTLED_S
        now = sorted(_entry(each) for each in descendants(psutil.Process()) if each.create_time() < settled)
        if now != self._recorded:
            self._write(now)

    def _take_lock(self) -> None:
        descriptor = os.open(self._lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        self._open.append(descriptor)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._close()
            if error.errno not in (errno.EAGAIN, errno.EACCES):
                raise
            raise LaunchError(
                f"another server runs on {self._lock_path.parent}{_owner(self._record)}; "
                "stop it, or set GRAPHSIDE_DATA to another directory"
            ) from None

    def _close(self) -> None:
        while self._open:
            os.close(self._open.pop())

    def _sweep(self) -> None:
        """End the processes that a killed predecessor of this boot left, and remove its folder."""
        try:
            record = json.loads(self._record.read_text())
            entries = [(int(pid), int(began)) for pid, began in record["processes"] if pid != os.getpid()]
            folder = Path(record["folder"])
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return
        if record.get("boot_id") == boot_id():
            left = [process for entry in entries if (process := find(*entry)) is not None]
            if stubborn := kill(left, SWEEP_S):
                pids = ", ".join(str(process.pid) for process in stubborn)
                self._close()
                raise LaunchError(f"a server that was killed left processes that cannot be ended: {pids}")
        if folder.name.startswith(PREFIX) and not folder.is_symlink():
            shutil.rmtree(folder, ignore_errors=True)
        self._record.unlink()

    def _write(self, processes: list[list[int]]) -> None:
        record = {
            "boot_id": boot_id(),
            "pid": os.getpid(),
            "folder": str(self.folder),
            "processes": [*processes, _entry(psutil.Process())],
        }
        with whole_file(self._record, 0o600) as file:
            file.write(json.dumps(record).encode())
        self._recorded = processes


def _entry(process: psutil.Process) -> list[int]:
    return [process.pid, started(process)]


def _owner(record: Path) -> str:
    try:
        return f" (pid {int(json.loads(record.read_text())['pid'])})"
    except (OSError, ValueError, KeyError, TypeError):
        return ""
