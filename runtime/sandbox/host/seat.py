"""The replica's side of a seat: makes its descriptors and scratch directory, delivers the task, ends it, collects."""

import asyncio
import fcntl
import logging
import os
import socket
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from typing import Any, Final

from runtime.errors import Overloaded, RunFailed, RuntimeFailure, TaskCancelled, TaskCrashed
from runtime.sandbox.host.children import Child, ForkerClient, readable
from runtime.sandbox.host.gauge import Gauge
from runtime.sandbox.host.large_result import LargeResult
from runtime.sandbox.host.outcome import RunOutcome, crash, outcome_of
from runtime.sandbox.host.output import OutputPipe
from runtime.sandbox.host.scratch import ScratchRoot, remove, scratch_use
from runtime.sandbox.host.watchdog import Watchdog, Writable
from runtime.sandbox.protocol import ANSWER_BYTES, FrameBuffer, Message, ProtocolError, ancillary_of, encode_frame
from runtime.sandbox.seat_messages import SeatRequest
from runtime.task import Limits, TaskSpec

log = logging.getLogger("graphside.sandbox")

COPY_BYTES: Final = 1024 * 1024
"""Results up to this size are copied while the seat may still live; larger ones are mapped once it is dead."""

LISTEN_AFTER_S: Final = 0.005
"""When a run's output is drained from: what a shorter one prints fits its pipes, and is taken at its end."""

KEPT_BYTES: Final = 64 * 1024 * 1024
"""Of private memory, at most, in a process that waits for its user's next run."""

IDLE_CPU_S: Final = 0.05
"""What a process that waits may compute. One that does more was left something to do by its last run."""

