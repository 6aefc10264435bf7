"""Make a server's private folder, which holds sockets and HAProxy's wrapper.

So its path must be short, and its file system must allow programs.
"""

import os
import tempfile
from pathlib import Path
from typing import Final

from deployments.launch.errors import LaunchError

PREFIX: Final = "graphside-"
# The path of a socket has at most 107 bytes; HAProxy needs 76 of them below the folder (node id, name, suffix).
_LONGEST_PARENT: Final = 107 - 76 - len(PREFIX) - 9  # mkdtemp adds 8 characters
_PARENTS: Final = ("/tmp", "/var/tmp", "/dev/shm")  # noqa: S108  (mkdtemp makes the folder private)


def make_folder() -> Path:
    """Make an empty folder, mode 0700, where ``folder_parent`` says. Raises ``LaunchError``."""
    return Path(tempfile.mkdtemp(prefix=PREFIX, dir=folder_parent()))


def folder_parent() -> Path:
    """Return the directory for private folders: the temporary directory if it suits. Raises ``LaunchError``."""
    candidates = (tempfile.gettempdir(), *_PARENTS)
    for parent in candidates:
        if len(parent) <= _LONGEST_PARENT and os.access(parent, os.W_OK | os.X_OK) and runs_programs(parent):
            return Path(parent)
    raise LaunchError(
        f"no private folder can be made in {', '.join(dict.fromkeys(candidates))}: its path must be short enough for "
        "sockets, and its file system must allow programs (no noexec); set TMPDIR to such a directory, of at most "
        f"{_LONGEST_PARENT} characters"
    )


def runs_programs(folder: str | Path) -> bool:
    """Return whether programs in this folder may be started: its file system is not mounted with ``noexec``."""
    return not os.statvfs(folder).f_flag & os.ST_NOEXEC
