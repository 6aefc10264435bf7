"""What to do instead, for errors of a task: a sentence beside the raw error. Here: because of what tasks cannot do.

Everything about the exception may be hostile, as for ``traceback``: whatever fails here, there is no advice.
"""

import errno
import linecache
import os
import re
import socket
from collections.abc import Iterator
from itertools import islice
from typing import Final

from runtime.exception_slots import entries_of, slot
from runtime.mistakes import MOST_FRAMES, advice_on_mistake, no_library
from runtime.source import FILENAME
from runtime.task import GPU_ENGINE, send_with
from runtime.text import legal_text, type_name

NETWORK: Final = "tasks have no network: upload the data as a dataset first, or put it into the source"
PROCESSES: Final = "tasks start no processes: use threads, or numpy, pandas and Arrow on whole columns"
CLIENT: Final = "tasks have no network and no log-in: return the graph, and plot or upload it in the client"
FILES: Final = "tasks open no files of the server: they read and write only below their current directory"
INPUT: Final = "tasks have no input: put the values into the source"
PANDAS: Final = "the graph's tables are frames of pandas here, so use pandas, numpy or Arrow"
THREADS: Final = "a run has a limit of threads: use fewer, or ask for more with the option threads"

_SERVERS_OWN: Final = frozenset({"auth", "catalog", "deployments", "runtime", "ray"})
_OF_DEVICES: Final = frozenset({"cudf", "cupy", "cuml", "cugraph", "cuxfilter", "dask_cudf", "rmm"})
_CHAIN: Final = 20

_CONNECTIONS: Final = re.compile(r"(requests|urllib3|httpx|httpcore|aiohttp|urllib)\..*(Connect|Resolution|URLError)")
_NETWORK_FILES: Final = re.compile(r".*/(socket|ssl|asyncio/\w+|http/client|urllib3?/.*)\.py")
_PROCESS_FILES: Final = re.compile(r".*/(subprocess|pty|multiprocessing/.*|concurrent/futures/process|joblib/.*)\.py")
_PROCESS_CALLS: Final = re.compile(r"\b(fork|forkpty|posix_spawnp?|spawn[lv]\w*|exec[lv]\w*|popen|kill)\s*\(")
_NO_PACKAGE: Final = re.compile(r"^No module named .*; '(\w+)' is not a package$")
_HALTED: Final = re.compile(r"^import of ([\w.]+) halted; None in sys\.modules$")
_REFUSED: Final = (errno.EPERM, errno.EACCES, errno.ENOSYS)


def advice_for(exc: BaseException) -> str | None:
    """Return a sentence that says what to do instead; None if the error says enough."""
    try:
        return _advice(exc) or advice_on_mistake(exc) or next(filter(None, map(_advice, _chain(exc))), None)
    except BaseException:  # the task's own classes
        return None


def clear_sentence(exc: BaseException) -> str | None:
    """Return what an import error means whose own message speaks of how the import is prevented; else None."""
    try:
        if not issubclass(type(exc), ImportError):
            return None
        message = str(exc)
    except BaseException:
        return None
    found = _HALTED.match(message) or _NO_PACKAGE.match(message)
    if found is None:
        return None
    name = found[1].partition(".")[0]
    if name in _OF_DEVICES:
        return f"{name} needs a GPU, and this run has none; {send_with(GPU_ENGINE)}"
    return f"{name} belongs to the server, and a task cannot import it" if name in _SERVERS_OWN else None


def _chain(exc: BaseException) -> Iterator[BaseException]:
    """Yield the exception and those that led to it."""
    seen: set[int] = set()
    next_one: object = exc
    while isinstance(next_one, BaseException) and id(next_one) not in seen and len(seen) < _CHAIN:
        seen.add(id(next_one))
        yield next_one
        next_one = slot(next_one, "__cause__") or slot(next_one, "__context__")


def _advice(exc: BaseException) -> str | None:
    kind = type(exc)
    if issubclass(kind, socket.gaierror) or _CONNECTIONS.match(type_name(kind)):
        return NETWORK
    if kind is EOFError and str(exc) == "EOF when reading a line":
        return INPUT
    if kind is Exception and str(exc).startswith("Must call login"):
        return CLIENT
    if issubclass(kind, ModuleNotFoundError):
        name = exc.name  # type: ignore[attr-defined]
        if not isinstance(name, str) or clear_sentence(exc) is not None:
            return None
        name = legal_text(name.partition(".")[0])
        return f"{name} needs a GPU, and this run has none: {PANDAS}" if name in _OF_DEVICES else no_library(name)
    if kind is RuntimeError and str(exc) == "can't start new thread":
        return THREADS
    if issubclass(kind, OSError) and exc.errno in _REFUSED:  # type: ignore[attr-defined]
        return _of_refused_call(exc)
    return None


def _of_refused_call(exc: BaseException) -> str | None:
    """Return the advice for a call that the kernel refused, by the code that made it."""
    frames = list(_frames(exc))
    for path, line in reversed(frames):
        if _PROCESS_FILES.match(path):
            return PROCESSES
        if _NETWORK_FILES.match(path):
            return NETWORK
        if path == FILENAME:
            if _PROCESS_CALLS.search(linecache.getline(path, line)):
                return PROCESSES
            break
    name = exc.filename  # type: ignore[attr-defined]
    return FILES if isinstance(name, str) and os.path.isabs(name) else None


def _frames(exc: BaseException) -> Iterator[tuple[str, int]]:
    for entry in islice(entries_of(exc), MOST_FRAMES):
        yield entry.tb_frame.f_code.co_filename, entry.tb_lineno or 0
