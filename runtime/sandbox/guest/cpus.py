"""Sets with how many threads the libraries of a run compute.

The template has one thread, so it loads numpy and Arrow with one. A run that asks for more processors raises the number
in its own process: for libraries that are loaded by a call, for others by the environment.
"""

import ctypes
import os
import re
from collections.abc import Callable

import pyarrow as pa

from runtime.sandbox.thread_variables import THREAD_VARIABLES

_OPENBLAS = re.compile(r"\S*openblas\S*\.so\S*$")
_SETTERS = tuple(
    f"{prefix}openblas_set_num_threads{suffix}" for prefix in ("", "scipy_") for suffix in ("", "64_", "_64")
)

_loaded: list[Callable[[int], object]] = []
_count = 1


def remember_libraries() -> None:
    """Find the libraries for linear algebra that are loaded. Called once, in the template."""
    with open("/proc/self/maps", encoding="utf-8", errors="replace") as maps:
        paths = {found.group() for line in maps if (found := _OPENBLAS.search(line.rstrip()))}
    for path in sorted(paths):
        library = ctypes.CDLL(path)
        for name in _SETTERS:
            if hasattr(library, name):
                _loaded.append(getattr(library, name))


def use(count: int) -> None:
    """Have libraries compute with so many threads from now on."""
    global _count
    if count == _count:
        return
    _count = count
    for name in THREAD_VARIABLES:
        os.environ[name] = str(count)
    pa.set_cpu_count(count)
    for set_threads in _loaded:
        set_threads(count)
