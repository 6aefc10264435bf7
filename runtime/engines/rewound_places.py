"""The rewound seats of a runner: how much memory they take, who has to give way, and when one may be made.

They live in the part of the dataset cache's budget that no dataset takes now, and in a quarter of the whole at most. If
a dataset comes, they give way: those that wait at once, the least recently used one first, and those that run or are
made as soon as they are done.

A place may be taken from a seat that waits. It goes first from a seat that nobody used for ``YIELDS_AFTER_S``. Else it
goes from the user who holds the most, if they hold at least two more than the user who asks: so no user keeps all.
"""

import asyncio
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final, Protocol

from runtime.engines.rewound_credit import RewoundCredit
from runtime.sandbox.host.rewound_seat import BYTES, RewoundSeat

SHARE: Final = 4
"""Rewound seats take at most this part of the cache's budget: a quarter."""

MOST_SEAT_BYTES: Final = 64 * 1024 * 1024
"""A seat that takes more after a run is given up."""

IDLE_S: Final = 60.0
"""A seat that nobody used for this long is closed."""

YIELDS_AFTER_S: Final = 10.0
"""A seat that nobody used for this long gives its place to another. It is as long as ``AGAIN_WITHIN_S``, so that runs
that come in turn never take a place from each other: what comes again soon enough for a seat has used its own since."""

GIVEN_UP: Final = ("run", "age", "answer", "scratch", "closed", "memory", "yielded", "idle")
"""Why the server gives up a seat that its keeper finds fit (``unfit.py`` has the keeper's reasons)."""

MOST_REMEMBERED_REWINDS: Final = 100_000


@dataclass(slots=True)
class RewoundCounts:
    """Events since the runner started. ``rewinds``: seconds from a run's end to a ready seat, and CPU seconds of its
    keeper, of the rewinds that nobody has collected yet."""

    made: int = 0
    not_made: int = 0
    ended: Counter[str] = field(default_factory=Counter)
    rewinds: deque[tuple[float, float]] = field(default_factory=lambda: deque(maxlen=MOST_REMEMBERED_REWINDS))


class Pool(Protocol):
    """The rewound seats of one dataset."""

    def forget(self, place: "Place") -> None:
        """Have a place no longer, because its seat is given up."""


@dataclass(slots=True, eq=False)
class Place:
    """What a rewound seat takes, from before it is made until its processes have ended. ``user``: for whom it is kept.

    ``seat`` is None while it is made. ``used_at``: when it began to wait.
    """

    pool: Pool
    user: str
    byte_count: int = BYTES
    seat: RewoundSeat | None = None
    used_at: float = 0.0


