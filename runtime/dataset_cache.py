"""The dataset cache of a runner: bounds in bytes and number, eviction by users' shares, one load at a time per dataset.

An entry that a run uses is pinned and never evicted. A dataset is charged the size of its files before it is loaded,
and the engine's figure afterwards. So the budget is exceeded at most by the error of one estimate.

If room is short, datasets go first that nobody used for a while. Then the user who holds the most gives way, with the
dataset that they used least recently. Nobody gives way to a user who would then hold more, unless that user holds
nothing else: a single dataset may fill the cache. A dataset that several users use is charged to the one who had it
loaded, until somebody uses it who holds less: so nobody can drive out a dataset that others use too.
"""

import asyncio
import heapq
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from runtime.engines.base import DatasetSource, LoadedDataset, MakeRoom
from runtime.errors import DatasetTooLarge, Overloaded
from runtime.turns import Turns

ROOM_TIMEOUT_S: Final = 30.0
"""How long a run waits for others to release the datasets that fill the cache."""

STALE_S: Final = 600.0
"""A dataset that nobody used for so long goes before all others, whatever its user holds."""

SPARED: Final = 8
"""A user whose runs use datasets here cannot take the last eighth of the cache for more of them."""

_MOST_WAITING: Final = 1_000_000
"""No bound: a run with a seat waits for each load."""

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
    user: str
    charge_bytes: int
    used_at: float
    loading: "asyncio.Task[LoadedDataset]"
    pins: int = 0
    waiters: set[object] = field(default_factory=set)

    @property
    def loaded(self) -> LoadedDataset | None:
        done = self.loading.done() and not self.loading.cancelled() and self.loading.exception() is None
        return self.loading.result() if done else None

    @property
    def is_in_use(self) -> bool:
        return self.pins > 0 or not self.loading.done()


