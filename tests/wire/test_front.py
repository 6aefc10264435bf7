"""The front and what stands behind it: who may talk to a replica, what is refused before one, who runs first."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from contextlib import ExitStack, closing
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path

import httpx
import psutil
import pytest

from deployments.replica.front_headers import SECRET_FILE, front_secret
from tests.attacks.surroundings import Surroundings
from tests.conftest import LiveServer, Person
from tests.waiting import WITHIN_S, eventually

pytestmark = pytest.mark.e2e


def ways_past_the_front(server: LiveServer) -> list[str]:
    """URLs of the replicas and of Serve's fallback proxy: whatever answers HTTP behind the front."""
    found = []
    for word in ("ServeReplica", "ProxyActor"):
        for host, port in Surroundings(server).listening(word):
            url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
            try:
                httpx.get(f"{url}/-/healthz", timeout=WITHIN_S, trust_env=False)
            except httpx.HTTPError:  # gRPC
                continue
            found.append(url)
    return found


@pytest.fixture(scope="module")
def past_the_front(server: LiveServer) -> list[str]:
    """Ways past the front, for whoever has an account on the machine."""
    found = ways_past_the_front(server)
    assert len(found) >= 2, "one ingress and the fallback proxy answer HTTP"
    return found


def secret_of(server: LiveServer) -> str:
    """What the front sends, as only the server's user can read it."""
    (haproxy,) = (each for each in server.find("haproxy.cfg") if "RAY_SERVE_HTTP" in str(each.environ()))
    secret = front_secret({SECRET_FILE: haproxy.environ()[SECRET_FILE]})
    assert secret is not None
    server.secrets.add(secret)
    return secret


@pytest.mark.parametrize("path", ["/readyz", "/api/v2/datasets/", "/login", "/nowhere"])
def test_nobody_gets_past_the_front(past_the_front: list[str], admin: Person, path: str) -> None:
    """Not even with a token, nor with a secret that is guessed."""
    for url in past_the_front:
        for headers in ({}, {"X-Graphside-Front": "0" * 64}, {"Authorization": f"Bearer {admin.token}"}):
            answer = httpx.get(url + path, headers={**headers, "X-Graphside-Peer": "192.0.2.9"}, trust_env=False)
            assert (answer.status_code, answer.json()["type"]) == (403, "Forbidden")


def test_log_ins_past_the_front_are_not_even_counted(past_the_front: list[str], admin: Person) -> None:
    guess = {"username": admin.username, "password": "a guess"}
    for url in past_the_front:
        for _ in range(11):
            assert httpx.post(f"{url}/api-token-auth/", json=guess, trust_env=False).status_code == 403
    page = admin.http.get("/api/v2/admin/audit", params={"actor": admin.username, "action": "log_in", "limit": 100})
    assert {line["outcome"] for line in page.json()["results"]} == {"ok"}


def test_a_trailer_does_not_say_where_a_request_comes_from(server: LiveServer, admin: Person) -> None:
    """uvicorn adds the trailers of a chunked body to the headers."""
    guess = json.dumps({"username": "nobody-of-a-trailer", "password": "a guess"}).encode()
    head = b"POST /api-token-auth/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    trailers = b"x-graphside-peer: 9.9.9.9\r\nx-forwarded-for: 9.9.9.9\r\n"
    with socket.create_connection(("127.0.0.1", server.port), source_address=("127.0.0.66", 0)) as client:
        client.sendall(head + b"%x\r\n%s\r\n0\r\n%s\r\n" % (len(guess), guess, trailers))
        assert client.recv(12) == b"HTTP/1.1 400"

    def refused() -> set[str]:
        lines = admin.http.get("/api/v2/admin/audit", params={"action": "log_in", "limit": 100}).json()["results"]
        return {line["address"] for line in lines if line["outcome"] == "refused"}

    assert "127.0.0.66" in eventually(lambda: refused() - {"127.0.0.1"})
    assert "9.9.9.9" not in refused()


def test_serves_own_health_checks_are_answered(past_the_front: list[str], server: LiveServer) -> None:
    for url in (*past_the_front, server.url):
        for path in ("/-/healthz", "/-/routes"):
            assert httpx.get(url + path, trust_env=False).status_code == 200


