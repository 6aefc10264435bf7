"""Fixtures that every folder shares: a live server, people who may use it, data to send."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil
import pyarrow as pa
import pytest

ADMIN = "admin"
PASSWORD = "correct horse battery"
START_TIMEOUT_S = 180


def free_port() -> int:
    """A loopback port that nobody has now. Never one with 443 in it: PyGraphistry's tests would speak https to it."""
    while True:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port: int = probe.getsockname()[1]
        if "443" not in str(port):
            return port


@dataclass
class LiveServer:
    """``make serve`` without make, on a data directory and port of its own."""

    data: Path
    port: int
    environment: dict[str, str] = field(default_factory=dict)
    module: str = "deployments.launch"
    command: tuple[str, ...] = (sys.executable,)
    process: subprocess.Popen[str] | None = None
    output: str = ""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> "LiveServer":
        """Start it and return once it says that it is ready."""
        log = self.data.parent / f"{self.data.name}.log"
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "GRAPHSIDE_"))},
            "GRAPHSIDE_DATA": str(self.data),
            "GRAPHSIDE_PORT": str(self.port),
            "GRAPHSIDE_ADMIN_USERNAME": ADMIN,
            "GRAPHSIDE_ADMIN_PASSWORD": PASSWORD,
            **self.environment,
        }
        with log.open("w") as stream:
            self.process = subprocess.Popen(
                [*self.command, "-m", self.module],
                stdout=stream, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                env=environment, text=True, start_new_session=True,
            )  # fmt: skip
        deadline = time.monotonic() + START_TIMEOUT_S
        # The demo's curl line is the last thing printed.
        while "\ncurl " not in (output := log.read_text()):
            assert self.process.poll() is None, f"the server ended with {self.process.returncode}:\n{output}"
            assert time.monotonic() < deadline, f"the server is not ready:\n{output}"
            time.sleep(0.1)
        self.output = output
        return self

    def stop(self, signal_number: int = signal.SIGINT, timeout_s: float = 20) -> int:
        """Send the launcher a signal and wait for its end; its exit status."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(signal_number)
        try:
            return self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise

    def processes(self) -> list[psutil.Process]:
        """Every process of this server, the launcher first."""
        assert self.process is not None
        launcher = psutil.Process(self.process.pid)
        return [launcher, *launcher.children(recursive=True)]

    def find(self, word: str) -> list[psutil.Process]:
        """Its processes that have ``word`` in their command line."""
        found = []
        for process in self.processes():
            try:
                if word in " ".join(process.cmdline()):
                    found.append(process)
            except psutil.Error:  # gone meanwhile
                continue
        return found

    def log_in(self, username: str = ADMIN, password: str = PASSWORD) -> "Person":
        """A signed-in user of this server."""
        client = httpx.Client(base_url=self.url, timeout=120, trust_env=False)
        answer = client.post("/api-token-auth/", json={"username": username, "password": password})
        assert answer.status_code == 200, answer.text
        client.headers["Authorization"] = f"Bearer {answer.json()['token']}"
        return Person(username, password, client)


@dataclass
class Person:
    """A user with an HTTP client that is signed in."""

    username: str
    password: str
    http: httpx.Client

    @property
    def token(self) -> str:
        return self.http.headers["Authorization"].removeprefix("Bearer ")

    def upload(self, edges: pa.Table, nodes: pa.Table | None = None, **payload: Any) -> str:
        """Id of a dataset of these tables, uploaded inline. ``source``, ``destination``, ``node`` name bindings."""
        source, destination = payload.pop("source", "s"), payload.pop("destination", "d")
        node = {"node": payload.pop("node")} if "node" in payload else {}
        body = {
            "name": "test",
            "metadata": {},
            "edge_encodings": {"bindings": {"source": source, "destination": destination}},
            "node_encodings": {"bindings": node},
            **payload,
        }
        created = self.http.post("/api/v2/upload/datasets/", json=body)
        assert created.status_code == 201, created.text
        dataset_id: str = created.json()["data"]["dataset_id"]
        for role, table in (("edges", edges), ("nodes", nodes)):
            if table is not None:
                sent = self.http.post(f"/api/v2/upload/datasets/{dataset_id}/{role}/arrow", content=arrow_file(table))
                assert sent.status_code == 200, sent.text
        return dataset_id

    def run(self, dataset_id: str, code: str, **fields: Any) -> httpx.Response:
        """The response of the Python endpoint."""
        return self.http.post(f"/api/v2/datasets/{dataset_id}/python", json={"execute": code, **fields})


def arrow_file(table: pa.Table) -> bytes:
    """A table in the form in which PyGraphistry sends it: an Arrow IPC file."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


SMALL_EDGES = pa.table({"s": ["a", "b", "c"], "d": ["b", "c", "d"], "w": [1.0, 2.0, 3.0]})


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """The one live server of this test session."""
    live = LiveServer(tmp_path_factory.mktemp("live") / "data", free_port()).start()
    yield live
    live.stop()


@pytest.fixture(scope="session")
def admin(server: LiveServer) -> Iterator[Person]:
    """The first administrator."""
    person = server.log_in()
    yield person
    person.http.close()


@pytest.fixture(scope="session")
def make_user(server: LiveServer, admin: Person) -> Callable[..., Person]:
    """Makes users: ``make_user("bob")`` may run Python; ``make_user("eve", python=False)`` may not."""

    def make(username: str, *, python: bool = True) -> Person:
        body = {"username": username, "password": PASSWORD}
        assert admin.http.post("/api/v2/admin/users/", json=body).status_code == 201
        if python:
            change = {"user": username, "value": True}
            flag = "flag_python_endpoint_enabled_users"
            assert admin.http.put(f"/api/v2/admin/flags/{flag}/", json=change).status_code == 200
        return server.log_in(username)

    return make


@pytest.fixture(scope="session")
def small(admin: Person) -> str:
    """Id of a dataset with three edges a-b-c-d and no node table."""
    return admin.upload(SMALL_EDGES)
