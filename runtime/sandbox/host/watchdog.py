"""Watches one run from outside: its deadline, and what no limit of the kernel counts for it.

Memory and threads cost a few microseconds to look at, and are looked at every 20 ms. Scratch is a walk over files of
the task's making, which it can make long: a thread takes it, and rests ten times as long as it computed. What a run
leaves there is looked at once more at its end.
"""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from runtime.errors import RunFailed, TaskCrashed, TaskMemoryExceeded, TaskScratchExceeded, TaskTimeout
from runtime.sandbox.host.children import Child
from runtime.sandbox.host.deleted_files import DeletedFiles, TooManyMappings, deleted_files
from runtime.sandbox.host.gauge import Gauge
from runtime.sandbox.host.scratch import DEEPEST, ScratchUse, scratch_use
from runtime.task import Limits

WATCH_INTERVAL_S: Final = 0.02
SLOW_INTERVAL_S: Final = 0.1
RESTS: Final = 10
"""How many times as long as a census of scratch computed it is until the next one."""

_COUNTERS: Final = ThreadPoolExecutor(4, thread_name_prefix="scratch")
"""Of their own: answers wait for them, and in other threads somebody may wait for a disk."""


@dataclass(frozen=True, slots=True)
class Writable:
    """What a run can write to: its scratch directory, and whose processes may be asked for what they hold open."""

    scratch: Path
    uid: int | None


class Watchdog:
    """Ends a run that goes past a limit, by calling ``end`` once with the failure. Runs on the loop that made it."""

    def __init__(
        self,
        child: Child,
        gauge: Gauge | None,
        writable: Writable,
        limits: Limits,
        end: Callable[[RunFailed], None],
        other_look: Callable[[], RunFailed | None] | None = None,
    ) -> None:
        """``other_look``: at what else the run may use up; the failure where it has."""
        self._child = child
        self._gauge = gauge
        self._writable = writable
        self._limits = limits
        self._end = end
        self._other_look = other_look
        self._started = time.monotonic()
        self._seen_scratch_bytes = 0
        self.main_thread_exited = False
        """Whether the run was killed since its first thread had ended and others went on."""
        loop = asyncio.get_running_loop()
        self._timers = [
            loop.call_later(limits.timeout_s, self._on_deadline),
            loop.call_later(WATCH_INTERVAL_S, self._begin),
        ]

    def stop(self) -> None:
        """Look no more."""
        for timer in self._timers:
            timer.cancel()
        self._timers = []

    def _begin(self) -> None:
        """Most runs are over by now."""
        self._timers.append(
            asyncio.get_running_loop().call_later(SLOW_INTERVAL_S - WATCH_INTERVAL_S, self._look_at_files)
        )
        self._look_at_process()

    def _again(self, index: int, delay_s: float, look: Callable[[], None]) -> None:
        if self._timers:
            self._timers[index] = asyncio.get_running_loop().call_later(delay_s, look)

    def _on_deadline(self) -> None:
        limit = self._limits.timeout_s
        observed = max(limit, round(time.monotonic() - self._started, 3))  # a timer may fire a clock tick early
        text = f"the task did not end within its limit of {limit:g} s"
        self._end(TaskTimeout(text, limit_name="timeout_s", limit=limit, observed=observed))

    def _look_at_process(self) -> None:
        limit = self._limits.memory_bytes
        if self._gauge is None:
            return
        used = self._gauge.used_bytes()
        if used > limit:
            text = f"the task used {used} bytes of memory, more than its limit of {limit} bytes"
            return self._end(TaskMemoryExceeded(text, limit_name="memory_bytes", limit=limit, observed=used))
        if self._gauge.main_thread_exited and not self._child.dead:
            self.main_thread_exited = True
            return self._child.kill()  # no more than that: where it is about to end by itself, its answer counts
        threads, most = self._gauge.threads, self._limits.threads
        if threads > most:
            text = f"the task started {threads} threads, more than its limit of {most}"
            return self._end(TaskCrashed(text, limit_name="threads", limit=most, observed=threads))
        self._again(1, WATCH_INTERVAL_S, self._look_at_process)

    def _look_at_files(self) -> None:
        if self._other_look is not None and (failure := self._other_look()) is not None:
            return self._end(failure)
        if self._gauge is not None and (used_s := self._gauge.cpu_s()) > self._limits.cpu_s:
            limit = self._limits.cpu_s
            text = f"the task used {used_s:g} s of CPU, more than its limit of {limit:g} s"
            return self._end(TaskTimeout(text, limit_name="cpu_s", limit=limit, observed=used_s))
        census = asyncio.get_running_loop().run_in_executor(
            _COUNTERS, _census, self._child.pid, self._writable, self._limits.scratch_files
        )
        census.add_done_callback(self._on_census)

    def _on_census(self, census: "asyncio.Future[_Census]") -> None:
        if not self._timers or census.cancelled():
            return
        try:
            found = census.result()
        except TooManyMappings:
            return self._end(TaskCrashed("the task mapped more files than can be watched"))
        if (failure := self._judge(found.use)) is not None:
            return self._end(failure)
        # While it writes, it is looked at as often as its memory.
        grows = found.use.byte_count > self._seen_scratch_bytes
        self._seen_scratch_bytes = found.use.byte_count
        # What a look costs is everybody's time: a task that makes it long is looked at less often.
        pause_s = max(WATCH_INTERVAL_S if grows else SLOW_INTERVAL_S, RESTS * found.cpu_s)
        self._again(2, pause_s, self._look_at_files)

    async def last_look(self) -> RunFailed | None:
        """At what a run leaves in its scratch directory: a quick one may have filled it between two looks."""
        if scratch_use(self._writable.scratch, 1).file_count == 0:
            return None  # as most do, and no thread has to be asked
        loop = asyncio.get_running_loop()
        return self._judge(
            await loop.run_in_executor(_COUNTERS, scratch_use, self._writable.scratch, self._limits.scratch_files)
        )

    def _judge(self, use: ScratchUse) -> RunFailed | None:
        for name, limit, observed in (
            ("scratch_bytes", self._limits.scratch_bytes, use.byte_count),
            ("scratch_files", self._limits.scratch_files, use.file_count),
            ("scratch_depth", DEEPEST, use.depth),
        ):
            if observed > limit:
                text = f"the task's scratch directory holds {observed}, more than its limit {name} of {limit}"
                return TaskScratchExceeded(text, limit_name=name, limit=limit, observed=observed)
        return None


@dataclass(frozen=True, slots=True)
class _Census:
    """What lies in scratch, with what was deleted there and is still held; and what it took to find out."""

    use: ScratchUse
    cpu_s: float


def _census(pid: int, writable: Writable, most_files: int) -> _Census:
    """Raises ``TooManyMappings``."""
    began = time.thread_time()
    use = scratch_use(writable.scratch, most_files)
    held: DeletedFiles = deleted_files(pid, writable.uid, writable.scratch)
    use = ScratchUse(use.byte_count + held.byte_count, use.file_count + held.file_count, use.depth)
    return _Census(use, time.thread_time() - began)
