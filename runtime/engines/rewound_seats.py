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

SOON_S: Final = 0.05
"""How long a run waits for a seat that another run has, or that is rewound just now. Then it gets a fork. That is about
as long as a fork takes on a machine that is busy; on one that is not, a rewind takes a twentieth of it."""

MOST_SOON: Final = 2
"""The most runs that wait for each seat."""

IN_VAIN_S: Final = 1.0
"""If no seat became ready while a run waited, no other waits for so long for a seat that another run has: runs seem to
be long."""

PAUSE_S: Final = 1.0
"""After a seat that could not be made, none is made for this dataset for so long, and twice as long after the next."""

MOST_PAUSE_S: Final = 600.0
MOST_REMEMBERED: Final = 1000

Open = Callable[[Limits, str], Awaitable[RewoundSeat]]
"""Makes a seat for runs with these limits. The text of a task is compiled in it beforehand."""


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
        self._coming: list[_Coming] = []  # runs that wait for a seat, the oldest first
        self._no_wait_until = 0.0
        self._ready = 0  # how often a seat became ready
        self._making: asyncio.Task[None] | None = None
        self._pause_s = PAUSE_S
        self._paused_until = 0.0
        self._last_runs: OrderedDict[tuple[str, int, int], float] = OrderedDict()
        self._closed = False

    @property
    def count(self) -> int:
        """Return how many seats there are."""
        return len(self._places)

    async def take(self, spec: TaskSpec) -> RewoundSeat | None:
        """Take out a seat that may serve this run, or one that is in use as soon as it is ready; else None."""
        return self._take_waiting(spec) or await self._take_soon(spec)

    def _take_waiting(self, spec: TaskSpec) -> RewoundSeat | None:
        for place in reversed(self._waiting):
            if not self._may_serve(place, spec):
                continue
            if place.seat is not None and place.seat.is_idle:
                return self._take(place)
            self._runner.give_up(place, "ended")  # or does something although it should sleep
        return None

    async def _take_soon(self, spec: TaskSpec) -> RewoundSeat | None:
        """Wait a short time for a seat that is in use.

        A short run and its rewind take less time than a fork, and much less of the machine. If forks were made instead,
        rewinds would take longer the more of them there are.
        """
        hopeful = self._runner.now() >= self._no_wait_until
        if len(self._coming) >= MOST_SOON * (self._in_use(spec) if hopeful else self._rewinding(spec)):
            return None
        coming, ready = _Coming(spec), self._ready
        self._coming.append(coming)
        try:
            async with asyncio.timeout(SOON_S):
                await coming.seat
        except TimeoutError:
            if self._ready == ready and not self._rewinding(spec):
                self._no_wait_until = self._runner.now() + IN_VAIN_S
        except BaseException:
            if (seat := coming.granted) is not None:  # the run was cancelled just then
                self._wait(self._busy.pop(seat))
            raise
        finally:
            if coming in self._coming:
                self._coming.remove(coming)
        return coming.granted

    async def give_back(self, seat: RewoundSeat, spec: TaskSpec) -> None:
        """Rewind a seat after its run, and have it wait for the next; close it if that is not possible."""
        began = self._runner.now()
        place = self._busy.pop(seat)
        try:
            reason = await seat.rewind()
        except BaseException:
            self._runner.give_up(place, "state")
            raise
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
        if not self._comes_again(spec) or self._is_making or self._runner.now() < self._paused_until:
            return
        full = len(self._places) >= self._most
        place = self._runner.reserve(self, self._sharer(spec), spec.user, self._places if full else ())
        if place is not None:
            self._making = asyncio.create_task(self._make(place, spec))
            self._making.add_done_callback(lambda _: self._free_if_not_made(place))

    def forget(self, place: Place) -> None:
        """Have a place no longer, because its seat is given up."""
        self._places.remove(place)
        if place in self._waiting:
            self._waiting.remove(place)
        for coming in self._coming:
            if not coming.seat.done() and not self._in_use(coming.spec):
                coming.seat.set_result(None)

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

    async def _make(self, place: Place, spec: TaskSpec) -> None:
        """Make a seat. It keeps the text of this run, unless another user could find it there."""
        try:
            await self._runner.settled()
            seat = await self._open(spec.limits, spec.task["source"] if self._between == "same_user" else "")
        except RuntimeFailure as failure:
            self._runner.counts.not_made += 1
            log.warning("rewound_seat.not_made pause_s=%d %s", self._pause_s, failure)
            self._paused_until = self._runner.now() + self._pause_s
            self._pause_s = min(MOST_PAUSE_S, 2 * self._pause_s)
            return
        self._pause_s = PAUSE_S
        self._runner.made(place, seat)
        self._places.append(place)
        if self._closed:
            return await self._runner.give_up(place, "closed")
        self._wait(place)

    def _free_if_not_made(self, place: Place) -> None:
        """Free the place of a making that has failed or was cancelled, maybe before it began."""
        if place.seat is None:
            self._runner.not_made(place)

    def _may_serve(self, place: Place, spec: TaskSpec) -> bool:
        return place.user == self._sharer(spec) and place.seat is not None and place.seat.has_limits(spec.limits)

    def _in_use(self, spec: TaskSpec) -> int:
        """Return how many seats that may serve this run have another run, or are rewound."""
        return sum(place not in self._waiting and self._may_serve(place, spec) for place in self._places)

    def _rewinding(self, spec: TaskSpec) -> int:
        """Return how many seats that may serve this run are rewound just now."""
        return self._in_use(spec) - sum(self._may_serve(place, spec) for place in self._busy.values())

    def _take(self, place: Place) -> RewoundSeat:
        assert place.seat is not None
        self._waiting.remove(place)
        self._runner.take(place)
        self._busy[place.seat] = place
        return place.seat

    def _wait(self, place: Place) -> None:
        """Have a seat wait for its next run, or give it to one that waits for it."""
        assert place.seat is not None
        place.seat.mark_idle()
        if not self._runner.wait(place):
            return
        self._waiting.append(place)
        self._ready += 1
        for coming in self._coming:
            if not coming.seat.done() and self._may_serve(place, coming.spec):
                return coming.seat.set_result(self._take(place))


class _Coming:
    """A run that waits for a seat."""

    def __init__(self, spec: TaskSpec) -> None:
        self.spec = spec
        self.seat: asyncio.Future[RewoundSeat | None] = asyncio.get_running_loop().create_future()
        """Its result is None if there is no such seat any more."""

    @property
    def granted(self) -> RewoundSeat | None:
        return self.seat.result() if self.seat.done() and not self.seat.cancelled() else None
