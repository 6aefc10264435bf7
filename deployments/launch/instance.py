"""One running server of one data directory: its lock, its private folder, and the record for whoever clears up."""

import errno
import fcntl
import json
import os
import shutil
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

from catalog.whole_file import whole_file
from deployments.launch.errors import LaunchError
from deployments.launch.processes import Process, age_s, boot_id, descendants, identify, kill

SWEEP_S = 5.0
_PREFIX = "graphside-"
_SETTLED_S = 3.0
# A socket's path ends at 107 bytes; HAProxy needs 76 of them below the folder (a node id, a name, a suffix), Ray fewer.
_LONGEST_FOLDER = 107 - 76


class Instance:
    """Use as a context manager: entering takes the lock, ends what a killed predecessor left, and makes ``folder``.

    ``folder``: mode 0700, outside the data directory because paths of sockets must be short; removed at the end. Raises
    ``LaunchError`` where another server uses the data directory.
    """

    def __init__(self, data_dir: Path) -> None:
        self._record = data_dir / "server.json"
        self._lock_path = data_dir / "server.lock"
        self._recorded: frozenset[Process] = frozenset()
        self._open: list[int] = []
        self.folder = Path()

    def __enter__(self) -> Self:
        self._take_lock()
        self._sweep()
        self.folder = _make_folder()
        # A shared lock on a folder tells systemd-tmpfiles, which empties /tmp of what is old, to leave it alone.
        descriptor = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._open.append(descriptor)
        fcntl.flock(descriptor, fcntl.LOCK_SH)
        self._write(frozenset())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Everything below this process must have ended."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self._record.unlink(missing_ok=True)
        self._close()

    def note_processes(self) -> None:
        """Records what now runs below this process. Processes of seconds (runs) are left out: they end with others."""
        now = frozenset(process for process in descendants(os.getpid()) if age_s(process) > _SETTLED_S)
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
                f"Another server runs on {self._lock_path.parent}{_owner(self._record)}. "
                "Stop it, or set GRAPHSIDE_DATA to another directory."
            ) from None

    def _close(self) -> None:
        while self._open:
            os.close(self._open.pop())

    def _sweep(self) -> None:
        """Ends the processes of a predecessor that was killed and removes its folder. Another boot left none."""
        try:
            record = json.loads(self._record.read_text())
            processes = [Process(int(pid), int(started)) for pid, started in record["processes"]]
            folder = Path(record["folder"])
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return
        if record.get("boot_id") == boot_id():
            stubborn = kill([process for process in processes if process.pid != os.getpid()], SWEEP_S)
            if stubborn:
                pids = ", ".join(str(process.pid) for process in stubborn)
                self._close()
                raise LaunchError(f"A server that was killed left processes that do not end: {pids}.")
        if folder.name.startswith(_PREFIX) and not folder.is_symlink():
            shutil.rmtree(folder, ignore_errors=True)
        self._record.unlink()

    def _write(self, processes: frozenset[Process]) -> None:
        own = identify(os.getpid())
        everybody = [*sorted(processes, key=lambda process: process.started), *([own] if own else [])]
        record = {
            "boot_id": boot_id(),
            "pid": os.getpid(),
            "folder": str(self.folder),
            "processes": [[process.pid, process.started] for process in everybody],
        }
        with whole_file(self._record, 0o600) as file:
            file.write(json.dumps(record).encode())
        self._recorded = processes


def _owner(record: Path) -> str:
    try:
        return f" (pid {int(json.loads(record.read_text())['pid'])})"
    except (OSError, ValueError, KeyError, TypeError):
        return ""


def _make_folder() -> Path:
    for parent in (tempfile.gettempdir(), "/tmp", "/var/tmp", "/dev/shm"):  # noqa: S108  (mkdtemp makes it private)
        if len(parent) + 1 + len(_PREFIX) + 8 <= _LONGEST_FOLDER and os.access(parent, os.W_OK | os.X_OK):
            return Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
    raise LaunchError("No folder with a short path to put sockets in: set TMPDIR to one, such as /tmp.")
