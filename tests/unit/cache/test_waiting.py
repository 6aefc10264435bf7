"""Runs that wait for room in the dataset cache hold no seat, and one user's do not fill the place to wait."""

import asyncio
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from deployments.app import most_calls
from deployments.settings import Settings
from runtime.dataset_cache import DatasetCache
from runtime.engines.base import DatasetSource, MakeRoom
from runtime.errors import Overloaded
from runtime.executor import Executor, ExecutorSettings
from tests.tasks import spec
from tests.unit.cache.test_cache import FakeDataset, Loads, source, use
from tests.waiting import eventually_async, turns

pytestmark = pytest.mark.anyio


async def test_one_user_leaves_places_to_wait_for_room_to_others() -> None:
    engine: Any = type("Nobody", (), {"name": "pandas", "load": Loads(), "rewound": None})()
    executor = Executor(engine, ExecutorSettings(seats=4, queue=4, cache_bytes=10))
    waiting = list[asyncio.Task[Any]]()

    async def begin(user: str) -> None:
        number = len(waiting)
        run = executor.run(source(f"wanted {number}"), replace(spec(), run_id=f"{number:032x}", user=user), "pandas")
        waiting.append(asyncio.create_task(run))
        await turns()

    async with executor.cache.pinned(source("in use"), "anybody"):
        for _ in range(4):
            await begin("them")
        with pytest.raises(Overloaded, match="too many runs wait for room"):
            await waiting.pop(3)
        await begin("me")
        assert (executor._room.in_use, executor.running) == (4, 0)
        for run in waiting:
            run.cancel()
            with suppress(asyncio.CancelledError):
                await run
    await eventually_async(lambda: executor._room.in_use == 0)


class SlowLoads(Loads):
    """Loads that last until they may end."""

    def __init__(self) -> None:
        super().__init__()
        self.may_end = asyncio.Event()

    async def __call__(self, source: DatasetSource, make_room: MakeRoom) -> FakeDataset:
        loaded = await super().__call__(source, make_room)
        await self.may_end.wait()
        return loaded


@pytest.mark.parametrize(("places", "begun"), [(3, ["a0", "a1", "b"]), (1, ["a0"])])
async def test_users_take_turns_at_loading(places: int, begun: list[str]) -> None:
    loads = SlowLoads()
    cache = DatasetCache(loads, 1000, 100, places)
    wanted = [("a0", "a"), ("a1", "a"), ("a2", "a"), ("a3", "a"), ("b", "b")]
    runs = [asyncio.create_task(use(cache, name, user=user)) for name, user in wanted]
    await turns()
    assert loads.names == begun
    runs[3].cancel()
    loads.may_end.set()
    await asyncio.gather(*runs, return_exceptions=True)
    assert loads.names.index("b") < loads.names.index("a2")
    assert (sorted(cache.dataset_ids), cache._loads.in_use, cache._loads.waiting) == (["a0", "a1", "a2", "b"], 0, 0)


def test_serve_holds_back_no_run_that_the_runner_can_let_wait() -> None:
    assert most_calls(Settings(queue=300)) - most_calls(Settings(queue=200)) == 200
