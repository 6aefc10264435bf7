"""Runs over HTTP: a receipt of each, and a cancel that ends one within half a second, for its owner alone."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from http.client import HTTPConnection
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.conftest import LiveServer, Person
from tests.waiting import SLOW_S, WITHIN_S, eventually
from tests.wire.errors import assert_error

pytestmark = pytest.mark.e2e

PLAIN = "def task(g):\n    print('hello')\n    return len(g._edges)"


SPINS = "def task(g):\n    print('begun')\n    while True: pass"


def receipt_of(person: Person, run_id: str) -> dict[str, Any]:
    answer = person.http.get(f"/api/v2/runs/{run_id}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def cancel(person: Person, run_id: str) -> httpx.Response:
    return person.http.post(f"/api/v2/runs/{run_id}/cancel")


def test_a_receipt_tells_how_a_run_ended_and_what_it_cost(alice: Person, people: str) -> None:
    answer = alice.run(people, PLAIN, run_label="nightly")
    assert answer.json() == 3
    found = receipt_of(alice, answer.headers["X-Run-Id"])
    assert found["run_id"] == answer.headers["X-Run-Id"]
    assert (found["state"], found["cause"], found["failure"]) == ("ended", "ok", None)
    assert (found["dataset_id"], found["run_label"], found["engine"]) == (people, "nightly", "pandas")
    assert (found["output_type"], found["format"], found["stdout"], found["stderr"]) == ("json", "json", "hello\n", "")
    assert found["created_at"] <= found["started_at"] <= found["ended_at"]
    assert all(found[name] >= 0 for name in ("queue_s", "seat_s", "run_s", "encode_s"))
    assert found["peak_memory_bytes"] >= 0  # copies of pages of the dataset's own are not counted
    assert found["result_bytes"] == 1
    assert {"python", "pandas", "graphistry", "pyarrow"} <= set(found["versions"])
    assert found["source"] is None  # nobody asked to keep code
    assert "owner_id" not in found


def test_a_receipt_of_a_failure_has_its_traceback(alice: Person, people: str) -> None:
    answer = alice.run(people, "def task(g):\n    print('so far')\n    return g._edges['nothing']")
    found = receipt_of(alice, answer.headers["X-Run-Id"])
    assert (found["cause"], found["stdout"], found["failure"]["type"]) == ("TaskError", "so far\n", "TaskError")
    assert found["failure"]["message"] == answer.json()["message"]
    assert found["failure"]["fields"]["frames"] == answer.json()["frames"]


def test_a_run_that_never_started_has_a_receipt_too(alice: Person, people: str) -> None:
    answer = alice.run(people, PLAIN, engine="cudf")
    found = receipt_of(alice, answer.headers["X-Run-Id"])
    assert (found["state"], found["cause"], found["started_at"]) == ("ended", "EngineUnavailable", None)


@pytest.mark.claim(4)
def test_a_cancel_ends_the_run_long_before_its_deadline(alice: Person, people: str) -> None:
    run_id = uuid4().hex
    with ThreadPoolExecutor(1) as pool:
        run = pool.submit(alice.run, people, SPINS, run_id=run_id, timeout_s=WITHIN_S)
        eventually(lambda: alice.http.get(f"/api/v2/runs/{run_id}").status_code == 200)
        eventually(lambda: receipt_of(alice, run_id)["state"] == "running")
        began = time.monotonic()
        answer = cancel(alice, run_id)
        refused = run.result(WITHIN_S)
        took_s = time.monotonic() - began
    assert answer.json() == {"success": True, "run_id": run_id, "state": "ended"}
    body = assert_error(refused, 422, "TaskCancelled")
    assert (body["run_id"], body["stdout"]) == (run_id, "begun\n")
    assert took_s < SLOW_S
    assert receipt_of(alice, run_id)["cause"] == "TaskCancelled"


@pytest.mark.claim(4)
def test_a_second_cancel_changes_nothing(alice: Person, people: str) -> None:
    run_id = alice.run(people, PLAIN).headers["X-Run-Id"]
    for _ in range(2):
        answer = cancel(alice, run_id)
        assert (answer.status_code, answer.json()["state"]) == (200, "ended")
    assert receipt_of(alice, run_id)["cause"] == "ok"


def test_a_run_of_another_user_is_as_absent_as_one_that_never_was(alice: Person, bob: Person, people: str) -> None:
    run_id = alice.run(people, PLAIN).headers["X-Run-Id"]
    for name in (run_id, uuid4().hex, "no-id", "%00"):
        for answer in (bob.http.get(f"/api/v2/runs/{name}"), cancel(bob, name)):
            assert_error(answer, 404, "NotFound")
    assert bob.http.get("/api/v2/runs", params={"dataset_id": people}).json()["count"] == 0


def test_an_id_can_be_chosen_once(alice: Person, bob: Person, people: str, small: str) -> None:
    run_id = uuid4().hex
    assert alice.run(people, PLAIN, run_id=run_id).headers["X-Run-Id"] == run_id
    assert_error(alice.run(people, PLAIN, run_id=run_id), 409, "RunExists")
    assert_error(alice.run(people, PLAIN, run_id="short"), 400, "InvalidRequest")
    assert_error(alice.run(people, PLAIN, run_id=run_id.upper()), 400, "InvalidRequest")


def test_a_list_has_the_newest_first_and_can_be_narrowed(alice: Person) -> None:
    from tests.conftest import SMALL_EDGES

    mine = alice.upload(SMALL_EDGES)
    labels = ["a", "b", "a"]
    ids = [alice.run(mine, PLAIN, run_label=label).headers["X-Run-Id"] for label in labels]
    page = alice.http.get("/api/v2/runs", params={"dataset_id": mine}).json()
    assert (page["count"], page["next"], page["previous"]) == (3, None, None)
    assert [run["run_id"] for run in page["results"]] == ids[::-1]
    assert not {"stdout", "stderr", "source"} & set(page["results"][0])
    narrowed: dict[str, str | int] = {"dataset_id": mine, "run_label": "a", "state": "ended", "limit": 1}
    page = alice.http.get("/api/v2/runs", params=narrowed).json()
    assert (page["count"], [run["run_id"] for run in page["results"]]) == (2, ids[2:])
    assert page["next"] is not None
    assert alice.http.get("/api/v2/runs", params={"dataset_id": mine, "state": "running"}).json()["count"] == 0
    assert_error(alice.http.get("/api/v2/runs", params={"state": "lost"}), 400, "InvalidRequest")


def test_running_runs_are_found_by_state(alice: Person, people: str) -> None:
    run_id = uuid4().hex
    with ThreadPoolExecutor(1) as pool:
        run = pool.submit(alice.run, people, SPINS, run_id=run_id, timeout_s=WITHIN_S)

        def listed() -> bool:
            found = alice.http.get("/api/v2/runs", params={"state": "running", "dataset_id": people}).json()["results"]
            return run_id in [receipt["run_id"] for receipt in found]

        eventually(listed)
        cancel(alice, run_id)
        assert run.result(WITHIN_S).status_code == 422


def test_a_client_that_leaves_is_the_cause_of_the_end(server: LiveServer, alice: Person, people: str) -> None:
    run_id = uuid4().hex
    with closing(HTTPConnection("127.0.0.1", server.port)) as leaver:
        body = json.dumps({"execute": SPINS, "run_id": run_id, "timeout_s": WITHIN_S})
        headers = {"Authorization": f"Bearer {alice.token}", "Content-Type": "application/json"}
        leaver.request("POST", f"/api/v2/datasets/{people}/python", body, headers)
        eventually(lambda: alice.http.get(f"/api/v2/runs/{run_id}").json().get("state") == "running")
    eventually(lambda: receipt_of(alice, run_id)["state"] == "ended")
    assert receipt_of(alice, run_id)["cause"] == "ClientLeft"
