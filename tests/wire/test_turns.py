"""A user's run does not wait for another user's runs, whichever way it goes to the runner."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import pytest

from tests.conftest import SMALL_EDGES, Person
from tests.waiting import WITHIN_S, eventually

pytestmark = pytest.mark.e2e

MANY = 20


def test_a_run_goes_before_another_user_s_waiting_runs(alice: Person, bob: Person, people: str) -> None:
    own = bob.upload(SMALL_EDGES)
    ids = [uuid4().hex for _ in range(MANY)]
    sleeps = "import time\ndef task(g): time.sleep(1000)"
    with ThreadPoolExecutor(MANY) as callers:
        flood = [callers.submit(alice.run, people, sleeps, run_id=run_id, timeout_s=WITHIN_S) for run_id in ids]
        try:
            eventually(lambda: alice.http.get("/api/v2/runs?state=running").json()["count"] >= 3)
            assert [bob.run(own, "def task(g): return 1").text for _ in range(3)] == ["1"] * 3
            assert not any(run.done() for run in flood)
        finally:
            for run_id in reversed(ids):
                alice.http.post(f"/api/v2/runs/{run_id}/cancel")
        assert {run.result().json()["type"] for run in flood} == {"TaskCancelled"}


def test_a_run_has_the_threads_that_it_asks_for(alice: Person, people: str) -> None:
    code = """
import threading
def task(g):
    stop, started = threading.Event(), 1
    try:
        while started < 70:
            threading.Thread(target=stop.wait, daemon=True).start()
            started += 1
    except RuntimeError:
        stop.set()
    return started
"""
    usual = int(alice.run(people, code).text)
    assert usual <= 64
    assert [int(alice.run(people, code, threads=threads).text) for threads in (3, 64)] == [3, 64]
    assert alice.run(people, code, threads=65).status_code == 400
