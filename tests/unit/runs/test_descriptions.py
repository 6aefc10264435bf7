"""The description of a dataset may have megabytes. It travels only to a runner that has to load the dataset."""

from pathlib import Path
from typing import Any

import pytest

from deployments.calls.direct.frames import encode
from deployments.calls.messages import RunCall, RunReply, refused
from deployments.ingress.runs.request import MOST_ALONG_BYTES
from runtime.dataset_cache import DatasetCache
from runtime.engines.base import DatasetSource, DescriptionNeeded
from runtime.executor import Executor, ExecutorSettings
from tests.tasks import run_reply, spec
from tests.unit.cache.test_cache import Loads
from tests.unit.http import app

pytestmark = pytest.mark.anyio

LONG: Any = {"node_encodings": {"bindings": {}, "complex": {"default": {"x": "y" * (2 * MOST_ALONG_BYTES)}}}}
SHORT: Any = {"node_encodings": {"bindings": {}, "complex": {"default": {"x": "y"}}}}
BARE = DatasetSource("d", {"edges": "0" * 32}, 10, None)
WHOLE = DatasetSource("d", {"edges": "0" * 32}, 10, {})


class Replicas:
    """Runners. ``held``: the datasets that the one that is asked next holds."""

    def __init__(self) -> None:
        self.held: set[str] = set()
        self.asked: list[RunCall] = []

    async def run(self, call: RunCall) -> RunReply:
        self.asked.append(call)
        dataset = call["dataset"]
        if dataset["dataset_id"] not in self.held and dataset["payload"] is None:
            return refused(None, needs_description=True)
        self.held.add(dataset["dataset_id"])
        return run_reply()


async def dataset(http: Any, payload: Any) -> str:
    created = await http.post("/api/v2/upload/datasets/", json=payload)
    return str(created.json()["data"]["dataset_id"])


async def test_a_long_description_is_sent_when_a_runner_loads_the_dataset_and_not_again(tmp_path: Path) -> None:
    replicas = Replicas()
    async with app.opened(tmp_path / "data", replicas) as (http, _):
        dataset_id = await dataset(http, LONG)
        for is_another in (False, False, True, False):
            if is_another:  # or the same, which has evicted it
                replicas.held.clear()
            assert (await app.run(http, dataset_id)).status_code == 200
        has_description = [len(encode({"call": call})) > MOST_ALONG_BYTES for call in replicas.asked]
        assert has_description == [False, True, False, False, True, False]
        assert replicas.asked[1]["dataset"]["payload"] == {**LONG, "dataset_id": dataset_id}
        assert replicas.asked[0]["run_id"] == replicas.asked[1]["run_id"]
        assert (await http.get("/api/v2/runs/")).json()["count"] == 4


async def test_a_short_description_comes_along_so_that_a_first_run_is_sent_once(tmp_path: Path) -> None:
    replicas = Replicas()
    async with app.opened(tmp_path / "data", replicas) as (http, _):
        assert (await app.run(http, await dataset(http, SHORT))).status_code == 200
        assert len(replicas.asked) == 1


async def test_a_dataset_without_its_description_is_not_loaded_and_nothing_makes_room_for_it() -> None:
    loads = Loads()
    cache = DatasetCache(loads, 10, 100)
    async with cache.pinned(DatasetSource("other", {}, 10), "me"):
        pass
    with pytest.raises(DescriptionNeeded):
        async with cache.pinned(BARE, "me"):
            pass
    assert loads.names == cache.dataset_ids == ["other"]


async def test_a_dataset_that_is_here_needs_no_description() -> None:
    loads = Loads()
    cache = DatasetCache(loads, 10, 100)
    async with cache.pinned(WHOLE, "me"):
        pass
    assert cache.holds(BARE)
    async with cache.pinned(BARE, "me"):
        pass
    assert loads.names == ["d"]


async def test_a_runner_asks_for_a_description_at_once_and_not_after_a_turn() -> None:
    engine: Any = type("Nobody", (), {"name": "pandas", "load": Loads(), "rewound": None})()
    executor = Executor(engine, ExecutorSettings(seats=1, queue=0, cache_bytes=100))
    await executor._turns.take("another")
    with pytest.raises(DescriptionNeeded):
        await executor.run(BARE, spec(), "pandas")
