"""A runner's rewound seats without processes: seats that take no time, a clock that stands still, and a bill."""

import asyncio
from typing import Literal

from runtime.engines.rewound_credit import MAKING, REWOUND_RUN
from runtime.engines.rewound_places import RewoundPlaces
from runtime.engines.rewound_seats import RewoundSeats
from runtime.errors import RunInterrupted
from runtime.sandbox.host.rewound_seat import BYTES, RewoundSeat
from runtime.task import MIB, Limits, TaskSpec
from tests.tasks import spec
from tests.waiting import turns

USUAL_BYTES = 256 * MIB


def one_run(user: str, memory_bytes: int = USUAL_BYTES) -> TaskSpec:
    """A run of this user."""
    return spec(f"# by {user}", user=user, memory_bytes=memory_bytes)


class FakeSeat(RewoundSeat):
    """A seat that is rewound at once, or ends for the reason ``unfit``."""

    def __init__(self, limits: Limits) -> None:
        self._fixed = self.fixed_limits(limits)
        self.byte_count = BYTES
        self.rewind_cpu_s = 0.001
        self.unfit: str | None = None
        self.ended = False
        self.may_end = asyncio.Event()  # a rewind
        self.may_end.set()

    @property
    def alive(self) -> bool:
        return not self.ended

    @property
    def is_idle(self) -> bool:
        return not self.ended

    def mark_idle(self) -> None:
        pass

    async def rewind(self) -> str | None:
        await self.may_end.wait()
        return self.unfit

    async def close(self) -> None:
        self.ended = True


class FakeRunner:
    """The rewound seats of a runner's datasets, each with ``most``. ``room``: for how many there is memory in all."""

    def __init__(self, most: int = 2, room: int = 100, between: Literal["same_user", "any_user"] = "same_user") -> None:
        self.clock = 0.0
        self.places = RewoundPlaces(room * BYTES, now=lambda: self.clock)
        self.places.lend(room * BYTES)
        self._most = most
        self._between = between
        self._pools: dict[str, RewoundSeats] = {}
        self.makes_fail = False
        self.unfit: str | None = None
        """Why each seat ends that is made from now on; None if it stays."""
        self.sources: list[str] = []
        """The texts that were compiled beforehand."""
        self.runs = self.forks = self.makings = 0

    def pool(self, dataset: str = "d") -> RewoundSeats:
        if dataset not in self._pools:
            self._pools[dataset] = RewoundSeats(self._most, self._between, self.places, self._make)
        return self._pools[dataset]

    async def _make(self, limits: Limits, source: str) -> RewoundSeat:
        self.makings += 1
        self.sources.append(source)
        await asyncio.sleep(0)
        if self.makes_fail:
            raise RunInterrupted("no", retry_after_s=1)
        seat = FakeSeat(limits)
        seat.unfit = self.unfit
        return seat

    async def run(
        self, user: str, dataset: str = "d", *, memory_bytes: int = USUAL_BYTES, after_s: float = 0.05
    ) -> bool:
        """A run and its end, some time after the last one. Return whether it had a rewound seat."""
        return await self.run_together([user], dataset, memory_bytes=memory_bytes, after_s=after_s) == 1

    async def run_together(
        self, users: list[str], dataset: str = "d", *, memory_bytes: int = USUAL_BYTES, after_s: float = 0.05
    ) -> int:
        """Runs that begin before one of them ends. Return how many had a rewound seat."""
        self.clock += after_s
        pool = self.pool(dataset)
        specs = [one_run(user, memory_bytes) for user in users]
        seats = await asyncio.gather(*(pool.take(one) for one in specs))
        for seat, one in zip(seats, specs, strict=True):
            self.runs += 1
            if seat is None:
                self.forks += 1
                pool.consider(one)
            else:
                await pool.give_back(seat, one)
        await turns()
        assert self.places.used_bytes <= self.places.limit_bytes
        return sum(seat is not None for seat in seats)

    @property
    def cost(self) -> float:
        """What all runs have cost, in forks."""
        return self.forks + REWOUND_RUN * (self.runs - self.forks) + MAKING * self.makings
