"""Watches one run from outside: its deadline, and everything that no limit of the kernel counts for it.

Memory, threads and CPU time cost a few microseconds to read, so they are read every 20 ms. Scratch is a walk over files
that the task made and can make long. So a thread counts them, and rests ten times as long as the count took of its CPU.
What a run leaves in scratch is counted once more at its end.
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
from runtime.sandbox.host.deleted_files import TooManyMappings, deleted_files
from runtime.sandbox.host.gauge import Gauge
from runtime.sandbox.host.precedence import Precedence
from runtime.sandbox.host.scratch import DEEPEST, ScratchUse, scratch_use
from runtime.task import Limits

WATCH_INTERVAL_S: Final = 0.02
SLOW_INTERVAL_S: Final = 0.1
RESTS: Final = 10
"""The pause before the next census of scratch, in multiples of the CPU time that the last one took."""

_COUNTERS: Final = ThreadPoolExecutor(4, thread_name_prefix="scratch")
"""Threads for censuses only: answers wait for them, and other threads may wait for a disk."""


@dataclass(frozen=True, slots=True)
class Watched:
    """The process of a run, with its scratch directory and the user that it runs as (None: our own)."""

    child: Child
    gauge: Gauge | None
    scratch: Path
    uid: int | None


class Watchdog:
    """Ends a run that exceeds a limit: it calls ``end`` once, with the failure. It runs on the loop that made it."""

    def __init__(
        self,
        watched: Watched,
        limits: Limits,
        end: Callable[[RunFailed], None],
        other_look: Callable[[], RunFailed | None] | None = None,
    ) -> None:
        """``other_look``: checks what else the run may use up, and returns the failure if it has."""
        self._watched = watched
        self._limits = limits
        self._end = end
        self._other_look = other_look
        self._started = time.monotonic()
        self._seen_scratch_bytes = 0
        self._precedence = Precedence(watched.child, watched.gauge) if watched.gauge is not None else None
        self.main_thread_exited = False
        """True if the run was killed because its first thread had ended and others went on."""
        loop = asyncio.get_running_loop()
        self._timers = [
            loop.call_later(limits.timeout_s, self._on_deadline),
            loop.call_later(WATCH_INTERVAL_S, self._begin),
        ]

    @property
    def sent_to_the_back(self) -> bool:
        """True if the run has used so much CPU time that others go before it."""
        return self._precedence is not None and self._precedence.is_at_the_back

    def call_back(self) -> bool:
        """Undo that, for a process that may serve another run. Return whether it has its precedence of the beginning.
        Call it after ``stop``."""
        return self._precedence is None or self._precedence.come_back()

    def stop(self) -> None:
        for timer in self._timers:
            timer.cancel()
        self._timers = []

    def _begin(self) -> None:
        """Start the slower checks too. Most runs are over by now."""
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
        gauge, child, limit = self._watched.gauge, self._watched.child, self._limits.memory_bytes
        if gauge is None or self._precedence is None:
            return
        used = gauge.used_bytes()
        self._precedence.look()
        if used > limit:
            text = f"the task used {used} bytes of memory, more than its limit of {limit} bytes"
            return self._end(TaskMemoryExceeded(text, limit_name="memory_bytes", limit=limit, observed=used))
        if gauge.main_thread_exited and not child.dead:
            self.main_thread_exited = True
            return child.kill()  # without naming a failure: if it was about to end by itself, its answer counts
        threads, most = gauge.threads, self._limits.threads
        if threads > most:
            text = f"the task started {threads} threads, more than its limit of {most}"
            return self._end(TaskCrashed(text, limit_name="threads", limit=most, observed=threads))
        self._again(1, WATCH_INTERVAL_S, self._look_at_process)

    def _look_at_files(self) -> None:
        gauge = self._watched.gauge
        if self._other_look is not None and (failure := self._other_look()) is not None:
            return self._end(failure)
        if gauge is not None and (used_s := gauge.cpu_s()) > self._limits.cpu_s:
            limit = self._limits.cpu_s
            text = f"the task used {used_s:g} s of CPU, more than its limit of {limit:g} s"
            return self._end(TaskTimeout(text, limit_name="cpu_s", limit=limit, observed=used_s))
        census = asyncio.get_running_loop().run_in_executor(
            _COUNTERS, _census, self._watched, self._limits.scratch_files
        )
        census.add_done_callback(self._on_census)

    def _on_census(self, census: "asyncio.Future[_Census]") -> None:
        if not self._timers or census.cancelled():
            return
        try:
            found = census.result()
        except TooManyMappings:
            return self._end(TaskCrashed("the task mapped more files into memory than the server can check"))
        if (failure := self._judge(found.use)) is not None:
            return self._end(failure)
        # While scratch grows, it is counted as often as memory is.
        grows = found.use.byte_count > self._seen_scratch_bytes
        self._seen_scratch_bytes = found.use.byte_count
        # A census takes CPU time from all runs, so a task that makes it long is counted less often.
        pause_s = max(WATCH_INTERVAL_S if grows else SLOW_INTERVAL_S, RESTS * found.cpu_s)
        self._again(2, pause_s, self._look_at_files)

    async def last_look(self) -> RunFailed | None:
        """Count what a run leaves in its scratch directory: a quick run may have filled it between two censuses."""
        scratch = self._watched.scratch
        if scratch_use(scratch, 1).file_count == 0:
            return None  # most runs leave nothing, and need no thread
        loop = asyncio.get_running_loop()
        return self._judge(await loop.run_in_executor(_COUNTERS, scratch_use, scratch, self._limits.scratch_files))

    def _judge(self, use: ScratchUse) -> RunFailed | None:
        for name, limit, observed, unit in (
            ("scratch_bytes", self._limits.scratch_bytes, use.byte_count, "bytes"),
            ("scratch_files", self._limits.scratch_files, use.file_count, "files"),
            ("scratch_depth", DEEPEST, use.depth, "levels of directories"),
        ):
            if observed > limit:
                text = f"the task's scratch directory has {observed} {unit}, more than its limit of {limit}"
                return TaskScratchExceeded(text, limit_name=name, limit=limit, observed=observed)
        return None


@dataclass(frozen=True, slots=True)
class _Census:
    """The content of scratch, with deleted files that are still held, and the CPU time that counting took."""

    use: ScratchUse
    cpu_s: float


def _census(watched: Watched, most_files: int) -> _Census:
    """Raises ``TooManyMappings``."""
    began = time.thread_time()
    use = scratch_use(watched.scratch, most_files)
    held = deleted_files(watched.child.pid, watched.uid, watched.scratch)
    use = ScratchUse(use.byte_count + held.byte_count, use.file_count + held.file_count, use.depth)
    return _Census(use, time.thread_time() - began)
