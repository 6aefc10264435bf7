"""Descriptors of stored tables, opened in a thread so that the event loop goes on."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Final

from runtime.datasets.store.base import Store

_OPENERS: Final = ThreadPoolExecutor(64, thread_name_prefix="open")
"""Threads that only open tables, which takes long if a remote store is slow. Turns at seats leave some to each user."""


@asynccontextmanager
async def opened(store: Store, object_ids: Sequence[str]) -> AsyncIterator[list[int]]:
    """Open one descriptor per object, in their order, and close them when the block ends.

    A remote store may have to fetch the objects first. Raises as ``Store.open_object``.
    """
    opening = asyncio.get_running_loop().run_in_executor(_OPENERS, _open_all, store, object_ids)
    try:
        descriptors = await asyncio.shield(opening)
    except asyncio.CancelledError:
        opening.add_done_callback(_close_result)  # the thread goes on, and nobody else closes what it opens
        raise
    try:
        yield descriptors
    finally:
        close_all(descriptors)


def _open_all(store: Store, object_ids: Sequence[str]) -> list[int]:
    descriptors: list[int] = []
    try:
        for object_id in object_ids:
            descriptors.append(store.open_object(object_id))
    except BaseException:
        close_all(descriptors)
        raise
    return descriptors


def _close_result(opening: "asyncio.Future[list[int]]") -> None:
    if not opening.cancelled() and opening.exception() is None:
        close_all(opening.result())


def close_all(descriptors: Iterable[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)
