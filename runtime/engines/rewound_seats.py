"""Seats of one dataset that serve one run after the other, put back to their beginning in between.

One is made only for a user who comes again soon, because it costs as much as some forks. It is kept until it is old or
unfit, or another user needs the place.
"""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Final, Literal

from runtime.errors import RuntimeFailure
from runtime.sandbox.host.rewound_seat import RewoundSeat
from runtime.task import Limits, TaskSpec

log = logging.getLogger("graphside.engine")

Between = Literal["same_user", "any_user"]
"""Who may have a seat after another run: its user only, or anybody."""

AGAIN_WITHIN_S: Final = 10.0
"""A user whose second run on the dataset comes this soon gets a rewound seat."""

IDLE_S: Final = 60.0
"""A seat that nobody used for this long is closed."""

YIELDS_AFTER_S: Final = 5.0
"""A seat that its user did not use for this long gives its place to another user's."""

MOST_REMEMBERED: Final = 1000
MOST_FAILURES: Final = 2
"""After so many seats in a row that could not be made, no more are tried: forks serve."""

Open = Callable[[Limits], Awaitable[RewoundSeat]]


class RewoundSeats:
    """At most ``most`` seats. ``open_one`` makes one."""

    def __init__(self, most: int, between: Between, open_one: Open) -> None:
        self._most = most
        self._between = between
        self._open = open_one
        self._waiting: list[_Waiting] = []
        self._busy: dict[RewoundSeat, str] = {}  # with the user for whom it is kept
        self._making: asyncio.Task[None] | None = None
        self._failures = 0
        self._last_runs: dict[str, float] = {}
        self._closed = False
        self._tasks: set[asyncio.Task[None]] = set()  # the loop holds only weak references
        self.ended: Counter[str] = Counter()
        """How many seats were given up, by reason."""

    @property
    def count(self) -> int:
        """Return how many seats there are."""
        making = self._making is not None and not self._making.done()
        return len(self._waiting) + len(self._busy) + making

    def take(self, spec: TaskSpec) -> RewoundSeat | None:
        """Take out a seat that may serve this run; None if there is none. Note that the user has come."""
        if not self._most or self._closed:
            return None
        for waiting in reversed(self._waiting):
            if self._serves(waiting, spec) and waiting.seat.accepts(spec.limits):
                self._remove(waiting)
                self._busy[waiting.seat] = spec.user
                return waiting.seat
        return None

    async def give_back(self, seat: RewoundSeat) -> None:
        """Rewind a seat after its run, and have it wait for the next; close it if that is not possible."""
        reason = await seat.rewind()
        user = self._busy.pop(seat)
        if reason is None and not self._closed and seat.alive:
            seat.mark_idle()
            return self._wait(seat, user)
        self.ended[reason or "closed"] += 1
        await seat.close()

    def consider(self, spec: TaskSpec) -> None:
        """Make a seat in the background for a user who has come again, if there is a place. Call it after a run."""
        if not self._most or self._closed or self._failures >= MOST_FAILURES:
            return
        now = time.monotonic()
        before = self._last_runs.pop(spec.user, None)
        self._last_runs[spec.user] = now
        if len(self._last_runs) > MOST_REMEMBERED:
            del self._last_runs[next(iter(self._last_runs))]
        if before is None or now - before > AGAIN_WITHIN_S or (self._making is not None and not self._making.done()):
            return
        if self.count >= self._most and not self._make_room(now):
            return
        self._making = asyncio.create_task(self._make(spec))

    def clear(self) -> list[RewoundSeat]:
        """Take out all waiting seats, for the caller to close. Those that run are closed when they are given back."""
        self._closed = True
        waiting, self._waiting = self._waiting, []
        for one in waiting:
            one.timer.cancel()
        if self._making is not None:
            self._making.cancel()
        return [one.seat for one in waiting]

    def _serves(self, waiting: "_Waiting", spec: TaskSpec) -> bool:
        return self._between == "any_user" or waiting.user == spec.user

    def _make_room(self, now: float) -> bool:
        """Close the seat that was used least recently, if it was not used for some time. Return whether there was."""
        if not self._waiting or now - self._waiting[0].since < YIELDS_AFTER_S:
            return False
        self._give_up(self._waiting[0], "idle")
        return True

    async def _make(self, spec: TaskSpec) -> None:
        try:
            seat = await self._open(spec.limits)
        except RuntimeFailure as failure:
            self._failures += 1
            log.warning("rewound_seat.not_made failures=%d %s", self._failures, failure)
            return
        self._failures = 0
        if self._closed:
            return await seat.close()
        seat.mark_idle()
        self._wait(seat, spec.user)

    def _wait(self, seat: RewoundSeat, user: str) -> None:
        waiting = _Waiting(seat, user)
        waiting.timer = asyncio.get_running_loop().call_later(IDLE_S, self._give_up, waiting, "idle")
        self._waiting.append(waiting)

    def _remove(self, waiting: "_Waiting") -> None:
        waiting.timer.cancel()
        self._waiting.remove(waiting)

    def _give_up(self, waiting: "_Waiting", reason: str) -> None:
        self._remove(waiting)
        self.ended[reason] += 1
        closing = asyncio.create_task(waiting.seat.close())
        self._tasks.add(closing)
        closing.add_done_callback(self._tasks.discard)


class _Waiting:
    """A seat that waits, and for whom. ``timer`` gives it up."""

    timer: asyncio.TimerHandle

    def __init__(self, seat: RewoundSeat, user: str) -> None:
        self.seat = seat
        self.user = user
        self.since = time.monotonic()