class DatasetCache:
    """Loaded datasets by content key."""

    def __init__(
        self,
        load: Load,
        budget_bytes: int,
        most_datasets: int,
        concurrent_loads: int = 3,
        lend: Callable[[int], None] | None = None,
    ) -> None:
        """``most_datasets``: the most that are held at a time, whatever their size. Users have turns at loading.

        ``lend``: told how many bytes of the budget no dataset takes, now and whenever that changes. What uses them has
        to give them up when it is told of fewer, so no dataset ever waits or makes room for it.
        """
        self._load = load
        self._lend = lend
        self.budget_bytes = budget_bytes
        self.most_datasets = most_datasets
        self.counts = CacheCounts()
        self.used_bytes = 0
        """The bytes that are charged now."""
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self._held: Counter[str] = Counter()
        """What each user holds, in bytes. A small dataset counts as the average of a cache with the most datasets."""
        self._loads = Turns(concurrent_loads, queue=_MOST_WAITING, spared=min(1, concurrent_loads - 1))
        self._in_use: set[_Entry] = set()
        """Those that are pinned, at most one for each run: every run that waits for room looks at all of them."""
        self._changed = asyncio.Condition()
        self._closing: set[asyncio.Task[None]] = set()
        self._count_free()

    @property
    def dataset_ids(self) -> list[str]:
        """The ids of the cached datasets, most recently used last."""
        return [key.partition("/")[0] for key in self._entries]

    def holds(self, source: DatasetSource) -> bool:
        """Return whether the dataset is loaded or being loaded."""
        entry = self._entries.get(source.key)
        return entry is not None and not self._is_dead(entry)

    @asynccontextmanager
    async def pinned(self, source: DatasetSource, user: str) -> AsyncIterator[LoadedDataset]:
        """Yield the loaded dataset, which stays in the cache while the block runs.

        ``user``: who is charged if the dataset has to be loaded.
        Raises ``DatasetTooLarge``, ``NoRoom``, and what the engine's load raises; ``DescriptionNeeded`` if the dataset
        is not here and comes without its description.
        """
        entry = self._entry(source, user)
        entry.pins += 1
        self._in_use.add(entry)
        try:
            yield await self._wait_loaded(source.key, entry)
        finally:
            entry.pins -= 1
            entry.used_at = self._now()
            if not entry.pins:
                self._in_use.discard(entry)
                async with self._changed:
                    self._changed.notify_all()

    async def room_for(self, source: DatasetSource, user: str, until: float) -> None:
        """Return once the dataset may have room, by ``until`` on the loop's clock. Raise ``Overloaded``."""
        try:
            async with asyncio.timeout_at(until), self._changed:
                await self._changed.wait_for(lambda: self._may_have_room(source, user))
        except TimeoutError:
            text = "the dataset cache has no room for this dataset while runs use the others in it; try again later"
            raise Overloaded(text, retry_after_s=10) from None

    async def evict(self, dataset_id: str) -> None:
        """Forget a dataset. Runs that use it finish first."""
        for key in [key for key in self._entries if key.partition("/")[0] == dataset_id]:
            self._close_later(self._remove(key))

    async def close(self) -> None:
        """Close every dataset, even one in use."""
        entries = [self._remove(key) for key in list(self._entries)]
        for entry in entries:
            entry.loading.cancel()
        loaded = [entry.loaded for entry in entries if entry.loaded is not None]
        await asyncio.gather(*(dataset.close() for dataset in loaded), *self._closing, return_exceptions=True)

    def _entry(self, source: DatasetSource, user: str) -> _Entry:
        if source.byte_count > self.budget_bytes:
            raise DatasetTooLarge(
                f"dataset {source.dataset_id} has {source.byte_count} bytes; the dataset cache of this server has only "
                f"{self.budget_bytes} bytes",
                dataset_id=source.dataset_id,
                limit_name="cache_bytes",
                limit=self.budget_bytes,
                observed=source.byte_count,
            )
        key = source.key
        entry = self._entries.get(key)
        if entry is not None and not self._is_dead(entry):
            self._entries.move_to_end(key)
            entry.used_at = self._now()
            if entry.user != user:
                self._charge_to_lesser(entry, user)
            self.counts.hits += 1
            return entry
        if entry is not None:
            self._close_later(self._remove(key))
        source.description()  # before others have to make room
        victims = self._victims(user, source.byte_count)
        if victims is None:
            raise NoRoom
        self._evict_all(victims)
        self.counts.loads += 1
        entry = _Entry(user, source.byte_count, self._now(), asyncio.create_task(self._loaded(source, user)))
        self._entries[key] = entry
        self._count(entry, 1)
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
                if self._entries.get(key) is entry:
                    self._remove(key)
            raise
        except Exception:
            if self._entries.get(key) is entry:
                self._remove(key)
            raise
        finally:
            entry.waiters.discard(waiter)

    async def _loaded(self, source: DatasetSource, user: str) -> LoadedDataset:
        entry = self._entries.get(source.key)
        async with self._loads.place(user):
            loaded = await self._load(source, partial(self._evict_one, user))
        if entry is not None and self._entries.get(source.key) is entry:
            self._count(entry, -1)
            entry.charge_bytes = loaded.charge_bytes
            self._count(entry, 1)
            self._evict_all(self._victims_of_swelling(entry))
        return loaded

    def _is_dead(self, entry: _Entry) -> bool:
        if not entry.loading.done():
            return False
        return entry.loaded is None or not entry.loaded.alive

    def _victims(self, user: str, byte_count: int) -> list[str] | None:
        """Return the keys to evict so that a user's new dataset has room. None: it has no room now."""
        if not self._may_use(user, byte_count):
            return None
        more = self._weight(byte_count)
        return self._first_victims(self._in_order(user, more), byte_count, 1)

    def _may_use(self, user: str, byte_count: int) -> bool:
        """Return False if datasets in use leave no room, for this user, for one more in use."""
        in_use = self._in_use
        spares = any(entry.user == user for entry in in_use)
        most_bytes, most = self.budget_bytes, self.most_datasets
        if spares:
            most_bytes, most = most_bytes - most_bytes // SPARED, most - most // SPARED
        return sum(entry.charge_bytes for entry in in_use) + byte_count <= most_bytes and len(in_use) < most

    def _victims_of_swelling(self, entry: _Entry) -> list[str]:
        """Return the keys to evict if a dataset takes more than its files. It is in memory, whatever the shares."""
        order = list(self._in_order(entry.user, 0, takes_all=True))
        victims = self._first_victims(iter(order), 0, 0)
        return order if victims is None else victims

    def _first_victims(self, order: Iterator[str], byte_count: int, number: int) -> list[str] | None:
        """Return as many of the keys as make room. None: all of them do not."""
        over_bytes = self.used_bytes + byte_count - self.budget_bytes
        over = len(self._entries) + number - self.most_datasets
        victims = []
        while over_bytes > 0 or over > 0:
            key = next(order, None)
            if key is None:
                return None
            victims.append(key)
            over_bytes -= self._entries[key].charge_bytes
            over -= 1
        return victims

    def _in_order(self, user: str, more: int, *, takes_all: bool = False) -> Iterator[str]:
        """Yield the keys of what is not in use and gives way to a user who would hold so much more, first one first.

        ``takes_all``: those whose users hold less come last. Else they do not come, unless the user holds nothing else.
        """
        held = self._held.copy()
        held[user] += more
        stale_since = self._now() - STALE_S
        unused: defaultdict[str, deque[tuple[int, str]]] = defaultdict(deque)
        for position, (key, entry) in enumerate(self._entries.items()):
            if entry.is_in_use:
                continue
            if entry.used_at < stale_since:
                held[entry.user] -= self._weight(entry.charge_bytes)
                yield key
            else:
                unused[entry.user].append((position, key))

        def rank(one: str) -> tuple[int, bool, int, str]:
            """Of users who hold as much, the one comes first whose dataset was used least recently."""
            return -held[one], one != user, unused[one][0][0] if unused[one] else -1, one

        greediest = [rank(one) for one in held]
        heapq.heapify(greediest)
        while greediest:
            one = heapq.heappop(greediest)[-1]
            if unused[one]:
                key = unused[one].popleft()[1]
                held[one] -= self._weight(self._entries[key].charge_bytes)
                heapq.heappush(greediest, rank(one))
                yield key
            elif one == user and held[one] > more and not takes_all:
                return

    async def _evict_one(self, user: str) -> bool:
        """Evict one dataset for a user's new one, and wait until it is gone. False: runs use all."""
        key = next(self._in_order(user, 0, takes_all=True), None)
        if key is None:
            return False
        self.counts.evictions += 1
        loaded = self._remove(key).loaded
        if loaded is not None:
            await loaded.close()
        return True

    def _may_have_room(self, source: DatasetSource, user: str) -> bool:
        return source.key in self._entries or self._victims(user, source.byte_count) is not None

    def _charge_to_lesser(self, entry: _Entry, user: str) -> None:
        """Charge a dataset to a user who uses it too, if they hold less than who is charged now."""
        weight = self._weight(entry.charge_bytes)
        if self._held[user] + weight < self._held[entry.user]:
            self._count(entry, -1)
            entry.user = user
            self._count(entry, 1)

    def _weight(self, charge_bytes: int) -> int:
        return max(charge_bytes, self.budget_bytes // self.most_datasets, 1)

    def _count(self, entry: _Entry, sign: int) -> None:
        """Count an entry, with sign 1, or count it no longer, with -1."""
        self.used_bytes += sign * entry.charge_bytes
        self._held[entry.user] += sign * self._weight(entry.charge_bytes)
        if not self._held[entry.user]:
            del self._held[entry.user]
        self._count_free()

    def _count_free(self) -> None:
        if self._lend is not None:
            self._lend(max(0, self.budget_bytes - self.used_bytes))

    def _remove(self, key: str) -> _Entry:
        entry = self._entries.pop(key)
        self._count(entry, -1)
        return entry

    def _evict_all(self, keys: list[str]) -> None:
        for key in keys:
            self.counts.evictions += 1
            self._close_later(self._remove(key))

    def _close_later(self, entry: _Entry) -> None:
        task = asyncio.create_task(self._close_unpinned(entry))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    async def _close_unpinned(self, entry: _Entry) -> None:
        async with self._changed:
            await self._changed.wait_for(lambda: entry.pins == 0)
        if entry.loaded is not None:
            await entry.loaded.close()

    def _now(self) -> float:
        return asyncio.get_running_loop().time()
