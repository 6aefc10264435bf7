"""Seats that wait for the next run of the same user on the same dataset, where the operator prefers speed to a fresh
process for each run."""

import asyncio
from typing import Final

from runtime.sandbox.host.seat import SeatProcess
from runtime.task import Limits

LOOK_S: Final = 1.0
"""How often a seat that waits is looked at."""

MOST_LOOKS: Final = 60
"""After so many it is given up."""


class KeptSeats:
    """At most ``most`` seats of one dataset. One that computes while it waits, or waits for a minute, is closed."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._waiting: list[_Waiting] = []
        self._closing: set[asyncio.Task[None]] = set()  # the loop itself would let go of them

    def take(self, owner: str, limits: Limits) -> SeatProcess | None:
        """The owner's last one that takes a run with these limits."""
        for waiting in reversed(self._waiting):
            if waiting.owner == owner and waiting.seat.accepts(limits):
                self._remove(waiting)
                return waiting.seat
        return None

    def keep(self, owner: str, seat: SeatProcess) -> bool:
        """Have a seat wait for its owner; the one that waits longest makes room. Whether it can be used again."""
        if not (self._most and seat.reusable and seat.alive):
            return False
        while len(self._waiting) >= self._most:
            self._close(self._waiting[0])
        seat.mark_idle()
        waiting = _Waiting(owner, seat)
        self._waiting.append(waiting)
        self._look_later(waiting)
        return True

    def clear(self) -> list[SeatProcess]:
        """Let go of all; they are the caller's to close."""
        waiting, self._waiting = self._waiting, []
        for one in waiting:
            one.stop_looking()
        return [one.seat for one in waiting]

    def _look_later(self, waiting: "_Waiting") -> None:
        waiting.timer = asyncio.get_running_loop().call_later(LOOK_S, self._look, waiting)

    def _look(self, waiting: "_Waiting") -> None:
        waiting.looks += 1
        if waiting.looks >= MOST_LOOKS or not waiting.seat.is_idle:
            self._close(waiting)
        else:
            self._look_later(waiting)

    def _remove(self, waiting: "_Waiting") -> None:
        waiting.stop_looking()
        self._waiting.remove(waiting)

    def _close(self, waiting: "_Waiting") -> None:
        self._remove(waiting)
        closing = asyncio.create_task(waiting.seat.close())
        self._closing.add(closing)
        closing.add_done_callback(self._closing.discard)


class _Waiting:
    """A seat, whose it is, and how often it was looked at."""

    def __init__(self, owner: str, seat: SeatProcess) -> None:
        self.owner = owner
        self.seat = seat
        self.looks = 0
        self.timer: asyncio.TimerHandle | None = None

    def stop_looking(self) -> None:
        if self.timer is not None:
            self.timer.cancel()
