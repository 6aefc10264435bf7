"""What one client leaves unfinished keeps nobody else waiting, and what its user may not have is not delivered."""

from __future__ import annotations

import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from tests.conftest import SMALL_EDGES, LiveServer, Person
from tests.waiting import eventually

pytestmark = pytest.mark.e2e

STALLED = 200
HEAD = (
    b"POST /api-token-auth/ HTTP/1.1\r\nHost: graphside\r\nTransfer-Encoding: chunked\r\n"
    b"Content-Type: application/json\r\n\r\n5\r\nhello\r\n"
)


def test_bodies_that_never_come_hold_up_nobody(server: LiveServer, admin: Person) -> None:
    with ExitStack() as held:
        connections = [
            held.enter_context(socket.create_connection(("127.0.0.1", server.port), 10)) for _ in range(STALLED)
        ]
        for connection in connections:
            connection.sendall(HEAD)
        answers = [connections[-1].recv(12)]  # beyond what one address may have
        assert answers == [b"HTTP/1.1 429"]
        assert admin.http.get("/api/v2/files/").status_code == 200


def test_a_run_ends_when_its_user_is_disabled(admin: Person, make_user: Callable[..., Person]) -> None:
    leaver = make_user("leaver")
    dataset_id = leaver.upload(SMALL_EDGES)
    run_id = "c" * 32
    with ThreadPoolExecutor(1) as callers:
        code = "import time\ndef task(g): time.sleep(60)"
        running = callers.submit(leaver.run, dataset_id, code, run_id=run_id)
        eventually(lambda: leaver.http.get(f"/api/v2/runs/{run_id}").json().get("state") == "running", 20)
        assert admin.http.post("/api/v2/admin/users/leaver/disable").status_code == 200
        answer = running.result(20)
    assert (answer.status_code, answer.json()["type"]) == (422, "TaskCancelled")
