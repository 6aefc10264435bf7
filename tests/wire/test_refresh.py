"""How a token is refreshed: cheaply, for any token that has not expired, and for a day at most."""

from __future__ import annotations

import time
from typing import Any
from urllib.parse import urlsplit

import httpx
import pandas as pd
import pytest
import requests

from auth.tokens import LEEWAY_S
from tests.conftest import LiveServer, Person
from tests.wire.conftest import new_client
from tests.wire.tokens import Forger, ask

pytestmark = pytest.mark.e2e

DAY_S = 86400


@pytest.fixture(scope="module")
def forge(server: LiveServer, alice: Person) -> Forger:
    return Forger(server, alice)


@pytest.mark.claim(26)
@pytest.mark.protocol("1.3")
def test_a_token_is_refreshed_before_it_expires_and_within_a_day_of_its_log_in(
    server: LiveServer, forge: Forger
) -> None:
    def refreshed(**claims: Any) -> httpx.Response:
        return httpx.post(f"{server.url}/api/v2/auth/token/refresh", json={"token": forge(**claims)}, trust_env=False)

    now = int(time.time())
    dying = {"exp": now - 2}  # nothing of its life remains but the leeway, so a new one is made
    new = refreshed(**dying).json()["token"]
    assert (ask(server, new), new == forge(**dying)) == (200, False)
    for over in ({"exp": now - LEEWAY_S - 2}, {**dying, "orig_iat": now - DAY_S - LEEWAY_S - 60}):
        answer = refreshed(**over)
        assert (answer.status_code, answer.json()["non_field_errors"]) == (401, ["Token has expired."])


@pytest.fixture
def requests_sent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What PyGraphistry sends from here on: method, path and status of each request."""
    sent: list[str] = []
    real = requests.Session.send

    def send(self: Any, request: Any, **options: Any) -> Any:
        answer = real(self, request, **options)
        sent.append(f"{request.method} {urlsplit(request.url).path} {answer.status_code}")
        return answer

    monkeypatch.setattr(requests.Session, "send", send)
    return sent


EDGES = pd.DataFrame({"s": ["a", "b"], "d": ["b", "c"], "w": [1, 2]})


ONE = {"execute": "def task(g): return 1"}


@pytest.mark.protocol("9.3")
def test_a_client_that_refreshes_before_every_call_switches_once(
    server: LiveServer, alice: Person, requests_sent: list[str]
) -> None:
    session = new_client()
    address = f"127.0.0.1:{server.port}"
    session.register(api=3, protocol="http", server=address, username=alice.username, password=alice.password)
    graph = session.edges(EDGES, "s", "d").upload()
    for _ in range(3):
        assert graph.python_remote_json(ONE["execute"]) == 1
    refreshes = [line for line in requests_sent if "refresh" in line]
    switches = [line for line in requests_sent if "switch" in line]
    assert len(refreshes) >= 4
    assert {line.split()[-1] for line in refreshes} == {"200"}
    assert len(switches) <= 1  # the token stays the same string, and with it what the client knows


@pytest.mark.protocol("9.3")
def test_any_token_that_has_not_expired_is_refreshed(server: LiveServer, alice: Person) -> None:
    older, newer = server.log_in(alice.username), server.log_in(alice.username)
    for person in (newer, older, newer, older):
        answer = person.http.post("/api/v2/auth/token/refresh", json={"token": person.token})
        assert answer.json() == {"token": person.token}
    for person in (older, newer):
        person.http.close()


@pytest.mark.protocol("9.3")
def test_a_refresh_is_cheap(alice: Person) -> None:
    """It hashes nothing: fifty take less time than two log-ins do, on a machine however busy."""
    started = time.monotonic()
    for _ in range(2):
        body = {"username": alice.username, "password": alice.password}
        alice.http.post("/api-token-auth/", json=body).raise_for_status()
    log_ins = time.monotonic() - started
    taken = [
        alice.http.post("/api/v2/auth/token/refresh", json={"token": alice.token}).elapsed.total_seconds()
        for _ in range(21)
    ]
    assert min(taken) < log_ins / 4
