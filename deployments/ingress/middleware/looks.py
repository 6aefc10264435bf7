"""One timer that looks after all requests: a timer or a task for each would take longer than most of them do."""

import asyncio
from typing import Final, Protocol

LOOK_S: Final = 0.1
"""The longest time between two looks."""

_LOOKS_A_DEADLINE: Final = 8


class Looked(Protocol):
    """What is looked after."""

    def look(self, now: float) -> None:
        """Notice what has become of it. ``now`` is the time of the event loop. Called again and again; never waits."""


class Looks:
    """Use it in one event loop. ``shortest_s``: the shortest deadline that matters, of which a look is a fraction."""

    def __init__(self, shortest_s: float) -> None:
        self._every_s = min(LOOK_S, shortest_s / _LOOKS_A_DEADLINE)
        self._going_on: dict[Looked, None] = {}
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, one: Looked) -> None:
        """Look after it from now on."""
        self._going_on[one] = None
        if self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(self._every_s, self._look, loop)

    def end(self, one: Looked) -> None:
        """Look after it no more. Idempotent."""
        self._going_on.pop(one, None)

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        for one in list(self._going_on):
            one.look(now)
        self._timer = loop.call_later(self._every_s, self._look, loop) if self._going_on else None
