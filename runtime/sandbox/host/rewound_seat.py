"""A seat that serves many runs, because its keeper puts it back to its beginning after each."""

import asyncio
import mmap
import time
from typing import Final

from runtime.errors import RuntimeFailure, TaskCrashed
from runtime.sandbox.host.children import ForkerClient
from runtime.sandbox.host.keeper import KeeperClient, open_keeper
from runtime.sandbox.host.seat import COPY_BYTES, SeatProcess, seat_not_made
from runtime.sandbox.host.seat_settings import SeatSettings
from runtime.sandbox.host.watchdog import Watchdog
from runtime.sandbox.protocol import Message
from runtime.sandbox.seat_messages import SeatRequest
from runtime.task import Limits, TaskSpec

MOST_RUNS: Final = 1000
MOST_AGE_S: Final = 600.0
"""A rewound seat is given up after so many runs and seconds, so that nothing that is missed gathers for long."""

BYTES: Final = 24 * 1024 * 1024
"""Memory of a rewound seat with its keeper and its witness."""

USUAL_PAGES: Final = 1024
"""Written pages of small tasks, which ``BYTES`` contains. Each further one is in the seat and, for the next rewind, in
the keeper."""


SOURCE_CHARACTERS: Final = 8192
"""The longest text of a task that is compiled beforehand. In a packet it may take six times as many bytes."""


class RewoundSeat(SeatProcess):
    """A seat with a keeper. Make it with ``open_rewound_seat``."""

    def __init__(
        self, settings: SeatSettings, uid: int | None, limits: Limits, *, source: str = "", checked: bool = False
    ) -> None:
        """``limits``: of its runs. Those of memory and scratch cannot be changed later. ``source``: the text of a task
        that is compiled once for all runs. ``checked``: compare all memory after each run, for tests."""
        super().__init__(settings, uid)
        self.kind = "rewound"
        self._keeper: KeeperClient | None = None
        self._fixed = self.fixed_limits(limits)
        self._source = source if _can_be_sent(source) else ""
        self._checked = checked
        self._born = time.monotonic()
        self._runs = 0
        self.byte_count = BYTES
        """Memory of the seat, its keeper and its witness after the last rewind."""
        self.rewind_cpu_s = 0.0
        """CPU time that the keeper used for the last rewind."""
        self.differing = 0
        """Pages that differed from the baseline after the last run, if that is checked."""

    async def open_kept(self, holder: ForkerClient) -> None:
        """Fork keeper and seat, and wait until the seat is ready. Raises ``RunInterrupted``."""
        self._keeper = await open_keeper(holder, self._uid)
        memory_bytes, scratch_bytes = self._fixed or (0, 0)
        await self.open(
            self._keeper,
            memory_bytes=memory_bytes,
            scratch_bytes=scratch_bytes,
            source=self._source,
            checked=self._checked,
        )
        await self._keeper.wait_ready()
        self._files.discard_result()
        self._begin_anew()

    async def rewind(self) -> str | None:
        """Rewind the seat after its run. Return None if it is ready for another, else the reason; close it then."""
        if self._keeper is None or not self.reusable:
            return "run"
        self._runs += 1
        if self._runs >= MOST_RUNS or time.monotonic() - self._born >= MOST_AGE_S:
            return "age"
        rewind = await self._keeper.rewind()
        if rewind.unfit is not None:
            return rewind.unfit
        self.differing, self.rewind_cpu_s = rewind.differing, rewind.cpu_s
        self.byte_count = BYTES + 2 * mmap.PAGESIZE * max(0, rewind.hot - USUAL_PAGES)
        # The run can write nothing more, so what it wrote after its answer is here by now.
        self._files.discard_output()
        self._files.discard_result()
        if self._channel is None or self._channel.has_unread:
            return "answer"
        if not await self._files.empty_scratch():
            return "scratch"
        self._begin_anew()
        return None

    @property
    def alive(self) -> bool:
        """Return whether the seat can still take a task, and its keeper can rewind it afterwards."""
        return super().alive and self._keeper is not None and self._keeper.alive

    def has_limits(self, limits: Limits) -> bool:
        """Return whether this is a seat for runs with these limits. Those of memory and scratch cannot be changed."""
        return self._fixed == self.fixed_limits(limits)

    async def close(self) -> None:
        if self._child is not None:
            self._child.kill()
        if self._keeper is not None:
            self._keeper.close()
        await super().close()

    def _begin_anew(self) -> None:
        if self._gauge is not None:
            self._gauge.begin_anew()

    def _may_outlive(self, _: TaskSpec) -> bool:
        return True

    def _has_precedence(self, watchdog: Watchdog) -> bool:
        return watchdog.call_back()  # its threads end when it is rewound

    def _outlives(self, failure: RuntimeFailure) -> bool:
        return not isinstance(failure, TaskCrashed)

    def _is_clean(self, answer: Message | None) -> bool:
        """Return whether the seat may be rewound: the run ended with an answer that can be read before that."""
        if answer is None or self._ended_by is not None:
            return False
        length = answer.get("length", 0)
        return type(length) is int and length <= COPY_BYTES

    def _request(self, spec: TaskSpec, token: str | None) -> SeatRequest:
        return {**super()._request(spec, token), "keep": False}


async def open_rewound_seat(
    holder: ForkerClient,
    settings: SeatSettings,
    uid: int | None,
    limits: Limits,
    *,
    source: str = "",
    checked: bool = False,
) -> RewoundSeat:
    """Return a rewound seat that is ready for its first run. Raises ``RunInterrupted``, ``Overloaded``."""
    try:
        seat = RewoundSeat(settings, uid, limits, source=source, checked=checked)
    except OSError as error:
        raise seat_not_made(error) from error
    try:
        await seat.open_kept(holder)
    except BaseException:
        await asyncio.shield(seat.close())
        raise
    return seat


def _can_be_sent(source: str) -> bool:
    """Return whether a text is short enough for a packet, and is text: nobody has looked at it yet."""
    try:
        return len(source) <= SOURCE_CHARACTERS and source.encode() is not None
    except UnicodeEncodeError:
        return False
