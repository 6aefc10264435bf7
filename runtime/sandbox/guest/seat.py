"""The seat: a walled process that has the dataset and runs one task. It runs another task only for the same user, and
only if the operator allows that (``TaskSpec.owner``).

A holder forks it; it puts up every wall, and only then reads the request. Its descriptors are fixed: 0 nothing, 1 and 2
pipes that the replica drains, 3 the result (a memfd of fixed size), 4 the channel.
"""

import contextlib
import errno
import io
import math
import mmap
import os
import resource
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, BinaryIO, Final, NoReturn, cast

from runtime.advice import advice_for, clear_sentence
from runtime.datasets.plottable import fresh_copy
from runtime.errors import ResultTooLarge, RuntimeFailure, TaskError, TaskMemoryExceeded, TaskScratchExceeded
from runtime.results.encoding import encode
from runtime.results.labels import drops_labels
from runtime.results.notes import LABELS_DROPPED
from runtime.sandbox.guest import confine, cpus, file_growth, surroundings
from runtime.sandbox.guest.between_runs import Beginning
from runtime.sandbox.protocol import recv_frame, send_frame
from runtime.sandbox.seat_messages import SeatAnswer, SeatRequest
from runtime.sandbox.walls import identity, namespaces
from runtime.sandbox.walls.enclosure import Enclosure
from runtime.source import load_task
from runtime.traceback import describe_exception

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

RESULT_FD: Final = 3
CHANNEL_FD: Final = 4
NICENESS: Final = 5
CPU_GRACE_S: Final = 2
_WINDOW_BYTES: Final = 4 * 1024 * 1024

# A task may change any module that it can import, so functions that must still work afterwards are bound here.
_exit = os._exit
_perf_counter = time.perf_counter


Explain = Callable[[BaseException], RuntimeFailure | None]
"""Returns the failure that tells the caller of a device's error; None if the error is no device's."""


def unexplained(_: BaseException) -> None:
    """Explain no error, because there is no device."""


def enter(
    fds: list[int],
    enclosure: Enclosure,
    *,
    parent_pid: int,
    uid: int | None,
    threads: int,
) -> None:
    """Put walls up around this newly forked process. ``fds`` become 0, 1, 2, 3, 4, then the scratch directory.

    It has inherited the limits of ``confine.raise_walls`` from its holder. ``uid``: the user to become, or None.
    """
    confine.die_with_parent(parent_pid)
    confine.take_fds(fds)
    confine.read_nothing()
    scratch_fd = len(fds) - 1
    os.nice(NICENESS)
    if uid is not None:
        confine.limit(resource.RLIMIT_NPROC, threads)  # the kernel counts them for that user, who has no other process
        identity.become(uid)
        confine.die_with_parent(parent_pid)  # again, because the kernel clears it when the user changes
    # Only now, because the directory belongs to that user and a holder may not enter it.
    os.chdir(namespaces.path_of(scratch_fd) if enclosure.walls.namespaces else scratch_fd)
    if uid is not None or enclosure.walls.landlock:  # otherwise other runs, of the same user, could read its memory
        confine.show_files()
    surroundings.prepare_seat(os.getcwd())
    enclosure.seat(scratch_fd)
    os.close(scratch_fd)


def serve(plottable: Callable[[], Any], mapped_bytes: int | None, explain: Explain = unexplained) -> NoReturn:
    """Serve requests until the replica ends this process or the channel.

    ``plottable``: returns the argument of the task. ``mapped_bytes``: address space that was mapped before the first
    request; None if address space is no measure of this process's memory. ``explain``: names errors of a device.
    """
    try:
        request = next_request()
        if request is not None and mapped_bytes is not None:
            confine.limit_memory(mapped_bytes, request["memory_bytes"])
        beginning = None
        while request is not None:
            apply_limits(request, again=request["keep"])
            if request["keep"] and beginning is None:
                beginning = Beginning()
            answer = answer_to(request, plottable, explain)
            if beginning is not None and answer["status"] == "ok":
                answer["reusable"] = beginning.restore()
            send_frame(CHANNEL_FD, answer)
            # The replica ends this process now, unless it keeps it for the next run of the same user.
            request = next_request()
    finally:
        _exit(0)


def next_request() -> SeatRequest | None:
    """Wait for the next request; None once the replica has closed the channel."""
    return cast(SeatRequest | None, recv_frame(CHANNEL_FD))  # the host is believed


def apply_limits(request: SeatRequest, *, again: bool) -> None:
    """Set the limits of one run. ``again``: this process may serve another one afterwards."""
    _limit_cpu(request["cpu_s"], again=again)
    file_growth.limit(request["scratch_bytes"])
    surroundings.allow_threads(request["threads"])
    cpus.use(request["cpus"])


