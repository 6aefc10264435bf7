"""Finishes what has begun to change something, so that no caller can leave between a change and its line of audit."""

import asyncio
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

T = TypeVar("T")

_GOING_ON: Final[set[asyncio.Task[Any]]] = set()
"""The event loop itself keeps only weak references."""


async def finished(work: Coroutine[Any, Any, T]) -> T:
    """Return what the work returns. It goes on to its end, also if the task that waits for it is cancelled."""
    task = asyncio.create_task(work)
    _GOING_ON.add(task)
    task.add_done_callback(_forget)
    return await asyncio.shield(task)


def _forget(task: asyncio.Task[Any]) -> None:
    _GOING_ON.discard(task)
    if not task.cancelled():
        task.exception()  # if nobody waits any more, nobody else asks for it
