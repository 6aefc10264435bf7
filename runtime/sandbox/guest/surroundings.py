"""Prepares what a task finds in its process besides the dataset: streams, modules, random states, an environment.

Most of it is the same for every run, so the holder makes it once and seats inherit it. A seat copies each page that it
writes, so it writes as little as possible.
"""

import _thread
import os
import random
import sys
import threading
import types
from collections.abc import Callable
from typing import IO, Any, Final

import numpy as np

from runtime.sandbox.guest import file_growth

OWN_PACKAGES: Final = frozenset({"auth", "catalog", "deployments", "runtime"})

_most_threads = 1
_own_modules: list[str] = []


def remember_own_modules() -> None:
    """Note which modules are the server's own: a task may not import them, and may bring others of the same names.

    Called once, in the template. If a holder looked through all of ``sys.modules``, it would write a reference count on
    every name in it, and so copy 800 pages.
    """
    _own_modules.extend(name for name in sys.modules if name.partition(".")[0] in OWN_PACKAGES)


def prepare_holder() -> None:
    """Set up, once, what all seats of a holder share. The server's own modules cannot be imported any more."""
    sys.stdin = open(0, encoding="utf-8", closefd=False)
    for name, fd in (("stdout", 1), ("stderr", 2)):
        stream = _stream(fd)
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
    for name in _own_modules:
        sys.modules.pop(name, None)
    # None makes an import of the name fail at once, whatever is on the path.
    sys.modules.update(dict.fromkeys(OWN_PACKAGES))  # type: ignore[arg-type]
    sys.modules["__main__"] = types.ModuleType("__main__")  # instead of the template's
    _bound_threads()
    file_growth.watch()


def prepare_seat(scratch: str) -> None:
    """Point the environment of a seat to its own scratch directory."""
    os.environ["HOME"] = scratch  # not update(), which tries every kind of mapping
    os.environ["TMPDIR"] = scratch


def reseed() -> None:
    """Reseed the random generators. A holder does it before each fork, so that numbers differ from run to run."""
    random.seed()
    np.random.seed(int.from_bytes(os.urandom(4), "big"))


def allow_threads(most: int) -> None:
    """Set how many threads the run of this process may have."""
    global _most_threads
    _most_threads = most


def _bound_threads() -> None:
    """Refuse threads past ``_most_threads``, as Python does when a system has no more.

    This is a courtesy. The replica's watchdog ends a task that goes around it. The kernel's own limit counts for the
    user, so it applies only to seats that run as users of their own.
    """

    def bounded(start: Callable[..., Any]) -> Callable[..., Any]:
        def start_thread(*arguments: Any, **keywords: Any) -> Any:
            if _thread._count() + 1 >= _most_threads:  # _count() leaves out the first thread
                raise RuntimeError("can't start new thread")
            return start(*arguments, **keywords)

        return start_thread

    for name in ("start_new_thread", "start_new", "start_joinable_thread"):  # the last from Python 3.13 on
        for module, attribute in ((_thread, name), (threading, f"_{name}")):
            if hasattr(module, attribute):
                setattr(module, attribute, bounded(getattr(module, attribute)))


def _stream(fd: int) -> IO[str]:
    # Line by line, so that a run that is killed still shows what it printed.
    return open(fd, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)