def _limit_cpu(cpu_s: float, *, again: bool) -> None:
    """Set a limit slightly above the one that the replica enforces with a named failure."""
    most = math.ceil(cpu_s) + CPU_GRACE_S
    if again:  # only the soft limit, because that can be raised for the next run
        times = os.times()
        confine.limit(resource.RLIMIT_CPU, most + math.ceil(times.user + times.system), resource.RLIM_INFINITY)
    else:
        confine.limit(resource.RLIMIT_CPU, most)


def answer_to(request: SeatRequest, plottable: Callable[[], Any], explain: Explain = unexplained) -> SeatAnswer:
    """Run the task of a request, and write its result into the result's file."""
    task, token = request["task"], request["token"]
    started = _perf_counter()
    sink = _ResultFile(request["result_bytes"], request["scratch_bytes"])
    ended = started
    try:
        value = _run(task["source"], _own_copy(plottable) if request["keep"] else plottable)
        ended = _perf_counter()
        kind = encode(value, task["output_type"], task["format"], task["accepts_text"], cast(BinaryIO, sink))
        return {
            "token": token,
            "status": "ok",
            "kind": kind,
            "length": sink.tell(),
            "run_s": ended - started,
            "encode_s": _perf_counter() - ended,
            "labels_dropped": _say_if_labels_are_dropped(value),
        }
    except BaseException as error:
        confine.release_reserve()
        ended = ended if ended > started else _perf_counter()
        failure = explain(error) or _failure(error, sink, request)
        return {"token": token, "status": "failed", "failure": failure.to_wire(), "run_s": ended - started}
    finally:
        _flush()


def _say_if_labels_are_dropped(value: object) -> bool:
    """Return True, and say so on stderr, if the result had labels that its caller does not get."""
    try:
        dropped = drops_labels(value)
    except BaseException:  # the task's own classes
        return False
    if dropped:
        with contextlib.suppress(OSError):  # a task may have closed it
            os.write(2, f"graphside: {LABELS_DROPPED}\n".encode())
    return dropped


def _own_copy(plottable: Callable[[], Any]) -> Callable[[], Any]:
    """Copy the argument for each run, for a process that may run another task afterwards."""
    return lambda: fresh_copy(plottable())


def _run(source: str, plottable: Callable[[], Any]) -> Any:
    loaded = load_task(source)
    return loaded.task(plottable())


def _failure(error: BaseException, sink: "_ResultFile", request: SeatRequest) -> RuntimeFailure:
    """Return the failure that tells the caller of the exception that ended the run."""
    kind = type(error)  # isinstance() would ask the exception, whose class the task may have written
    if issubclass(kind, RuntimeFailure):
        return cast(RuntimeFailure, error)
    if sink.exceeded:
        return ResultTooLarge(
            f"the result is larger than its limit of {sink.limit} bytes",
            limit_name="result_bytes",
            limit=sink.limit,
            observed=sink.exceeded,
        )
    described = describe_exception(error)
    refused = issubclass(kind, OSError) and cast(OSError, error).errno == errno.ENOMEM  # as mmap reports it
    if refused or issubclass(kind, MemoryError):
        limit = request["memory_bytes"]
        return TaskMemoryExceeded(
            f"the task asked for more memory than its limit of {limit} bytes",
            limit_name="memory_bytes",
            limit=limit,
            **described,
        )
    if file_growth.was_refused(error):
        limit = request["scratch_bytes"]
        return TaskScratchExceeded(
            f"the task could not let a file grow past its limit of {limit} bytes",
            limit_name="scratch_bytes",
            limit=limit,
            **described,
        )
    name, text = described["exception_type"], clear_sentence(error) or described["exception_message"]
    advice = advice_for(error)
    message = f"{name}: {text}" if text else str(name)
    return TaskError(f"{message} ({advice})" if advice else message, **described)


class _ResultFile(io.FileIO):
    """The file of the result. It refuses to grow past the limit of the request; the memfd ends at the operator's."""

    def __init__(self, limit: int, writable: int) -> None:
        """``writable``: bytes that the limit of file sizes, which is for scratch, lets through."""
        super().__init__(RESULT_FD, "w", closefd=False)
        self.seek(0)
        self.limit = limit
        self.exceeded = 0
        self._writable = writable

    def write(self, data: "ReadableBuffer", /) -> int:
        size, at = memoryview(data).nbytes, self.tell()
        if at + size > self.limit:
            self.exceeded = at + size
            raise OSError(errno.EFBIG, os.strerror(errno.EFBIG))
        if at + size <= self._writable:
            return super().write(data)
        return self._copy(memoryview(data).cast("B")[:_WINDOW_BYTES], at)

    def _copy(self, data: memoryview, at: int) -> int:
        """Write through a mapping, which no limit of file sizes counts. The file has its full size already."""
        start = at - at % mmap.ALLOCATIONGRANULARITY
        with mmap.mmap(RESULT_FD, at - start + len(data), offset=start) as window:
            window[at - start :] = data
        self.seek(at + len(data))
        return len(data)


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(BaseException):  # a task may have replaced the stream by anything
            stream.flush()
