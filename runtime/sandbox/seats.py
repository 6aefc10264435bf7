"""The replica's side of a seat: makes its descriptors and scratch directory, delivers the task, ends it, collects."""

import asyncio
import fcntl
import logging
import math
import mmap
import os
import signal
import socket
import time
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from typing import Any, Final

from runtime.errors import (
    InvalidSource,
    Overloaded,
    ResultTooLarge,
    RunFailed,
    RunInterrupted,
    RuntimeFailure,
    TaskCancelled,
    TaskCrashed,
    TaskMemoryExceeded,
    TaskScratchExceeded,
    TaskTimeout,
)
from runtime.sandbox.children import Child, ForkerClient
from runtime.sandbox.output import OutputPipe
from runtime.sandbox.protocol import FrameBuffer, Message, ProtocolError, encode_frame
from runtime.sandbox.scratch import DEEPEST, ScratchRoot, remove, scratch_use
from runtime.sandbox.unlinked import TooManyMappings, unlinked_bytes
from runtime.sandbox.watch import Gauge
from runtime.task import TaskSpec

log = logging.getLogger("graphside.sandbox")

WATCH_INTERVAL_S: Final = 0.02
SLOW_INTERVAL_S: Final = 0.1
COPY_BYTES: Final = 1024 * 1024
"""Results up to this size are copied while the seat may still live; larger ones are mapped once it is dead."""

DEEPEST_FIELDS: Final = 8
"""Of what a failure tells: a list of frames, each an object, is 3."""

_SEALS: Final = fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL
_TELLABLE: Final = (RunFailed, InvalidSource)
"""The failures that a seat may report of itself; the others are the replica's to say."""

_KINDS: Final = frozenset({"json", "text", "csv", "parquet", "zip"})


@dataclass(slots=True)
class RunOutcome:
    """How a run ended. Exactly one of ``failure`` and ``kind`` is set; times are seconds, sizes bytes."""

    failure: RuntimeFailure | None = None
    kind: str | None = None
    result: bytes | mmap.mmap = b""
    length: int = 0
    stdout: str = ""
    stderr: str = ""
    stdout_truncated: bool = False
    stderr_truncated: bool = False
    run_s: float = 0.0
    encode_s: float = 0.0
    peak_memory_bytes: int = 0

    @property
    def cause(self) -> str:
        """One word for logs and metrics: ``ok``, or the failure's type."""
        return self.failure.type if self.failure else "ok"


