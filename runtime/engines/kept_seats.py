"""Seats that wait for the next run of the same user on the same dataset, for operators who prefer speed to a fresh
process for each run."""

import asyncio
from typing import Final

from runtime.sandbox.host.seat import SeatProcess
from runtime.task import Limits

LOOK_S: Final = 1.0
"""Interval at which a waiting seat is checked."""

MOST_LOOKS: Final = 60
"""A seat that has waited for this many checks is closed."""


class KeptSeats:
    """At most ``most`` waiting seats of one dataset.

    One that computes while it waits, holds deleted files, or waits a minute, is closed.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._waiting: list[_Waiting] = []
        self._closing: set[asyncio.Task[None]] = set()  # the loop holds only weak references

    def take(self, owner: str, limits: Limits) -> SeatProcess | None:
        """Take out the newest seat of this owner that accepts a run with these limits; None if there is none."""
        for waiting in reversed(self._waiting):
            if waiting.owner == owner and waiting.seat.accepts(limits):
                self._remove(waiting)
                return waiting.seat
        return None

    def keep(self, owner: str, seat: SeatProcess) -> bool:
        """Have a seat wait for its owner, and close the oldest if there are too many. Return whether it can be kept."""
        if not (self._most and seat.reusable and seat.alive):
            return False
        while len(self._waiting) >= self._most:
            self._close(self._waiting[0])
        seat.mark_idle()
        seat.kind = "reused"
        waiting = _Waiting(owner, seat)
        self._waiting.append(waiting)
        self._look_later(waiting)
        return True

    def clear(self) -> list[SeatProcess]:
        """Take out all seats, for the caller to close."""
        waiting, self._waiting = self._waiting, []
        for one in waiting:
            one.stop_looking()
        return [one.seat for one in waiting]

    def _look_later(self, waiting: "_Waiting") -> None:
        waiting.timer = asyncio.get_running_loop().call_later(LOOK_S, self._look, waiting)

    def _look(self, waiting: "_Waiting") -> None:
        waiting.looks += 1
        if waiting.looks >= MOST_LOOKS or not waiting.seat.is_idle:
            return self._close(waiting)
        self._look_later(waiting)
        if waiting.looks == 1:  # not before, because the next run may come at once
            looking = asyncio.create_task(self._look_at_files(waiting))
            self._closing.add(looking)
            looking.add_done_callback(self._closing.discard)

    async def _look_at_files(self, waiting: "_Waiting") -> None:
        if await waiting.seat.holds_deleted_files() and waiting in self._waiting:
            self._close(waiting)

    def _remove(self, waiting: "_Waiting") -> None:
        waiting.stop_looking()
        self._waiting.remove(waiting)

    def _close(self, waiting: "_Waiting") -> None:
        self._remove(waiting)
        closing = asyncio.create_task(waiting.seat.close())
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)


class _Waiting:
    """A waiting seat, its owner, and how often it was checked."""

    def __init__(self, owner: str, seat: SeatProcess) -> None:
        self.owner = owner
        self.seat = seat
        self.looks = 0
        self.timer: asyncio.TimerHandle | None = None

    def stop_looking(self) -> None:
        if self.timer is not None:
            self.timer.cancel()
