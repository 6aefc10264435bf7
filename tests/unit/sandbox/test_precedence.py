"""A process that has used much CPU time goes to the back, with all its threads; others keep their place."""

import asyncio
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from runtime.engines.base import DatasetSource
from tests.unit.sandbox.conftest import Rig, answer
from tests.waiting import WITHIN_S, eventually

BURN = """
import threading, time
def task(g):
    end = time.monotonic() + 1000
    def burn():
        while time.monotonic() < end: pass
    for _ in range(5): threading.Thread(target=burn, daemon=True).start()
    burn()
"""
OWN_CLASS = "import os\ndef task(g): return os.sched_getscheduler(0)"
IDLE = "import time\ndef task(g): time.sleep(1000)"


def classes(rig: Rig, run_id: str) -> list[int]:
    """The scheduling class of each thread of a run; nothing before it has a process."""
    run = rig.executor._runs.get(run_id)
    if run is None or run.seat is None or run.seat._child is None:
        return []
    threads = Path(f"/proc/{run.seat._child.pid}/task").iterdir()
    return [os.sched_getscheduler(int(thread.name)) for thread in threads]


def test_a_run_that_computes_goes_to_the_back_with_all_its_threads(rig: Rig, source: DatasetSource) -> None:
    runs = [rig.begin(source, code, run_id=run_id) for run_id, code in (("idle", IDLE), ("burning", BURN))]
    eventually(lambda: classes(rig, "burning") == [os.SCHED_IDLE] * 6)
    assert classes(rig, "idle") == [os.SCHED_OTHER]
    assert answer(rig.run(source, OWN_CLASS)) == os.SCHED_OTHER, "a new process inherits nothing of it"
    for run_id in ("idle", "burning"):
        rig.loop.call_soon_threadsafe(rig.executor.cancel, run_id)
    assert [run.result(WITHIN_S)[0].cause for run in runs] == ["TaskCancelled"] * 2


def test_a_run_with_more_threads_than_the_machine_can_use_goes_to_the_back(rig: Rig, source: DatasetSource) -> None:
    code = """
import threading
def task(g):
    stop = threading.Event()
    for _ in range(40): threading.Thread(target=stop.wait, daemon=True).start()
    stop.wait(1000)
"""
    run = rig.begin(source, code, run_id="many")
    eventually(lambda: set(classes(rig, "many")) == {os.SCHED_IDLE})
    rig.loop.call_soon_threadsafe(rig.executor.cancel, "many")
    assert run.result(WITHIN_S)[0].cause == "TaskCancelled"


def test_a_parser_that_computes_goes_to_the_back(taken_up: Path, rig: Rig) -> None:
    """It is asked to parse so much that it is still at it when it is looked at."""
    parsing = asyncio.run_coroutine_threadsafe(rig.uploads.parse(taken_up.name, "csv", "", {}, user="1"), rig.loop)
    eventually(lambda: os.SCHED_IDLE in parsers(rig) or parsing.done(), poll_s=0.001)
    assert not parsing.done()
    parsing.cancel()


@pytest.fixture
def taken_up(rig: Rig) -> Iterator[Path]:
    path = rig.store.incoming()
    path.write_bytes(b"a,b\n" + b"x,1\n" * 12_000_000)
    yield path
    path.unlink()


def parsers(rig: Rig) -> list[int]:
    """The scheduling classes of the processes that the template has forked."""
    found = []
    for child in psutil.Process(rig.template._outside).children(recursive=True):
        with suppress(ProcessLookupError):
            found.append(os.sched_getscheduler(child.pid))
    return found