class SeatProcess:
    """A seat that waits for its one task. Make it with ``open_seat``."""

    def __init__(self, root: ScratchRoot, uid: int | None, output_bytes: int, result_bytes: int) -> None:
        self._uid = uid
        with ExitStack() as undo:  # where the machine is out of descriptors or disk, none of what it had goes astray
            self._scratch = root.make(uid)
            undo.callback(remove, self._scratch)
            self._channel, self._far_channel = socket.socketpair()
            undo.callback(self._channel.close)
            undo.callback(self._far_channel.close)
            self._channel.setblocking(False)
            self._stdout = OutputPipe(output_bytes)
            undo.callback(self._stdout.finish)
            self._stderr = OutputPipe(output_bytes)
            undo.callback(self._stderr.finish)
            self._result_fd = os.memfd_create("result", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
            undo.callback(os.close, self._result_fd)
            os.ftruncate(self._result_fd, result_bytes)
            fcntl.fcntl(self._result_fd, fcntl.F_ADD_SEALS, _SEALS)
            undo.pop_all()
        self._child: Child | None = None
        self._gauge: Gauge | None = None
        self._ended_by: RuntimeFailure | None = None
        self._seen_scratch_bytes = 0
        self._beheaded = False
        self._closed = False

    async def open(self, holder: ForkerClient) -> None:
        """Fork it. Raises ``RunInterrupted`` where the holder is gone."""
        scratch_fd = os.open(self._scratch, os.O_DIRECTORY | os.O_RDONLY | os.O_CLOEXEC)
        try:
            fds = (
                self._stdout.write_fd,
                self._stderr.write_fd,
                self._result_fd,
                self._far_channel.fileno(),
                scratch_fd,
            )
            self._child = await holder.fork({"uid": self._uid}, fds)
        finally:
            os.close(scratch_fd)
            self._far_channel.close()
            self._stdout.close_write()
            self._stderr.close_write()
        with suppress(FileNotFoundError, ProcessLookupError):
            self._gauge = Gauge(self._child.pid)

    @property
    def alive(self) -> bool:
        """Whether it can still take a task."""
        return self._child is not None and not self._child.dead and not self._closed

    async def run(self, spec: TaskSpec) -> RunOutcome:
        """Run the task to its end, whatever that is. Cancelling this kills the run."""
        child = self._child
        assert child is not None, "open() first"
        started = time.monotonic()
        loop = asyncio.get_running_loop()
        watches = [
            loop.call_later(spec.limits.timeout_s, self._on_deadline, spec, started),
            loop.call_later(WATCH_INTERVAL_S, self._watch_process, spec),
            loop.call_later(SLOW_INTERVAL_S, self._watch_slowly, spec),
        ]
        self._watches: list[asyncio.TimerHandle] = watches
        self._stdout.start()
        self._stderr.start()
        try:
            answer = await self._exchange(child, encode_frame(_request(spec)))
            if self._gauge is not None:
                self._gauge.used_bytes()  # what a short run used, which no watch has seen
        finally:
            for watch in self._watches:
                watch.cancel()
            child.kill()
        outcome = await self._outcome(child, spec, answer)
        outcome.peak_memory_bytes = self._gauge.peak_bytes if self._gauge else 0
        if not outcome.run_s:
            outcome.run_s = time.monotonic() - started
        return outcome

    def cancel(self) -> None:
        """End its run as ``TaskCancelled``."""
        self._end(TaskCancelled("the run was cancelled"))

    async def close(self) -> None:
        """Kill it if it lives, then take away its scratch directory and descriptors."""
        if self._closed:
            return
        self._closed = True
        self._channel.close()
        self._far_channel.close()
        if self._child is not None:
            self._child.kill()
            await self._child.wait_dead()
        self._stdout.finish()
        self._stderr.finish()
        os.close(self._result_fd)
        if self._gauge is not None:
            self._gauge.close()
        try:
            os.rmdir(self._scratch)
        except OSError:
            await asyncio.to_thread(remove, self._scratch)

    async def _exchange(self, child: Child, request: bytes) -> Message | None:
        """Send the request, wait for the answer; None where the seat ended without one."""
        loop = asyncio.get_running_loop()
        answered: asyncio.Future[Message | None] = loop.create_future()
        frames = FrameBuffer()

        def settle(message: Message | None) -> None:
            if not answered.done():
                answered.set_result(message)

        def on_readable() -> None:
            try:
                data = self._channel.recv(256 * 1024)
                message = frames.feed(data) if data else None
            except BlockingIOError:
                return
            except (OSError, ProtocolError):
                return settle(None)
            if message is not None or not data:
                settle(message)

        def on_death() -> None:
            on_readable()  # what it said before it died
            settle(None)

        child.on_death(on_death)
        try:
            await loop.sock_sendall(self._channel, request)
        except OSError:
            return None
        loop.add_reader(self._channel, on_readable)
        try:
            return await answered
        finally:
            loop.remove_reader(self._channel)

    async def _outcome(self, child: Child, spec: TaskSpec, answer: Message | None) -> RunOutcome:
        failure = self._ended_by
        if failure is None and answer is not None:
            try:
                outcome = await self._read_answer(child, spec, answer)
                self._add_output(outcome)
                return outcome
            except (KeyError, TypeError, ValueError, ProtocolError):
                failure = TaskCrashed("the task's process gave an answer that is not one")
        if failure is None:
            failure = _crash(await child.exit_code(), beheaded=self._beheaded)
        outcome = RunOutcome(failure=failure)
        self._add_output(outcome)
        return outcome

    async def _read_answer(self, child: Child, spec: TaskSpec, answer: Message) -> RunOutcome:
        """Take a seat's answer at its word only where a lie would hurt nobody but the caller."""
        run_s = _seconds(answer["run_s"], spec)
        if answer["status"] != "ok":
            failure = RuntimeFailure.from_wire(_told(answer["failure"]))
            if not isinstance(failure, _TELLABLE):
                raise ProtocolError("not a failure of a task")
            return RunOutcome(failure=failure, run_s=run_s)
        kind, length = answer["kind"], answer["length"]
        if kind not in _KINDS or type(length) is not int or length < 0:
            raise ProtocolError("not an answer")
        if length > spec.limits.result_bytes:
            limit = spec.limits.result_bytes
            text = f"the result is larger than its limit of {limit} bytes"
            return RunOutcome(failure=ResultTooLarge(text, limit_name="result_bytes", limit=limit, observed=length))
        encode_s = _seconds(answer["encode_s"], spec)
        result = await self._read_result(child, length)
        return RunOutcome(kind=kind, result=result, length=length, run_s=run_s, encode_s=encode_s)

    async def _read_result(self, child: Child, length: int) -> bytes | mmap.mmap:
        if length <= COPY_BYTES:
            return os.pread(self._result_fd, length, 0)
        await child.wait_dead()  # until then the content can change under a reader
        return mmap.mmap(self._result_fd, length, prot=mmap.PROT_READ)

    def _add_output(self, outcome: RunOutcome) -> None:
        for pipe in (self._stdout, self._stderr):
            pipe.finish()
        outcome.stdout, outcome.stdout_truncated = self._stdout.text(), self._stdout.truncated
        outcome.stderr, outcome.stderr_truncated = self._stderr.text(), self._stderr.truncated

    def _end(self, failure: RunFailed) -> None:
        if self._ended_by is None:
            self._ended_by = failure
        if self._child is not None:
            self._child.kill()

    def _on_deadline(self, spec: TaskSpec, started: float) -> None:
        limit = spec.limits.timeout_s
        observed = max(limit, round(time.monotonic() - started, 3))  # a timer may fire a clock tick early
        text = f"the task did not end within its limit of {limit:g} s"
        self._end(TaskTimeout(text, limit_name="timeout_s", limit=limit, observed=observed))

    def _watch_process(self, spec: TaskSpec) -> None:
        limit = spec.limits.memory_bytes
        if self._gauge is None:
            return
        used = self._gauge.used_bytes()
        if used > limit:
            text = f"the task used {used} bytes of memory, more than its limit of {limit} bytes"
            return self._end(TaskMemoryExceeded(text, limit_name="memory_bytes", limit=limit, observed=used))
        if self._gauge.headless and self._child is not None and not self._child.dead:
            self._beheaded = True
            return self._child.kill()  # no more than that: where it is about to end by itself, its answer counts
        threads, most = self._gauge.threads, spec.limits.threads
        if threads > most:
            text = f"the task started {threads} threads, more than its limit of {most}"
            return self._end(TaskCrashed(text, limit_name="threads", limit=most, observed=threads))
        self._again(1, WATCH_INTERVAL_S, self._watch_process, spec)

    def _watch_slowly(self, spec: TaskSpec) -> None:
        limits = spec.limits
        began = time.monotonic()
        use = scratch_use(self._scratch, limits.scratch_files)
        try:
            deleted = unlinked_bytes(self._child.pid, self._uid, self._scratch) if self._child is not None else 0
        except TooManyMappings:
            return self._end(TaskCrashed("the task mapped more files than can be watched"))
        for name, limit, observed in (
            ("scratch_bytes", limits.scratch_bytes, use.byte_count + deleted),
            ("scratch_files", limits.scratch_files, use.file_count),
            ("scratch_depth", DEEPEST, use.depth),
        ):
            if observed > limit:
                text = f"the task's scratch directory holds {observed}, more than its limit {name} of {limit}"
                return self._end(TaskScratchExceeded(text, limit_name=name, limit=limit, observed=observed))
        if self._gauge is not None and (used_s := self._gauge.cpu_s()) > limits.cpu_s:
            text = f"the task used {used_s:g} s of CPU, more than its limit of {limits.cpu_s:g} s"
            return self._end(TaskTimeout(text, limit_name="cpu_s", limit=limits.cpu_s, observed=used_s))
        # While it writes, it is looked at as often as its memory.
        grows = use.byte_count + deleted > self._seen_scratch_bytes
        self._seen_scratch_bytes = use.byte_count + deleted
        # What a look costs is everybody's time: a task that makes it long is looked at less often.
        pause_s = max(WATCH_INTERVAL_S if grows else SLOW_INTERVAL_S, 10 * (time.monotonic() - began))
        self._again(2, pause_s, self._watch_slowly, spec)

    def _again(self, index: int, delay_s: float, callback: Any, spec: TaskSpec) -> None:
        self._watches[index] = asyncio.get_running_loop().call_later(delay_s, callback, spec)


async def open_seat(
    holder: ForkerClient, root: ScratchRoot, uid: int | None, output_bytes: int, result_bytes: int
) -> SeatProcess:
    """A seat forked from ``holder``, walled and waiting, as user ``uid`` where that is a number.

    ``result_bytes`` is the size of its result file. Raises ``RunInterrupted``, ``Overloaded``.
    """
    try:
        seat = SeatProcess(root, uid, output_bytes, result_bytes)
    except OSError as error:
        log.error("seat.not_made errno=%s %s", error.errno, error.strerror)
        raise Overloaded("this server cannot start another run just now; try again", retry_after_s=1) from error
    try:
        await seat.open(holder)
    except BaseException:
        await asyncio.shield(seat.close())
        raise
    return seat


def _seconds(told: Any, spec: TaskSpec) -> float:
    """A time that a seat tells, within reason. Raises ``ProtocolError``."""
    if type(told) not in (int, float) or not math.isfinite(told):
        raise ProtocolError("not a time")
    return min(max(float(told), 0.0), spec.limits.timeout_s + 1)


def _told(failure: Any) -> Message:
    """A failure as a seat tells it: of the shape that all have, and flat enough to be passed on.

    Raises ``ProtocolError``.
    """
    if type(failure) is not dict or type(failure.get("message")) is not str or type(failure.get("type")) is not str:
        raise ProtocolError("not a failure")
    if type(failure.get("fields")) is not dict or _depth(failure["fields"]) > DEEPEST_FIELDS:
        raise ProtocolError("not the fields of a failure")
    return failure


def _depth(value: Any) -> int:
    """How deeply lists and objects are nested; looks no deeper than it has to."""
    depth, level = 0, [value]
    while level and depth <= DEEPEST_FIELDS:
        level = [
            inner
            for one in level
            if isinstance(one, dict | list)
            for inner in (one.values() if isinstance(one, dict) else one)
        ]
        depth += 1
    return depth


def _request(spec: TaskSpec) -> Message:
    return {
        "source": spec.source,
        "output_type": spec.output_type,
        "format": spec.format,
        "accepts_text": spec.accepts_text,
        "cpu_s": spec.limits.cpu_s,
        "memory_bytes": spec.limits.memory_bytes,
        "result_bytes": spec.limits.result_bytes,
        "threads": spec.limits.threads,
    }


def _crash(code: int | None, *, beheaded: bool) -> RuntimeFailure:
    """Name the end of a process that gave no answer. ``beheaded``: it was killed since its first thread had ended."""
    if code is None:
        text = "the process that ran this task ended with its holder; nothing was changed, send the request again"
        return RunInterrupted(text, retry_after_s=1)
    if beheaded and code == -signal.SIGKILL:
        return TaskCrashed("the task ended its process's first thread, and left others running", signal="SIGKILL")
    if code < 0:
        name = signal.Signals(-code).name if -code in signal.Signals._value2member_map_ else f"signal {-code}"
        return TaskCrashed(f"the task's process was ended by {name}", signal=name)
    return TaskCrashed(f"the task's process ended with exit code {code} and no result", exit_code=code)
