"""What a task finds inside its process besides the dataset: streams, modules, random states, an environment.

Most of it is the same for every run, and made once, by the holder; each seat is forked with it. What a seat writes, it
copies first, a page at a time, so what need not be written there is not.
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

OWN_PACKAGES: Final = frozenset({"auth", "catalog", "deployments", "runtime"})

most_threads: Final = [1]
"""How many threads the run of this process may have. A seat sets it."""

_own_modules: list[str] = []


def remember_own_modules() -> None:
    """Note which modules are the server's own: a task may not import them, and may bring others of the same names.

    Called once, in the template. A holder that looked through all of ``sys.modules`` would write a reference count on
    every name in it, and so copy 800 pages.
    """
    _own_modules.extend(name for name in sys.modules if name.partition(".")[0] in OWN_PACKAGES)


def prepare_holder() -> None:
    """Once, in a holder: what all its seats have. Nothing of the server's own can be imported any more."""
    sys.stdin = open(0, encoding="utf-8", closefd=False)
    for name, fd in (("stdout", 1), ("stderr", 2)):
        stream = _stream(fd)
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
    for name in _own_modules:
        sys.modules.pop(name, None)
    # None makes an import of the name fail at once, whatever is on the path.
    sys.modules.update(dict.fromkeys(OWN_PACKAGES))  # type: ignore[arg-type]
    sys.modules["__main__"] = types.ModuleType("__main__")  # it would be the template
    _bound_threads()


def _bound_threads() -> None:
    """Refuse threads past ``most_threads`` the way Python does where a system has no more.

    A courtesy: a task that goes around it is ended by the replica's watch. The kernel's own limit is per user, and
    counts for seats that have one to themselves.
    """

    def bounded(start: Callable[..., Any]) -> Callable[..., Any]:
        def start_thread(*arguments: Any, **keywords: Any) -> Any:
            if _thread._count() + 1 >= most_threads[0]:  # which does not count the first thread
                raise RuntimeError("can't start new thread")
            return start(*arguments, **keywords)

        return start_thread

    for name in ("start_new_thread", "start_new", "start_joinable_thread"):  # the last from Python 3.13 on
        for module, attribute in ((_thread, name), (threading, f"_{name}")):
            if hasattr(module, attribute):
                setattr(module, attribute, bounded(getattr(module, attribute)))


def reseed() -> None:
    """In a holder, before each fork: random numbers differ from run to run."""
    random.seed()
    np.random.seed(int.from_bytes(os.urandom(4), "big"))


def prepare_seat(scratch: str) -> None:
    """In a seat: what leads to its own scratch directory."""
    os.environ["HOME"] = scratch  # not update(), which goes through every kind of mapping that there is
    os.environ["TMPDIR"] = scratch


def _stream(fd: int) -> IO[str]:
    # Line by line, so that a run that is killed still shows what it printed.
    return open(fd, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)
