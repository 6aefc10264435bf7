"""Processes that make a context before anybody needs one, because that takes half a second or more."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Generic, Protocol, TypeVar

from runtime.errors import RuntimeFailure


class Waiting(Protocol):
    """A process that waits for work."""

    @property
    def pid(self) -> int: ...

    @property
    def alive(self) -> bool:
        """Return whether the process can still take work."""

    async def close(self) -> None:
        """End the process."""


T = TypeVar("T", bound=Waiting)


class WarmPool(Generic[T]):
    """Keeps ``spares`` processes waiting. ``make`` makes one, and may raise ``RuntimeFailure``."""

    def __init__(self, make: Callable[[], Awaitable[T]], spares: int) -> None:
        self._make = make
        self._spares = spares
        self._waiting: list[T] = []
        self._filling: asyncio.Task[None] | None = None
        self._closed = False

    @property
    def pids(self) -> list[int]:
        """Pids of the processes that wait."""
        return [process.pid for process in self._waiting]

    async def take(self) -> T:
        """Return a process that waits, else a new one. Raises ``RunInterrupted``, ``EngineUnavailable``."""
        if not self._waiting and self._spares == 1 and self._filling is not None and not self._filling.done():
            await asyncio.shield(self._filling)  # the process that is being made is ready before a new one would be
        while self._waiting:
            process = self._waiting.pop(0)
            if process.alive:
                return process
            await process.close()
        return await self._make()

    def refill(self) -> None:
        """Make missing processes in the background."""
        if not self._closed and (self._filling is None or self._filling.done()):
            self._filling = asyncio.create_task(self._fill())

    async def close(self) -> None:
        """End all processes that wait."""
        self._closed = True
        if self._filling is not None:
            self._filling.cancel()
            await asyncio.gather(self._filling, return_exceptions=True)
        waiting, self._waiting = self._waiting, []
        await asyncio.gather(*(process.close() for process in waiting))

    async def _fill(self) -> None:
        with suppress(RuntimeFailure):  # the next run tries again, and its caller learns why it fails
            while not self._closed and len(self._waiting) < self._spares:
                self._waiting.append(await self._make())
