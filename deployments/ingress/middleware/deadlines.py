"""Deadlines for waits of which nearly all are over at once: one timer looks after all of them.

``asyncio.timeout`` makes a timer for each wait, which takes longer than most of these waits. Here a wait that is too
long ends at the next look.
"""

import asyncio
from collections.abc import Awaitable
from typing import Final, TypeVar

T = TypeVar("T")

_LOOKS_A_DEADLINE: Final = 8
_MOST_BETWEEN_LOOKS_S: Final = 1.0


class Deadlines:
    """Use it in one event loop. ``shortest_s``: the shortest deadline that matters, of which a look is a fraction."""

    def __init__(self, shortest_s: float) -> None:
        self._every_s = min(_MOST_BETWEEN_LOOKS_S, shortest_s / _LOOKS_A_DEADLINE)
        self._waits: dict[_Wait, None] = {}
        self._timer: asyncio.TimerHandle | None = None

    async def within(self, seconds: float, awaited: Awaitable[T]) -> T:
        """Return what is awaited. Raise ``TimeoutError`` if it does not come within so many seconds."""
        task = asyncio.current_task()
        assert task is not None
        loop = asyncio.get_running_loop()
        wait = _Wait(task, loop.time() + seconds)
        self._waits[wait] = None
        if self._timer is None:
            self._timer = loop.call_later(self._every_s, self._look, loop)
        try:
            return await awaited
        except asyncio.CancelledError:
            if not wait.is_over or task.uncancel() > wait.cancelling:
                raise
            raise TimeoutError from None
        finally:
            del self._waits[wait]

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        for wait in self._waits:
            if wait.until <= now and not wait.is_over:
                wait.is_over = True
                wait.task.cancel()
        self._timer = loop.call_later(self._every_s, self._look, loop) if self._waits else None


class _Wait:
    """A task that waits, until when it may, and how often it had been cancelled before."""

    __slots__ = ("cancelling", "is_over", "task", "until")

    def __init__(self, task: "asyncio.Task[object]", until: float) -> None:
        self.task = task
        self.until = until
        self.cancelling = task.cancelling()
        self.is_over = False
