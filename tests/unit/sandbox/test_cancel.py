"""A run that is cancelled ends at once, wherever it is, and says so."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Future

import pytest

from runtime.engines.base import DatasetSource
from runtime.errors import RunExists
from runtime.run_report import RunCost
from runtime.sandbox.host.outcome import RunOutcome
from runtime.task import TaskSpec
from tests import tasks
from tests.unit.sandbox.conftest import Rig, answer
from tests.waiting import SLOW_S, WITHIN_S, eventually

SPINS = "def task(g):\n    print('begun', flush=True)\n    open('begun', 'w').close()\n    while True: pass"


def spec(code: str = SPINS, run_id: str | None = None) -> TaskSpec:
    return tasks.spec(code, run_id)


def start(rig: Rig, source: DatasetSource, task: TaskSpec) -> "Future[tuple[RunOutcome, RunCost]]":
    return asyncio.run_coroutine_threadsafe(rig.executor.run(source, task, None), rig.loop)


def cancel(rig: Rig, run_id: str) -> bool:
    async def on_the_loop() -> bool:
        return rig.executor.cancel(run_id)

    return rig.wait(on_the_loop())


def states(rig: Rig) -> dict[str, str]:
    return dict(rig.executor.states())


def test_a_run_that_is_cancelled_ends_at_once_with_what_it_printed(rig: Rig, source: DatasetSource) -> None:
    task = spec()
    run = start(rig, source, task)
    eventually(lambda: any(rig.scratch.glob("*/begun")))
    assert states(rig) == {task.run_id: "running"}
    began = time.monotonic()
    assert cancel(rig, task.run_id)
    outcome, _ = run.result(WITHIN_S)
    assert time.monotonic() - began < SLOW_S
    assert (outcome.cause, outcome.stdout) == ("TaskCancelled", "begun\n")
    assert states(rig) == {}


def test_a_second_cancel_changes_nothing(rig: Rig, source: DatasetSource) -> None:
    task = spec()
    run = start(rig, source, task)
    eventually(lambda: states(rig).get(task.run_id) == "running")
    assert cancel(rig, task.run_id)
    cancel(rig, task.run_id)
    assert run.result(WITHIN_S)[0].cause == "TaskCancelled"
    assert answer(rig.run(source, "def task(g): return 1")) == 1


def test_a_run_that_waits_for_a_seat_is_cancelled_too(make_rig: Callable[..., Rig]) -> None:
    rig = make_rig(seats=1)
    source = rig.dataset()
    first, second = spec(), spec()
    runs = [start(rig, source, task) for task in (first, second)]
    eventually(lambda: states(rig) == {first.run_id: "running", second.run_id: "queued"})
    assert cancel(rig, second.run_id)
    outcome, cost = runs[1].result(WITHIN_S)
    assert outcome.cause == "TaskCancelled"
    assert cost["run_s"] == 0
    assert cancel(rig, first.run_id)
    assert runs[0].result(WITHIN_S)[0].cause == "TaskCancelled"
    assert answer(rig.run(source, "def task(g): return 1")) == 1  # the seat is free again


def test_a_cancel_that_comes_before_its_run_waits_for_it(rig: Rig, source: DatasetSource) -> None:
    task = spec("def task(g): return 1")
    assert not cancel(rig, task.run_id)
    assert start(rig, source, task).result(WITHIN_S)[0].cause == "TaskCancelled"
    assert answer(start(rig, source, task).result(WITHIN_S)[0]) == 1  # it waits once


def test_two_runs_cannot_have_one_id(rig: Rig, source: DatasetSource) -> None:
    task = spec()
    run = start(rig, source, task)
    eventually(lambda: task.run_id in states(rig))
    with pytest.raises(RunExists):
        start(rig, source, task).result(WITHIN_S)
    assert cancel(rig, task.run_id)
    assert run.result(WITHIN_S)[0].cause == "TaskCancelled"


def test_the_memory_of_a_short_run_is_known(rig: Rig, source: DatasetSource) -> None:
    _, cost = rig.wait(rig.start(source, "def task(g):\n    task.kept = bytearray(50_000_000)\n    return 1"))
    assert 40e6 < cost["peak_memory_bytes"] < 200e6
