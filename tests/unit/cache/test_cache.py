"""The dataset cache: byte budget, single flight, pins."""

import asyncio

import pytest

from runtime.dataset_cache import DatasetCache, NoRoom
from runtime.engines.base import DatasetSource, MakeRoom
from runtime.errors import DatasetTooLarge, DatasetUnreadable, Overloaded
from runtime.sandbox.host.seat import SeatProcess
from runtime.task import TaskSpec
from tests.waiting import eventually_async, turns

pytestmark = pytest.mark.anyio


class FakeDataset:
    """Stands for a holder: what the cache sees of one."""

    def __init__(self, charge_bytes: int) -> None:
        self.charge_bytes = charge_bytes
        self.load_s = 0.0
        self.alive = True

    async def take_seat(self, spec: TaskSpec) -> SeatProcess:
        raise NotImplementedError

    async def give_back(self, seat: SeatProcess, spec: TaskSpec) -> None:
        raise NotImplementedError

    def refill(self) -> None:
        pass

    async def close(self) -> None:
        self.alive = False


class Loads:
    """A load that takes a turn of the loop and remembers what it was asked for."""

    def __init__(self, extra_bytes: int = 0) -> None:
        self.names: list[str] = []
        self.fail = False
        self.needs_room_of_others = False
        self.made_room: list[bool] = []
        self._extra = extra_bytes

    async def __call__(self, source: DatasetSource, make_room: MakeRoom) -> FakeDataset:
        self.names.append(source.dataset_id)
        if self.needs_room_of_others:
            self.made_room.append(await make_room())
        await asyncio.sleep(0)
        if self.fail:
            raise DatasetUnreadable("broken")
        return FakeDataset(source.byte_count + self._extra)


def source(name: str, byte_count: int = 10) -> DatasetSource:
    return DatasetSource(name, {"edges": "0" * 32}, byte_count)


async def use(cache: DatasetCache, name: str, byte_count: int = 10, user: str = "me") -> FakeDataset:
    async with cache.pinned(source(name, byte_count), user) as dataset:
        assert isinstance(dataset, FakeDataset)
        return dataset


async def test_a_burst_of_first_uses_loads_once() -> None:
    loads = Loads()
    cache = DatasetCache(loads, 100, 100)
    datasets = await asyncio.gather(*(use(cache, "a") for _ in range(50)))
    assert loads.names == ["a"]
    assert len(set(map(id, datasets))) == 1


async def test_the_least_recently_used_goes_first() -> None:
    cache = DatasetCache(Loads(), 30, 100)
    for name in ("a", "b", "c", "a", "d"):
        await use(cache, name)
    assert cache.dataset_ids == ["c", "a", "d"]
    assert cache.counts.evictions == 1
    assert cache.used_bytes <= 30


async def test_a_pinned_dataset_is_not_evicted() -> None:
    cache = DatasetCache(Loads(), 20, 100)
    async with cache.pinned(source("a"), "her") as pinned:
        await use(cache, "b")
        await use(cache, "c")
        assert pinned.alive
        assert "a" in cache.dataset_ids


async def test_a_load_finds_room_when_a_pin_goes() -> None:
    cache = DatasetCache(Loads(), 10, 100)
    later = asyncio.get_running_loop().time() + 10
    async with cache.pinned(source("a"), "her"):
        with pytest.raises(NoRoom):
            await use(cache, "b")
        await cache.room_for(source("a"), "me", later)
        waiting = asyncio.create_task(cache.room_for(source("b"), "me", later))
        await turns()
        assert not waiting.done()
    await waiting
    await use(cache, "b")


async def test_who_waits_for_room_waits_so_long_only() -> None:
    cache = DatasetCache(Loads(), 10, 100)
    async with cache.pinned(source("a"), "her"):
        with pytest.raises(Overloaded, match="while runs use the others"):
            await cache.room_for(source("b"), "me", asyncio.get_running_loop().time())


async def test_a_dataset_over_the_budget_is_refused_by_name() -> None:
    with pytest.raises(DatasetTooLarge) as refused:
        await use(DatasetCache(Loads(), 10, 100), "huge", 11)
    assert refused.value.fields["dataset_id"] == "huge"


async def test_what_loading_really_cost_is_charged() -> None:
    cache = DatasetCache(Loads(extra_bytes=10), 40, 100)
    for name in ("a", "b", "c"):
        await use(cache, name)
    assert cache.used_bytes == 40
    assert cache.dataset_ids == ["b", "c"]


async def test_a_failed_load_is_not_remembered() -> None:
    loads = Loads()
    loads.fail = True
    cache = DatasetCache(loads, 100, 100)
    results = await asyncio.gather(*(use(cache, "a") for _ in range(3)), return_exceptions=True)
    assert all(isinstance(result, DatasetUnreadable) for result in results)
    loads.fail = False
    assert (await use(cache, "a")).alive
    assert cache.used_bytes == 10


async def test_a_dead_dataset_is_loaded_again() -> None:
    loads = Loads()
    cache = DatasetCache(loads, 100, 100)
    (await use(cache, "a")).alive = False
    assert (await use(cache, "a")).alive
    assert loads.names == ["a", "a"]


async def test_an_evicted_dataset_closes_once_its_runs_have_ended() -> None:
    cache = DatasetCache(Loads(), 100, 100)
    async with cache.pinned(source("a"), "her") as dataset:
        await cache.evict("a")
        await turns()
        assert dataset.alive
    await eventually_async(lambda: not dataset.alive)


async def test_a_caller_that_gives_up_does_not_take_the_load_from_others() -> None:
    loads = Loads()
    cache = DatasetCache(loads, 100, 100)
    first = asyncio.create_task(use(cache, "a"))
    second = asyncio.create_task(use(cache, "a"))
    await asyncio.sleep(0)
    first.cancel()
    assert (await second).alive
    assert loads.names == ["a"]


async def test_an_engine_that_is_full_before_the_budget_has_the_least_recently_used_go() -> None:
    loads = Loads()
    cache = DatasetCache(loads, 100, 100)
    oldest, newer = await use(cache, "a"), await use(cache, "b")
    loads.needs_room_of_others = True
    await use(cache, "c")
    assert (loads.made_room, oldest.alive, newer.alive) == ([True], False, True)
    assert cache.dataset_ids == ["b", "c"]


async def test_there_is_no_room_to_make_where_all_are_in_use() -> None:
    loads = Loads()
    cache = DatasetCache(loads, 100, 100)
    loads.needs_room_of_others = True
    async with cache.pinned(source("a"), "her") as held:
        await use(cache, "b")
        assert isinstance(held, FakeDataset)
        assert (loads.made_room, held.alive) == ([False, False], True)
