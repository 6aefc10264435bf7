"""The folders of uploads and runs in the data directory, for every kind of store. Both are emptied at start.

``incoming/`` has bytes that are being uploaded or written, ``scratch/`` the working directories of runs. Ingress and
runner may be on different nodes and share these folders.
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
        """Create the folders (0700) and remove what an earlier server left in them.

        Only one process may call this, at server start: it would delete running uploads.
        """
        self._root.mkdir(parents=True, exist_ok=True)
        for directory in (self._root, self._incoming, self._scratch):
            make_private(directory)
        _empty(self._incoming)
        _empty(self._scratch)

    def incoming(self) -> Path:
        """Return a new, unique path in ``incoming/``; nothing exists there yet."""
        return self._incoming / uuid.uuid4().hex

    def forget_incoming(self, older_than_s: float) -> int:
        """Remove files that were not written to for so long, because their upload is dead; return their number."""
        last = time.time() - older_than_s
        count = 0
        with os.scandir(self._incoming) as entries:
            for entry in entries:
                try:
                    if entry.stat(follow_symlinks=False).st_mtime < last:
                        os.unlink(entry.path)
                        count += 1
                except FileNotFoundError:  # its upload has just ended, or another replica removed it
                    continue
        return count


def make_private(directory: Path) -> None:
    """Create the directory with mode 0700. Its parent exists."""
    directory.mkdir(exist_ok=True)
    directory.chmod(0o700)


def _empty(directory: Path) -> None:
    """Remove everything in ``directory`` without following links: runs may leave links and locked directories."""
    with os.scandir(directory) as entries:
        for entry in entries:
            if not entry.is_dir(follow_symlinks=False):
                os.unlink(entry.path)
                continue
            _unlock(Path(entry.path))
            shutil.rmtree(entry.path)


def _unlock(directory: Path) -> None:
    """Make every directory of a tree removable by its owner. No process uses the tree any more."""
    directory.chmod(0o700)
    with os.scandir(directory) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                _unlock(Path(entry.path))
