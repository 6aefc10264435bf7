"""The holder: a process that has the frames and the Plottable of one dataset, and forks a seat for each run.

Its seats can read everything that it has, so it has one dataset and nothing else. It runs no task, sets no deadline and
reads no request. It forks, reaps, and reports to the replica how each seat ended.
"""

import gc
import logging
import os
import resource
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, NoReturn

import orjson
import pyarrow as pa

from runtime.datasets.frames import map_frame
from runtime.datasets.plottable import build_plottable
from runtime.errors import DatasetTooLarge, DatasetUnreadable, RuntimeFailure
from runtime.sandbox.guest import confine, heap, seat, surroundings
from runtime.sandbox.guest.fork_without_hooks import fork_without_hooks
from runtime.sandbox.guest.forker import Forker
from runtime.sandbox.guest.merge_mappings import Merge, merge
from runtime.sandbox.guest.rewind import keeper
from runtime.sandbox.protocol import Message, send_packet
from runtime.sandbox.walls.enclosure import Enclosure

log = logging.getLogger("graphside.sandbox")

CONTROL_FD: Final = 3
PAYLOAD_FD: Final = 4
FIRST_TABLE_FD: Final = 5


def main(fds: list[int], message: Message, enclosure: Enclosure, merges: list[Merge], *, parent_pid: int) -> NoReturn:
    """Be a holder: put walls up, load the dataset, report that, and serve until the control channel ends.

    ``fds`` become 0 (nothing), 1 and 2 (the template's log), 3 (control), 4 (the dataset's description, JSON), then
    one descriptor for each table in the order of ``message["roles"]``, then the directory of scratch directories.
    """
    confine.die_with_parent(parent_pid)  # until it serves its control channel, whose end tells it to end
    confine.take_fds(fds)
    confine.adopt_orphans()
    limits = message["limits"]
    confine.raise_walls(open_files=limits["open_files"], file_bytes=limits["file_bytes"])
    control = socket.socket(fileno=CONTROL_FD)
    started = time.perf_counter()
    own = _OwnFiles()
    enclosure.holder(scratch_root=len(fds) - 1)
    os.close(len(fds) - 1)
    before = own.anonymous_bytes()
    most = int(message["memory_bytes"])
    try:
        with _at_most(most, own.space):
            plottable = _load(message["roles"])
    except Exception as error:  # a boundary: the replica reports whatever went wrong
        send_packet(control, {"event": "failed", "failure": _failure(error, most).to_wire()})
        os._exit(1)
    surroundings.prepare_holder()
    gc.collect()
    gc.freeze()  # a collection in a seat would otherwise copy every page that holds an object (90 ms, 30 MB)
    heap.close_gaps()
    merge(merges)
    confine.outlive_parent()
    grown = max(0, own.anonymous_bytes() - before)
    send_packet(control, {"event": "ready", "anonymous_bytes": grown, "load_s": time.perf_counter() - started})
    _forker(control, plottable, limits["threads"], own, enclosure).serve()


def _load(roles: list[str]) -> Any:
    with open(PAYLOAD_FD, "rb") as payload_file:
        payload = orjson.loads(payload_file.read())
    frames = {role: map_frame(FIRST_TABLE_FD + index) for index, role in enumerate(roles)}
    return build_plottable(frames.get("edges"), frames.get("nodes"), payload)


@contextmanager
def _at_most(most_bytes: int, space: confine.AddressSpace) -> Iterator[None]:
    """Limit further allocations to so many bytes, because a small file can become large in memory."""
    pool = pa.default_memory_pool()
    pa.set_memory_pool(pa.system_memory_pool())  # Arrow's own pool reserves a GiB at once, which would defeat the limit
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    confine.limit(resource.RLIMIT_AS, space.mapped_bytes() + most_bytes, hard)
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (hard, hard))  # seats set their own
        pa.set_memory_pool(pool)


def _failure(error: Exception, most_bytes: int) -> RuntimeFailure:
    if isinstance(error, RuntimeFailure):
        return error
    if isinstance(error, MemoryError):
        return DatasetTooLarge(
            f"the dataset needs more memory than this server's dataset cache of {most_bytes} bytes; columns of lists, "
            "objects, dates or missing values take more space in memory than in a file",
            limit_name="cache_bytes",
            limit=most_bytes,
        )
    return DatasetUnreadable.by_loading(error)


class _OwnFiles:
    """The files in ``/proc`` by which a holder measures itself. It opens them before its walls forbid that."""

    def __init__(self) -> None:
        self.threads = confine.Threads()
        self.space = confine.AddressSpace()
        self.out_of_memory = confine.OutOfMemory()
        self.out_of_memory.after_runs()
        self._status = os.open("/proc/self/status", os.O_RDONLY | os.O_CLOEXEC)

    def anonymous_bytes(self) -> int:
        """Return the anonymous resident memory of this process."""
        for line in os.pread(self._status, 4096, 0).splitlines():
            if line.startswith(b"RssAnon:"):
                return int(line.split()[1]) * 1024
        return 0


def _forker(control: socket.socket, plottable: Any, threads: int, own: _OwnFiles, enclosure: Enclosure) -> Forker:
    mapped_bytes = own.space.mapped_bytes()

    def be_seat(message: Message, fds: list[int], parent_pid: int) -> NoReturn:
        if message.get("kind") == "keeper":
            keeper.main(
                [0, 1, 2, *fds], enclosure, lambda: plottable,
                parent_pid=parent_pid, uid=message.get("uid"), threads=threads,
            )  # fmt: skip
        try:
            seat.enter([0, *fds], enclosure, parent_pid=parent_pid, uid=message.get("uid"), threads=threads)
        except Exception as error:  # no stack: stderr may be the caller's by now, who must not learn our paths
            log.error("seat.failed %s: %s", type(error).__name__, getattr(error, "strerror", None))
            os._exit(70)
        seat.serve(lambda: plottable, mapped_bytes)

    def fork() -> int:
        surroundings.reseed()
        own.out_of_memory.first()  # inherited by the child

        pid = fork_without_hooks()
        if pid:
            own.out_of_memory.after_runs()
        return pid

    # A keeper that is killed leaves its seat and its witness to this process.
    orphans = not enclosure.walls.seccomp or bool(enclosure.walls.rewind)
    return Forker(control, be_seat, own.threads, orphans, fork, enclosure.watches)
