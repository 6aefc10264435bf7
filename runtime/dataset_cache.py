"""The dataset cache of a runner: a byte budget, eviction of the least recently used, one load at a time per dataset.

An entry that a run uses is pinned and never evicted. A dataset is charged the size of its files before it is loaded,
and the engine's figure afterwards. So the budget is exceeded at most by the error of one estimate.
"""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

from runtime.engines.base import DatasetSource, LoadedDataset, MakeRoom
from runtime.errors import DatasetTooLarge, Overloaded

ROOM_TIMEOUT_S: Final = 30.0
"""How long a run waits for others to release the datasets that fill the cache."""

Load = Callable[[DatasetSource, MakeRoom], Awaitable[LoadedDataset]]


class NoRoom(Exception):
    """Runs use the datasets that fill the cache. ``DatasetCache.room_for`` waits until there is room."""


@dataclass(slots=True)
class CacheCounts:
    """Events since the cache was made."""

    hits: int = 0
    loads: int = 0
    evictions: int = 0


@dataclass(slots=True, eq=False)
class _Entry:
    charge_bytes: int
    loading: "asyncio.Task[LoadedDataset]"
    pins: int = 0
    waiters: set[object] = field(default_factory=set)

    @property
    def loaded(self) -> LoadedDataset | None:
        done = self.loading.done() and not self.loading.cancelled() and self.loading.exception() is None
        return self.loading.result() if done else None


class DatasetCache:
    """Loaded datasets by content key."""

    def __init__(self, load: Load, budget_bytes: int) -> None:
        self._load = load
        self.budget_bytes = budget_bytes
        self.counts = CacheCounts()
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self._changed = asyncio.Condition()
        self._closing: set[asyncio.Task[None]] = set()

    @property
    def used_bytes(self) -> int:
        """The bytes that are charged now."""
        return sum(entry.charge_bytes for entry in self._entries.values())

    @property
    def dataset_ids(self) -> list[str]:
        """The ids of the cached datasets, most recently used last."""
        return [key.partition("/")[0] for key in self._entries]

    def holds(self, source: DatasetSource) -> bool:
        """Return whether the dataset is loaded or being loaded."""
        entry = self._entries.get(source.key)
        return entry is not None and not self._is_dead(entry)

    @asynccontextmanager
    async def pinned(self, source: DatasetSource) -> AsyncIterator[LoadedDataset]:
        """Yield the loaded dataset, which stays in the cache while the block runs.

        Raises ``DatasetTooLarge``, ``NoRoom``, and what the engine's load raises; ``DescriptionNeeded`` if the dataset
        is not here and comes without its description.
        """
        entry = self._entry(source)
        entry.pins += 1
        try:
            yield await self._wait_loaded(source.key, entry)
        finally:
            entry.pins -= 1
            async with self._changed:
                self._changed.notify_all()

    async def room_for(self, source: DatasetSource, until: float) -> None:
        """Return once the dataset may have room, by ``until`` on the loop's clock. Raise ``Overloaded``."""
        try:
            async with asyncio.timeout_at(until), self._changed:
                await self._changed.wait_for(lambda: self._may_have_room(source))
        except TimeoutError:
            text = "the dataset cache is full and every dataset in it is in use; try again later"
            raise Overloaded(text, retry_after_s=10) from None

    async def evict(self, dataset_id: str) -> None:
        """Forget a dataset. Runs that use it finish first."""
        for key in [key for key in self._entries if key.partition("/")[0] == dataset_id]:
            entry = self._entries.pop(key)
            self._close_later(entry)

    async def close(self) -> None:
        """Close every dataset, even one in use."""
        entries, self._entries = list(self._entries.values()), OrderedDict()
        for entry in entries:
            entry.loading.cancel()
        loaded = [entry.loaded for entry in entries if entry.loaded is not None]
        await asyncio.gather(*(dataset.close() for dataset in loaded), *self._closing, return_exceptions=True)

    def _entry(self, source: DatasetSource) -> _Entry:
        if source.byte_count > self.budget_bytes:
            raise DatasetTooLarge(
                f"dataset {source.dataset_id} has {source.byte_count} bytes; the dataset cache of this server has only "
                f"{self.budget_bytes} bytes",
                dataset_id=source.dataset_id,
                limit_name="cache_bytes",
                limit=self.budget_bytes,
                observed=source.byte_count,
            )
        entry = self._entries.get(source.key)
        if entry is not None and not self._is_dead(entry):
            self._entries.move_to_end(source.key)
            self.counts.hits += 1
            return entry
        if entry is not None:
            self._discard(source.key, entry)
        source.description()  # before others have to make room
        if not self._make_room(source.byte_count):
            raise NoRoom
        self.counts.loads += 1
        entry = _Entry(source.byte_count, asyncio.create_task(self._loaded(source)))
        self._entries[source.key] = entry
        return entry

    async def _wait_loaded(self, key: str, entry: _Entry) -> LoadedDataset:
        waiter = object()
        entry.waiters.add(waiter)
        try:
            return await asyncio.shield(entry.loading)
        except asyncio.CancelledError:
            # The load ends when the last caller gives up.
            if entry.waiters == {waiter} and not entry.loading.done():
                entry.loading.cancel()
                self._entries.pop(key, None)
            raise
        except Exception:
            if self._entries.get(key) is entry:
                del self._entries[key]
            raise
        finally:
            entry.waiters.discard(waiter)

    async def _loaded(self, source: DatasetSource) -> LoadedDataset:
        loaded = await self._load(source, self._evict_one)
        entry = self._entries.get(source.key)
        if entry is not None:
            entry.charge_bytes = loaded.charge_bytes
            self._make_room(0)
        return loaded

    def _is_dead(self, entry: _Entry) -> bool:
        if not entry.loading.done():
            return False
        return entry.loaded is None or not entry.loaded.alive

    def _make_room(self, byte_count: int) -> bool:
        """Evict the least recently used until ``byte_count`` more fit. False: pinned datasets leave no room."""
        for key, entry in list(self._entries.items()):
            if self.used_bytes + byte_count <= self.budget_bytes:
                break
            if entry.pins == 0 and entry.loading.done():
                self.counts.evictions += 1
                self._discard(key, entry)
        return self.used_bytes + byte_count <= self.budget_bytes

    async def _evict_one(self) -> bool:
        """Evict the least recently used dataset that no run uses, and wait until it is gone. False: there is none."""
        for key, entry in list(self._entries.items()):
            if entry.pins == 0 and entry.loaded is not None:
                self.counts.evictions += 1
                del self._entries[key]
                await entry.loaded.close()
                return True
        return False

    def _may_have_room(self, source: DatasetSource) -> bool:
        in_use = sum(entry.charge_bytes for entry in self._entries.values() if entry.pins or not entry.loading.done())
        return source.key in self._entries or in_use + source.byte_count <= self.budget_bytes

    def _discard(self, key: str, entry: _Entry) -> None:
        del self._entries[key]
        self._close_later(entry)

    def _close_later(self, entry: _Entry) -> None:
        task = asyncio.create_task(self._close_unpinned(entry))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def _close_unpinned(self, entry: _Entry) -> None:
        async with self._changed:
            await self._changed.wait_for(lambda: entry.pins == 0)
        if entry.loaded is not None:
            await entry.loaded.close()
