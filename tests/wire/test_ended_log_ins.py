"""What a user may not have any more is not delivered to them."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.conftest import SMALL_EDGES, Person
from tests.waiting import WITHIN_S, eventually

pytestmark = pytest.mark.e2e


def test_a_run_ends_when_its_user_is_disabled(admin: Person, make_user: Callable[..., Person]) -> None:
    leaver = make_user("leaver")
    dataset_id = leaver.upload(SMALL_EDGES)
    run_id = "c" * 32
    with ThreadPoolExecutor(1) as callers:
        code = "import time\ndef task(g): time.sleep(1000)"
        running = callers.submit(leaver.run, dataset_id, code, run_id=run_id, timeout_s=WITHIN_S)
        eventually(lambda: leaver.http.get(f"/api/v2/runs/{run_id}").json().get("state") == "running")
        assert admin.http.post("/api/v2/admin/users/leaver/disable").status_code == 200
        answer = running.result(WITHIN_S)
    assert (answer.status_code, answer.json()["type"]) == (422, "TaskCancelled")
    assert answer.headers["x-run-id"] == answer.json()["run_id"] == run_id
    leaver.http.close()
