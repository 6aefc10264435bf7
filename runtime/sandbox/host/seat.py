"""The replica's side of a seat: it has the seat forked, delivers the task, ends the run, and collects the outcome."""

import asyncio
import logging
import os
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, Literal, get_args

from runtime.errors import Overloaded, RunFailed, RuntimeFailure, TaskCancelled, TaskCrashed
from runtime.sandbox.host.channel import Channel
from runtime.sandbox.host.children import Child, ForkerClient
from runtime.sandbox.host.deleted_files import TooManyMappings, deleted_files
from runtime.sandbox.host.gauge import Gauge
from runtime.sandbox.host.large_result import LargeResult
from runtime.sandbox.host.outcome import RunOutcome, crash, outcome_of
from runtime.sandbox.host.seat_files import SeatFiles
from runtime.sandbox.host.seat_settings import SeatSettings
from runtime.sandbox.host.watchdog import Watchdog, Watched
from runtime.sandbox.protocol import Message, ProtocolError, encode_frame
from runtime.sandbox.seat_messages import SeatRequest
from runtime.task import Limits, TaskSpec

log = logging.getLogger("graphside.sandbox")

COPY_BYTES: Final = 1024 * 1024
"""Results up to this size are copied while the seat may still live; larger ones are mapped once it is dead."""

LISTEN_AFTER_S: Final = 0.005
"""Delay before a run's output is drained. What a shorter run prints fits into its pipes, and is read at its end."""

KEPT_BYTES: Final = 64 * 1024 * 1024
"""The most private memory of a process that waits for its user's next run."""

IDLE_CPU_S: Final = 0.05
"""CPU time that a waiting process may use. One that uses more still does something that its last run left it."""

SeatKind = Literal["forked", "spare", "rewound", "reused"]
"""Made when its run had come; before, for any run; restored after another run; kept from another run as it was."""

SEAT_KINDS: Final[tuple[SeatKind, ...]] = get_args(SeatKind)