def test_the_secret_is_new_private_and_in_no_command_line(server: LiveServer) -> None:
    secret = secret_of(server)
    folder = Path(json.loads((server.data / "server.json").read_text())["folder"])
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (folder / "front_secret").stat().st_mode & 0o777 == 0o600
    key = (folder / "front_secret").read_text().strip()
    assert len(key) == 64
    (configuration,) = folder.glob("*/haproxy.cfg")
    assert all(each not in configuration.read_text() for each in (secret, key))
    for process in server.processes():
        try:
            line = " ".join(process.cmdline())
        except psutil.Error:
            continue
        assert secret not in line
        assert key not in line


def test_a_task_has_no_header_and_no_secret_of_the_front(server: LiveServer, admin: Person, small: str) -> None:
    secret = secret_of(server)
    answer = admin.run(small, "import os\ndef task(g): return str(dict(os.environ))")
    assert answer.status_code == 200
    assert secret not in answer.text
    assert "FRONT" not in answer.text


def test_the_client_is_whom_the_front_saw(server: LiveServer, admin: Person) -> None:
    forged = {"X-Graphside-Peer": "192.0.2.77", "x_graphside_peer": "192.0.2.77", "X-Graphside-Front": "0" * 64}
    wrong = {"username": "nobody-forged", "password": "wrong password"}
    httpx.post(f"{server.url}/api-token-auth/", json=wrong, headers=forged, trust_env=False)
    page = admin.http.get("/api/v2/admin/audit", params={"action": "log_in", "limit": 100}).json()
    assert "192.0.2.77" not in json.dumps(page)


@pytest.mark.parametrize("length", [2**31, 2**32 + 5, 10**15, 10**18, 2**64])
def test_a_body_that_is_too_large_is_refused_at_once(server: LiveServer, length: int) -> None:
    """Nothing of the body is sent."""
    head = f"POST /api-token-auth/ HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n"
    with closing(socket.create_connection(("127.0.0.1", server.port), timeout=WITHIN_S)) as connection:
        connection.sendall(head.encode())
        answer = HTTPResponse(connection)
        answer.begin()
        assert (answer.status, json.loads(answer.read())["type"]) == (413, "TooLarge")


def test_a_thousand_requests_whose_bodies_never_come_keep_nobody_out(
    server: LiveServer, admin: Person, small: str
) -> None:
    """They are those of three addresses, since one address has fewer connections."""
    head = b"POST /api-token-auth/ HTTP/1.1\r\nHost: a\r\nContent-Length: 50\r\n\r\n{"
    with ExitStack() as open_ones:
        for number in range(1001):
            source = (f"127.0.0.{2 + number % 3}", 0)
            connection = socket.create_connection(("127.0.0.1", server.port), timeout=WITHIN_S, source_address=source)
            open_ones.callback(connection.close)
            connection.sendall(head)
        assert admin.run(small, "def task(g): return 1").json() == 1
        assert httpx.get(f"{server.url}/readyz", trust_env=False).status_code == 200


@pytest.mark.parametrize("method", ["BREW", "get", "PROPFIND", "TRACE"])
def test_an_unknown_method_is_refused_in_our_shape(server: LiveServer, method: str) -> None:
    with closing(HTTPConnection("127.0.0.1", server.port, timeout=WITHIN_S)) as connection:
        connection.request(method, "/api/v2/datasets/")
        answer = connection.getresponse()
        assert (answer.status, json.loads(answer.read())["type"]) == (405, "MethodNotAllowed")
        assert answer.headers["Allow"] == "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT"


def test_the_server_runs_at_its_starters_priority_and_tasks_behind_it(
    server: LiveServer, admin: Person, small: str
) -> None:
    assert server.process is not None
    own = os.getpriority(os.PRIO_PROCESS, server.process.pid)
    for word in (
        "haproxy",
        "raylet/raylet",
        "ServeReplica:graphside:Ingress",
        "ServeReplica:graphside:Runner",
        "ServeController",
    ):
        found = server.find(word)
        assert found, word
        assert {process.nice() for process in found} == {own}, word
    answer = admin.run(small, "import os\ndef task(g): return os.getpriority(os.PRIO_PROCESS, 0)")
    assert answer.json() == min(own + 5, 19)


def test_the_command_that_the_start_printed_works_as_pasted_and_shows_no_token(server: LiveServer) -> None:
    """The output of this server is a file."""
    command = next(line for line in server.output.splitlines() if line.startswith("curl "))
    printed = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=WITHIN_S, check=True)
    assert json.loads(printed.stdout)[0] == {"name": "John A.", "degree": 17}
    token = (server.data / "demo_token").read_text().split()[-1]
    assert (server.data / "demo_token").stat().st_mode & 0o777 == 0o600
    assert token not in server.output
    server.secrets.add(token)