class RewoundPlaces:
    """The places of all datasets of a runner. ``lend`` must be called before there can be one."""

    def __init__(
        self, most_bytes: int, most_seats: int | None = None, now: Callable[[], float] = time.monotonic
    ) -> None:
        """``most_bytes``, ``most_seats``: of all seats together."""
        self.counts = RewoundCounts()
        self.credit = RewoundCredit()
        self.now = now
        self.used_bytes = 0
        """The bytes that are charged now."""
        self._most_bytes = most_bytes
        self._most_seats = most_seats
        self._free_bytes = 0
        self._places: set[Place] = set()
        self._waiting: dict[Place, None] = {}  # the least recently used is first
        self._making: Place | None = None
        self._closing: dict[Place, asyncio.Task[None]] = {}
        self._timer: asyncio.TimerHandle | None = None

    @property
    def count(self) -> int:
        """Return how many seats there are, with those that are made or closed now."""
        return len(self._places)

    @property
    def limit_bytes(self) -> int:
        """Return how much seats may take now."""
        return min(self._most_bytes, self._free_bytes)

    def lend(self, free_bytes: int) -> None:
        """Note how much of the cache's budget no dataset takes, and give up seats that take more."""
        self._free_bytes = free_bytes
        while self._stays_bytes > self.limit_bytes and self._waiting:
            self.give_up(next(iter(self._waiting)), "memory")

    def reserve(self, pool: Pool, user: str, payer: str, own: Iterable[Place] = ()) -> Place | None:
        """Return a place for a seat that is about to be made, paid by ``payer``; None if none may be made now.

        ``own``: the pool's places, if they are all that it may have, so that one of them must give way. One seat is
        made at a time. Call ``settled`` before its processes are forked.
        """
        if self._making is not None or not self.credit.covers_one(payer) or self.limit_bytes < BYTES:
            return None
        among = list(own) or (() if self._has_room else self._places)
        if among:
            victim = self._who_yields(among, user)
            if victim is None:
                return None
            self.give_up(victim, "yielded")
        if not self._has_room:
            return None
        self.credit.pay(payer)
        self._making = place = Place(pool, user)
        self._places.add(place)
        self.used_bytes += place.byte_count
        return place

    async def settled(self) -> None:
        """Wait until seats that were given up take no more memory."""
        await asyncio.gather(*self._closing.values(), return_exceptions=True)

    def made(self, place: Place, seat: RewoundSeat) -> None:
        """Note that the seat of a place was made."""
        place.seat = seat
        self._making = None
        self.counts.made += 1

    def not_made(self, place: Place) -> None:
        """Free a place whose seat could not be made."""
        self._making = None
        self._free(place)

    def wait(self, place: Place) -> bool:
        """Have a seat wait for its next run. Return False if it is given up instead, because it takes too much."""
        assert place.seat is not None
        self.used_bytes += place.seat.byte_count - place.byte_count
        place.byte_count = place.seat.byte_count
        if place.byte_count > MOST_SEAT_BYTES or self._stays_bytes > self.limit_bytes:
            self.give_up(place, "memory")
            return False
        place.used_at = self.now()
        self._waiting[place] = None
        self._look_later()
        return True

    def take(self, place: Place) -> None:
        """Note that a run takes a seat that waited."""
        del self._waiting[place]

    def give_up(self, place: Place, reason: str) -> "asyncio.Task[None]":
        """Close a seat in the background. Return the task that does it, which nobody has to wait for."""
        assert place.seat is not None
        self._waiting.pop(place, None)
        place.pool.forget(place)
        self.counts.ended[reason] += 1
        closing = self._closing[place] = asyncio.create_task(self._close(place, place.seat))
        return closing

    async def close(self) -> None:
        """Wait until all seats that were given up have ended. Datasets give up theirs when they close."""
        if self._timer is not None:
            self._timer.cancel()
        await self.settled()

    @property
    def _has_room(self) -> bool:
        """Return whether there is room for one more seat once those have ended that are given up."""
        has_number = self._most_seats is None or len(self._places) - len(self._closing) < self._most_seats
        return has_number and self._stays_bytes + BYTES <= self.limit_bytes

    @property
    def _stays_bytes(self) -> int:
        """Return what seats take once those have ended that are given up."""
        return self.used_bytes - sum(place.byte_count for place in self._closing)

    def _who_yields(self, places: Iterable[Place], user: str) -> Place | None:
        """Return which of these gives its place to a new seat of this user; None if none does."""
        among = [place for place in places if place not in self._closing]
        waiting = sorted((one for one in among if one in self._waiting), key=lambda one: one.used_at)
        if waiting and self.now() - waiting[0].used_at >= YIELDS_AFTER_S:
            return waiting[0]
        held = Counter(place.user for place in among)
        for place in waiting:
            most = max(held.values())
            if held[place.user] == most and most >= held[user] + 2:
                return place
        return None

    async def _close(self, place: Place, seat: RewoundSeat) -> None:
        try:
            await seat.close()
        finally:
            del self._closing[place]
            self._free(place)

    def _free(self, place: Place) -> None:
        self._places.discard(place)
        self.used_bytes -= place.byte_count

    def _look_later(self) -> None:
        """Look again when the least recently used seat will have waited for ``IDLE_S``."""
        if self._timer is None and self._waiting:
            oldest = next(iter(self._waiting))
            delay_s = max(0.0, oldest.used_at + IDLE_S - self.now())
            self._timer = asyncio.get_running_loop().call_later(delay_s, self.give_up_idle)

    def give_up_idle(self) -> None:
        """Give up the seats that nobody used for ``IDLE_S``."""
        self._timer = None
        while self._waiting:
            oldest = next(iter(self._waiting))
            if self.now() - oldest.used_at < IDLE_S:
                break
            self.give_up(oldest, "idle")
        self._look_later()