_SEALS: Final = fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL


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
        self._closed = False
        self._memory_bytes: int | None = None  # the limit that a kept process has, and cannot have raised
        self._other_look: Callable[[], RunFailed | None] | None = None
        self.reusable = False
        """Whether its last run left it as it could be given to that run's user again."""

    async def open(self, forker: ForkerClient, **message: Any) -> None:
        """Fork it. ``message``: what the forker needs to know besides. Raises ``RunInterrupted`` where that is gone."""
        scratch_fd = os.open(self._scratch, os.O_DIRECTORY | os.O_RDONLY | os.O_CLOEXEC)
        try:
            fds = (
                self._stdout.write_fd,
                self._stderr.write_fd,
                self._result_fd,
                self._far_channel.fileno(),
                scratch_fd,
            )
            self._child = await forker.fork({**message, "uid": self._uid}, fds)
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
        """Run the task to its end, whatever that is. Cancelling this kills the run.

        Its process ends then too, unless the spec has an owner and it is ``reusable``.
        """
        child = self._child
        assert child is not None, "open() first"
        started = time.monotonic()
        self.reusable = False
        self._memory_bytes = spec.limits.memory_bytes
        writable = Writable(self._scratch, self._uid)
        watchdog = Watchdog(child, self._gauge, writable, spec.limits, self._end, self._other_look)
        listening = asyncio.get_running_loop().call_later(LISTEN_AFTER_S, self._listen)
        answer = None
        try:
            token = os.urandom(8).hex() if spec.owner is not None else None
            answer = await self._exchange(child, encode_frame(_request(spec, token)))
            if answer is not None and answer.get("token") != token:
                answer = {}  # that of the run before, which had told one already
            if self._gauge is not None:
                self._gauge.used_bytes()  # what a short run used, which no watch has seen
        finally:
            watchdog.stop()
            listening.cancel()
            self.reusable = spec.owner is not None and self._is_clean(answer)
            if not self.reusable:
                child.kill()
        if answer is not None and answer.get("status") == "ok" and not self.reusable:
            too_much = await watchdog.last_look()
            self._ended_by = self._ended_by or too_much  # it may have been cancelled meanwhile
        outcome = await self._outcome(child, spec, answer, main_thread_exited=watchdog.main_thread_exited)
        if outcome.failure is not None and self.reusable:  # an answer that only looked like one
            self.reusable = False
            child.kill()
        outcome.peak_memory_bytes = self._gauge.peak_bytes if self._gauge else 0
        if not outcome.run_s:
            outcome.run_s = time.monotonic() - started
        return outcome

    def accepts(self, limits: Limits) -> bool:
        """Whether a kept process can take a run with these limits, and has been quiet meanwhile."""
        return self.is_idle and limits.memory_bytes == self._memory_bytes

    @property
    def is_idle(self) -> bool:
        """Whether it lives, and has computed nothing and said nothing since ``mark_idle``."""
        if not self.alive or self._gauge is None or self._gauge.cpu_s() > IDLE_CPU_S:
            return False
        # A second answer would be taken for that of the next run.
        return not readable(self._channel.fileno())

    def mark_idle(self) -> None:
        """Count its CPU anew: from here on it has nothing to do."""
        if self._gauge is not None:
            self._gauge.begin()

    def _is_clean(self, answer: Message | None) -> bool:
        """Whether nothing but the answer came of a run: no thread, no file, little memory."""
        if answer is None or self._ended_by is not None or answer.get("status") != "ok" or self._gauge is None:
            return False
        length = answer.get("length")
        return (
            type(length) is int
            and length <= COPY_BYTES
            and self._gauge.threads == 1
            and not self._gauge.main_thread_exited
            and self._gauge.peak_bytes <= KEPT_BYTES
            and scratch_use(self._scratch, 1).file_count == 0
        )

    def _listen(self) -> None:
        self._stdout.start()
        self._stderr.start()

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

    async def _exchange(self, child: Child, request: bytes, fds: tuple[int, ...] = ()) -> Message | None:
        """Send the request, wait for the answer; None where the seat ended without one. ``fds`` go with a short one."""
        loop = asyncio.get_running_loop()
        answered: asyncio.Future[Message | None] = loop.create_future()
        frames = FrameBuffer(ANSWER_BYTES)

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

        channel = self._channel.fileno()  # the loop asks a socket for its name each time
        forget = child.on_death(on_death)
        try:
            sent = self._channel.sendmsg([request], ancillary_of(fds)) if fds else 0
            await loop.sock_sendall(self._channel, request[sent:])
        except OSError:
            return None
        loop.add_reader(channel, on_readable)
        try:
            return await answered
        finally:
            loop.remove_reader(channel)
            forget()

    async def _outcome(
        self, child: Child, spec: TaskSpec, answer: Message | None, *, main_thread_exited: bool
    ) -> RunOutcome:
        failure = self._ended_by
        if failure is None and answer is not None:
            try:
                outcome = outcome_of(answer, spec.limits)
                outcome.result = await self._read_result(child, outcome.length)
                self._add_output(outcome)
                return outcome
            except (KeyError, TypeError, ValueError, ProtocolError):
                failure = TaskCrashed("the task's process gave an answer that is not one")
        if failure is None:
            failure = crash(await child.exit_code(), main_thread_exited=main_thread_exited)
        outcome = RunOutcome(failure=failure)
        self._add_output(outcome)
        return outcome

    async def _read_result(self, child: Child, length: int) -> bytes | LargeResult:
        if length <= COPY_BYTES:
            return os.pread(self._result_fd, length, 0) if length else b""
        await child.wait_dead()  # until then the content can change under a reader
        return LargeResult(self._result_fd, length)

    def _add_output(self, outcome: RunOutcome) -> None:
        for pipe in (self._stdout, self._stderr):
            pipe.pause() if self.reusable else pipe.finish()
        outcome.stdout, outcome.stdout_truncated = self._stdout.text(), self._stdout.truncated
        outcome.stderr, outcome.stderr_truncated = self._stderr.text(), self._stderr.truncated
        for pipe in (self._stdout, self._stderr):
            pipe.forget()

    def _end(self, failure: RunFailed) -> None:
        if self._ended_by is None:
            self._ended_by = failure
        if self._child is not None:
            self._child.kill()


async def open_seat(
    holder: ForkerClient, root: ScratchRoot, uid: int | None, output_bytes: int, result_bytes: int
) -> SeatProcess:
    """A seat forked from ``holder``, walled and waiting, as user ``uid`` where that is a number.

    ``result_bytes`` is the size of its result file. Raises ``RunInterrupted``, ``Overloaded``.
    """
    try:
        seat = SeatProcess(root, uid, output_bytes, result_bytes)
    except OSError as error:
        raise seat_not_made(error) from error
    try:
        await seat.open(holder)
    except BaseException:
        await asyncio.shield(seat.close())
        raise
    return seat


def seat_not_made(error: OSError) -> Overloaded:
    """Where the machine has no descriptors, disk or processes left for a seat. The reason is for the log."""
    log.error("seat.not_made errno=%s %s", error.errno, error.strerror)
    return Overloaded("this server cannot start another run just now; try again", retry_after_s=1)


def _request(spec: TaskSpec, token: str | None) -> SeatRequest:
    return {
        "token": token,
        "keep": spec.owner is not None,
        "task": spec.task,
        "cpu_s": spec.limits.cpu_s,
        "memory_bytes": spec.limits.memory_bytes,
        "result_bytes": spec.limits.result_bytes,
        "threads": spec.limits.threads,
    }
