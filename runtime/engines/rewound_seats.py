"""Seats of one dataset that serve one run after the other, restored to their beginning in between.

One is made only for a user who comes again soon, and if the runner's credit and memory allow it
(``rewound_credit.py``, ``rewound_places.py``). It is kept until it is old or unfit, nobody uses it, or its place or its
memory is needed.
"""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Final

from runtime.engines.rewound_places import Place, RewoundPlaces
from runtime.errors import RuntimeFailure
from runtime.sandbox.host.rewound_seat import RewoundSeat
from runtime.sandbox.walls.rewind import RewoundBetween
from runtime.task import Limits, TaskSpec

log = logging.getLogger("graphside.engine")

AGAIN_WITHIN_S: Final = 10.0
"""A user whose second run on the dataset, with the same limits, comes this soon gets a rewound seat."""

MOST_REMEMBERED: Final = 1000
MOST_FAILURES: Final = 2
"""After so many seats in a row that could not be made, no more are tried for this dataset: forks serve."""

Open = Callable[[Limits], Awaitable[RewoundSeat]]


class RewoundSeats:
    """At most ``most`` seats, which take the places of a runner. ``open_one`` makes one."""

    def __init__(self, most: int, between: RewoundBetween, places: RewoundPlaces, open_one: Open) -> None:
        self._most = most
        self._between = between
        self._runner = places
        self._open = open_one
        self._places: list[Place] = []  # those whose seats were made
        self._waiting: list[Place] = []  # the least recently used is first
        self._busy: dict[RewoundSeat, Place] = {}
        self._making: asyncio.Task[None] | None = None
        self._failures = 0
        self._last_runs: OrderedDict[tuple[str, int, int], float] = OrderedDict()
        self._closed = False

    @property
    def count(self) -> int:
        """Return how many seats there are."""
        return len(self._places)

    def take(self, spec: TaskSpec) -> RewoundSeat | None:
        """Take out a seat that may serve this run; None if there is none."""
        user = self._sharer(spec)
        for place in reversed(self._waiting):
            seat = place.seat
            assert seat is not None
            if place.user != user or not seat.has_limits(spec.limits):
                continue
            if not seat.is_idle:  # it has ended, or does something although it should sleep
                self._runner.give_up(place, "ended")
                continue
            self._waiting.remove(place)
            self._runner.take(place)
            self._busy[seat] = place
            return seat
        return None

    async def give_back(self, seat: RewoundSeat, spec: TaskSpec) -> None:
        """Rewind a seat after its run, and have it wait for the next; close it if that is not possible."""
        began = self._runner.now()
        try:
            reason = await seat.rewind()
        except BaseException:
            self._runner.give_up(self._busy.pop(seat), "state")
            raise
        place = self._busy.pop(seat)
        self._runner.credit.earn(spec.user, rewound=reason is None)
        if reason is None:
            self._runner.counts.rewinds.append((self._runner.now() - began, seat.rewind_cpu_s))
            reason = "closed" if self._closed else None if seat.alive else "ended"
        if reason is not None:
            return await self._runner.give_up(place, reason)
        self._wait(place)

    def consider(self, spec: TaskSpec) -> None:
        """Make a seat in the background for a user who has come again, if that is allowed.

        Call it after a run in a process of its own.
        """
        if not self._most or self._closed:
            return
        self._runner.credit.earn(spec.user, rewound=False)
        if not self._comes_again(spec) or self._failures >= MOST_FAILURES or self._is_making:
            return
        full = len(self._places) >= self._most
        place = self._runner.reserve(self, self._sharer(spec), spec.user, self._places if full else ())
        if place is not None:
            self._making = asyncio.create_task(self._make(place, spec.limits))
            self._making.add_done_callback(lambda _: self._free_if_not_made(place))

    def forget(self, place: Place) -> None:
        """Have a place no longer, because its seat is given up."""
        self._places.remove(place)
        if place in self._waiting:
            self._waiting.remove(place)

    async def close(self) -> None:
        """Give up all seats. Those that run are given up when they come back."""
        self._closed = True
        for place in [*self._waiting]:
            self._runner.give_up(place, "closed")
        if self._making is not None:
            self._making.cancel()
            await asyncio.gather(self._making, return_exceptions=True)
        await self._runner.settled()

    @property
    def _is_making(self) -> bool:
        return self._making is not None and not self._making.done()

    def _sharer(self, spec: TaskSpec) -> str:
        """Return for whom a seat is kept that this run uses: its user, or everybody."""
        return spec.user if self._between == "same_user" else ""

    def _comes_again(self, spec: TaskSpec) -> bool:
        """Note a run. Return whether there was one like it a short time ago."""
        now = self._runner.now()
        key = self._sharer(spec), *RewoundSeat.fixed_limits(spec.limits)
        before = self._last_runs.pop(key, None)
        self._last_runs[key] = now
        if len(self._last_runs) > MOST_REMEMBERED:
            self._last_runs.popitem(last=False)
        return before is not None and now - before <= AGAIN_WITHIN_S

    async def _make(self, place: Place, limits: Limits) -> None:
        try:
            await self._runner.settled()
            seat = await self._open(limits)
        except RuntimeFailure as failure:
            self._runner.counts.not_made += 1
            self._failures += 1
            log.warning("rewound_seat.not_made failures=%d %s", self._failures, failure)
            return
        self._failures = 0
        self._runner.made(place, seat)
        self._places.append(place)
        if self._closed:
            return await self._runner.give_up(place, "closed")
        self._wait(place)

    def _free_if_not_made(self, place: Place) -> None:
        """Free the place of a making that has failed or was cancelled, maybe before it began."""
        if place.seat is None:
            self._runner.not_made(place)

    def _wait(self, place: Place) -> None:
        assert place.seat is not None
        place.seat.mark_idle()
        if self._runner.wait(place):
            self._waiting.append(place)
