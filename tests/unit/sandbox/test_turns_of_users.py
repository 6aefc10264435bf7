"""Runs and uploads of one user do not keep those of another waiting."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from runtime import uploads
from runtime.datasets.store.local import LocalStore
from runtime.errors import InvalidTable, Overloaded
from runtime.sandbox.host.template import TemplateProcess
from runtime.uploads import CONCURRENT_PARSES, Uploads
from tests.unit.sandbox.conftest import Rig, answer
from tests.waiting import WITHIN_S, eventually, turns

SLEEP = "import time\ndef task(g): time.sleep(1000)"


def test_a_run_does_not_wait_for_another_user_s_runs(make_rig: Callable[..., Rig]) -> None:
    rig = make_rig(seats=3)
    datasets = [rig.dataset(), rig.dataset()]
    flood = [rig.begin(datasets[number % 2], SLEEP, user="ann", run_id=f"a{number}") for number in range(8)]
    eventually(lambda: (rig.executor.running, rig.executor.waiting) == (2, 6))
    for source in datasets:
        assert answer(rig.run(source, "def task(g): return 1", user="bob")) == 1
    assert not any(run.done() for run in flood)
    for number in reversed(range(8)):
        rig.loop.call_soon_threadsafe(rig.executor.cancel, f"a{number}")
    assert {run.result(WITHIN_S)[0].cause for run in flood} == {"TaskCancelled"}
    assert (rig.executor.running, rig.executor.waiting) == (0, 0)


def test_a_run_does_not_wait_for_two_other_users_who_have_all_seats(make_rig: Callable[..., Rig]) -> None:
    rig = make_rig(seats=2, extra_seats=1)
    source = rig.dataset()
    flood = [
        rig.begin(source, SLEEP, user=user, run_id=f"{user}{number}") for number in "012" for user in ("ann", "bob")
    ]
    eventually(lambda: (rig.executor.running, rig.executor.waiting) == (2, 4))
    for _ in range(2):
        assert answer(rig.run(source, "def task(g): return 1", user="cleo")) == 1
    for number in "210":
        for user in ("ann", "bob"):
            rig.loop.call_soon_threadsafe(rig.executor.cancel, f"{user}{number}")
    assert {run.result(20)[0].cause for run in flood} == {"TaskCancelled"}


def test_a_run_that_waits_for_room_in_the_cache_holds_no_seat(make_rig: Callable[..., Rig]) -> None:
    rig = make_rig(seats=2)
    small, other = rig.dataset(), rig.dataset()
    rig.run(small, "def task(g): return 1")
    rig.executor.cache.budget_bytes = rig.executor.cache.used_bytes + 1
    holding = rig.begin(small, SLEEP, user="ann", run_id="holding")
    eventually(lambda: rig.executor.states().get("holding") == "running")
    waiting = rig.begin(other, "def task(g): return 2", user="bob", run_id="waiting")
    eventually(lambda: rig.executor.states().get("waiting") == "queued" and rig.executor.running == 1)
    assert answer(rig.run(small, "def task(g): return 3", user="cleo")) == 3
    assert not waiting.done()
    rig.loop.call_soon_threadsafe(rig.executor.cancel, "holding")
    assert holding.result(20)[0].cause == "TaskCancelled"
    assert answer(waiting.result(20)[0]) == 2


def test_a_full_queue_refuses_the_user_who_fills_it(make_rig: Callable[..., Rig]) -> None:
    rig = make_rig(seats=1, queue=3)
    source = rig.dataset()
    flood = [rig.begin(source, SLEEP, user="ann", run_id=f"f{number}") for number in range(4)]
    eventually(lambda: (rig.executor.running, rig.executor.waiting) == (1, 3))
    with pytest.raises(Overloaded, match=r"the queue is full \(3 runs are waiting, 3 of them yours\)"):
        rig.run(source, "def task(g): return 1", user="ann")
    quiet = rig.begin(source, "def task(g): return 1", user="bob")
    with pytest.raises(Overloaded):
        flood[-1].result(WITHIN_S)
    rig.loop.call_soon_threadsafe(rig.executor.cancel, "f0")
    assert answer(quiet.result(WITHIN_S)[0]) == 1, "after the one that ran, before those that came earlier"
    for number in range(1, 4):
        rig.loop.call_soon_threadsafe(rig.executor.cancel, f"f{number}")


@pytest.mark.anyio
class TestParsers:
    """Uploads whose parsers end when they are told."""

    @pytest.fixture
    def began(self, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        """The file types of the uploads whose parser has begun."""
        began: list[str] = []

        async def run_job(_: object, request: dict[str, Any], *__: object) -> dict[str, Any]:
            began.append(request["file_type"])
            if request["file_type"] == "long":
                await asyncio.Event().wait()
            raise InvalidTable("read")

        monkeypatch.setattr(uploads, "run_job", run_job)
        return began

    async def test_an_upload_does_not_wait_for_another_user_s(self, tmp_path: Path, began: list[str]) -> None:
        store = LocalStore(tmp_path)
        store.prepare()
        parsers = Uploads(store, cast(TemplateProcess, None), 2**20)

        async def upload(user: str, file_type: str) -> None:
            path = store.incoming()
            path.write_bytes(b"x")
            await parsers.parse(path.name, file_type, "", {}, user=user)

        flood = [asyncio.create_task(upload("ann", "long")) for _ in range(9)]
        await turns()
        assert began == ["long"] * (CONCURRENT_PARSES - 1)
        for _ in range(3):
            with pytest.raises(InvalidTable, match="read"):
                await upload("bob", "short")
        assert began[-3:] == ["short"] * 3
        for task in flood:
            task.cancel()
        await asyncio.gather(*flood, return_exceptions=True)
        with pytest.raises(InvalidTable, match="read"):
            await upload("ann", "short")
