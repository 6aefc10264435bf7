"""The memory that this process may count on."""

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import psutil

_CGROUP_LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))


def memory_bytes(limit_files: Iterable[Path] = _CGROUP_LIMITS) -> int:
    """Return the machine's memory, or the container's limit if it is lower (``psutil`` knows only the machine's)."""
    least = int(psutil.virtual_memory().total)
    for path in limit_files:
        with suppress(OSError, ValueError):  # "max" is not a number, and other systems have no such file
            least = min(least, int(path.read_text()))
    return least