class SeatProcess:
    """A seat that waits for its task. Make it with ``open_seat``."""

    def __init__(self, settings: SeatSettings, uid: int | None) -> None:
        self._uid = uid
        self._files = SeatFiles(settings, uid)
        self._child: Child | None = None
        self._channel: Channel | None = None
        self._gauge: Gauge | None = None
        self._ended_by: RuntimeFailure | None = None
        self._closed = False
        self._fixed: tuple[int, int] | None = None  # limits of a process that is kept, which cannot be raised
        self._other_look: Callable[[], RunFailed | None] | None = None
        self.kind: SeatKind = "forked"
        """How the process came to its next run."""
        self.reusable = False
        """True if the process may serve another run of the same user, because its last run left nothing behind."""

    async def open(self, forker: ForkerClient, **message: Any) -> None:
        """Fork the seat. ``message``: further fields for the forker. Raises ``RunInterrupted`` if that has ended."""
        with self._files.handed_over() as fds:
            self._child = await forker.fork({**message, "uid": self._uid}, fds)
        self._channel = Channel(self._files.channel_end, self._child)
        with suppress(FileNotFoundError, ProcessLookupError):
            self._gauge = Gauge(self._child.pid)

    @property
    def alive(self) -> bool:
        """Return whether the seat can still take a task."""
        return self._child is not None and not self._child.dead and not self._closed

    async def run(self, spec: TaskSpec) -> RunOutcome:
        """Run the task to its end, however it ends. Cancelling this kills the run.

        The seat's process ends with the run, unless the spec has an owner and the seat is ``reusable`` afterwards.
        """
        child, channel = self._child, self._channel
        assert child is not None and channel is not None, "open() first"
        started = time.monotonic()
        self.reusable = False
        self._fixed = self.fixed_limits(spec.limits)
        watched = Watched(child, self._gauge, self._files.scratch, self._uid)
        watchdog = Watchdog(watched, spec.limits, self._end, self._other_look)
        listening = asyncio.get_running_loop().call_later(LISTEN_AFTER_S, self._listen)
        answer = None
        try:
            token = os.urandom(8).hex() if self._may_outlive(spec) else None
            answer = await channel.exchange(encode_frame(self._request(spec, token)))
            if answer is not None and answer.get("token") != token:
                answer = {}  # a second answer, which the run before this one prepared
            if self._gauge is not None:
                self._gauge.used_bytes()  # memory of a short run, which the watchdog has not measured
        finally:
            watchdog.stop()
            listening.cancel()
            self.reusable = self._may_outlive(spec) and self._is_clean(answer) and self._has_precedence(watchdog)
            if not self.reusable:
                child.kill()
        if answer is not None and answer.get("status") == "ok" and not self.reusable:
            too_much = await watchdog.last_look()
            self._ended_by = self._ended_by or too_much  # the run may have been cancelled meanwhile
        outcome = await self._outcome(child, spec, answer, main_thread_exited=watchdog.main_thread_exited)
        if outcome.failure is not None and self.reusable and not self._outlives(outcome.failure):
            self.reusable = False
            child.kill()
        outcome.peak_memory_bytes = self._gauge.peak_bytes if self._gauge else 0
        if not outcome.run_s:
            outcome.run_s = time.monotonic() - started
        return outcome

    def accepts(self, limits: Limits) -> bool:
        """Return whether a kept process can take a run with these limits, and has been idle meanwhile."""
        return self.is_idle and self.fixed_limits(limits) == self._fixed

    @staticmethod
    def fixed_limits(limits: Limits) -> tuple[int, int]:
        """Return the limits that hold for a process from its first run on."""
        return limits.memory_bytes, limits.scratch_bytes

    @property
    def is_idle(self) -> bool:
        """Return whether the process is alive, and has computed and sent nothing since ``mark_idle``."""
        if not self.alive or self._gauge is None or self._gauge.cpu_s() > IDLE_CPU_S:
            return False
        # A second answer would be taken for the answer of the next run.
        return self._channel is not None and not self._channel.has_unread

    async def holds_deleted_files(self) -> bool:
        """Return whether its last run left a file that it deleted and still holds, which takes disk space."""
        child = self._child
        if child is None or not self.reusable:
            return False
        try:
            held = await asyncio.to_thread(deleted_files, child.pid, self._uid, self._files.scratch)
        except TooManyMappings:
            return True
        return held.file_count > 0

    def mark_idle(self) -> None:
        """Count CPU time from here on, because the process has nothing to do."""
        if self._gauge is not None:
            self._gauge.begin()

    def _may_outlive(self, spec: TaskSpec) -> bool:
        """Return whether the process may serve another run after this one."""
        return spec.owner is not None

    def _has_precedence(self, watchdog: Watchdog) -> bool:
        """Return whether another run on this process has the precedence of a fresh one."""
        return not watchdog.sent_to_the_back

    def _outlives(self, _: RuntimeFailure) -> bool:
        """Return whether the process may serve another run after this failure: no, its answer only looked clean."""
        return False

    def _is_clean(self, answer: Message | None) -> bool:
        """Return whether the run left nothing but its answer: no thread, no file, little memory."""
        if answer is None or self._ended_by is not None or answer.get("status") != "ok" or self._gauge is None:
            return False
        length = answer.get("length")
        return (
            answer.get("reusable") is True
            and type(length) is int
            and length <= COPY_BYTES
            and self._gauge.threads == 1
            and not self._gauge.main_thread_exited
            and self._gauge.peak_bytes <= KEPT_BYTES
            and self._files.scratch_is_empty
        )

    def _request(self, spec: TaskSpec, token: str | None) -> SeatRequest:
        return {
            "token": token,
            "keep": spec.owner is not None,
            "task": spec.task,
            "cpu_s": spec.limits.cpu_s,
            "memory_bytes": spec.limits.memory_bytes,
            "scratch_bytes": spec.limits.scratch_bytes,
            "result_bytes": spec.limits.result_bytes,
            "threads": spec.limits.threads,
            "cpus": min(spec.limits.cpus, spec.limits.threads),
        }

    def _listen(self) -> None:
        self._files.stdout.start()
        self._files.stderr.start()

    def cancel(self) -> None:
        """End the run as ``TaskCancelled``."""
        self._end(TaskCancelled("the run was cancelled"))

    async def close(self) -> None:
        """Kill the process if it is alive, then close its files and remove its scratch directory."""
        if self._closed:
            return
        self._closed = True
        self._files.close_channel()
        if self._child is not None:
            self._child.kill()
            await self._child.wait_dead()
        if self._gauge is not None:
            self._gauge.close()
        await self._files.close()

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
                failure = TaskCrashed("the task's process sent an invalid answer")
        if failure is None:
            failure = crash(await child.exit_code(), main_thread_exited=main_thread_exited)
        outcome = RunOutcome(failure=failure)
        self._add_output(outcome)
        return outcome

    async def _read_result(self, child: Child, length: int) -> bytes | LargeResult:
        if length <= COPY_BYTES:
            return os.pread(self._files.result_fd, length, 0) if length else b""
        await child.wait_dead()  # until then its content can change while it is read
        return LargeResult(self._files.result_fd, length)

    def _add_output(self, outcome: RunOutcome) -> None:
        stdout, stderr = self._files.stdout, self._files.stderr
        for pipe in (stdout, stderr):
            pipe.pause() if self.reusable else pipe.finish()
        outcome.stdout, outcome.stdout_truncated = stdout.text(), stdout.truncated
        outcome.stderr, outcome.stderr_truncated = stderr.text(), stderr.truncated
        for pipe in (stdout, stderr):
            pipe.forget()

    def _end(self, failure: RunFailed) -> None:
        if self._ended_by is None:
            self._ended_by = failure
        if self._child is not None:
            self._child.kill()


async def open_seat(holder: ForkerClient, settings: SeatSettings, uid: int | None) -> SeatProcess:
    """Return a seat forked from ``holder``, walled and waiting. It runs as user ``uid``; None: as the server's user.

    Raises ``RunInterrupted``, ``Overloaded``.
    """
    try:
        seat = SeatProcess(settings, uid)
    except OSError as error:
        raise seat_not_made(error) from error
    try:
        await seat.open(holder)
    except BaseException:
        await asyncio.shield(seat.close())
        raise
    return seat


def seat_not_made(error: OSError) -> Overloaded:
    """Log why a seat cannot be made: no descriptors, disk space or processes are left. Return what the caller sees."""
    log.error("seat.not_made errno=%s %s", error.errno, error.strerror)
    return Overloaded("this server cannot start another run just now; try again", retry_after_s=1)
