"""Processes that have a context before anybody needs one: to make it takes half a second or more."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Generic, Protocol, TypeVar

from runtime.errors import RuntimeFailure


class Waiting(Protocol):
    """A process that waits for its work."""

    @property
    def pid(self) -> int:
        """Of the process."""

    @property
    def alive(self) -> bool:
        """Whether it can still take it."""

    async def close(self) -> None:
        """End it."""


T = TypeVar("T", bound=Waiting)


class WarmPool(Generic[T]):
    """Keeps ``spares`` processes waiting, of no dataset yet. ``make`` makes one, and may raise ``RuntimeFailure``."""

    def __init__(self, make: Callable[[], Awaitable[T]], spares: int) -> None:
        self._make = make
        self._spares = spares
        self._waiting: list[T] = []
        self._filling: asyncio.Task[None] | None = None
        self._closed = False

    @property
    def pids(self) -> list[int]:
        """Of those that wait."""
        return [process.pid for process in self._waiting]

    async def take(self) -> T:
        """One that waits, else a new one. Raises ``RunInterrupted``, ``EngineUnavailable``."""
        if not self._waiting and self._spares == 1 and self._filling is not None and not self._filling.done():
            await asyncio.shield(self._filling)  # the one that is being made is as soon there as another would be
        while self._waiting:
            process = self._waiting.pop(0)
            if process.alive:
                return process
            await process.close()
        return await self._make()

    def refill(self) -> None:
        """Make those that are missing, beside other work."""
        if not self._closed and (self._filling is None or self._filling.done()):
            self._filling = asyncio.create_task(self._fill())

    async def close(self) -> None:
        """End all that wait."""
        self._closed = True
        if self._filling is not None:
            self._filling.cancel()
            await asyncio.gather(self._filling, return_exceptions=True)
        waiting, self._waiting = self._waiting, []
        await asyncio.gather(*(process.close() for process in waiting))

    async def _fill(self) -> None:
        with suppress(RuntimeFailure):  # the next run makes one, and is told why there is none
            while not self._closed and len(self._waiting) < self._spares:
                self._waiting.append(await self._make())
