"""The folders of uploads and runs under the data directory, whatever the store of tables is.

``incoming/`` (bytes being uploaded or written, emptied at start), ``scratch/`` (working directories of runs, emptied at
start). Ingress and runner may sit on different nodes and share them.
"""

import os
import shutil
import time
import uuid
from pathlib import Path


class Folders:
    """``incoming`` and ``scratch`` in one data directory."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._incoming = root / "incoming"
        self._scratch = root / "scratch"

    def prepare(self) -> None:
        """Makes them (0700) and removes what an earlier server left there.

        For one process at server start: whoever calls it while uploads run deletes them.
        """
        self._root.mkdir(parents=True, exist_ok=True)
        for directory in (self._root, self._incoming, self._scratch):
            make_private(directory)
        _empty(self._incoming)
        _empty(self._scratch)

    def incoming(self) -> Path:
        """A path in ``incoming/`` that nobody else has. Nothing exists there yet."""
        return self._incoming / uuid.uuid4().hex

    def forget_incoming(self, older_than_s: float) -> int:
        """Removes what nobody has written to for so long: its upload is dead. How many files that were."""
        last = time.time() - older_than_s
        count = 0
        with os.scandir(self._incoming) as entries:
            for entry in entries:
                try:
                    if entry.stat(follow_symlinks=False).st_mtime < last:
                        os.unlink(entry.path)
                        count += 1
                except FileNotFoundError:  # its upload has just ended, or another replica was here first
                    continue
        return count


def make_private(directory: Path) -> None:
    """The directory, mode 0700. Its parent exists."""
    directory.mkdir(exist_ok=True)
    directory.chmod(0o700)


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
