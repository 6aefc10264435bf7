"""Fixtures that every folder shares: a live server, people who may use it, data to send."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil
import pyarrow as pa
import pytest

from tests.conformance import HeldClient
from tests.free_ports import free_port
from tests.postgresql_server import PACKAGE, PostgresServer, find_binaries, postgresql_server
from tests.s3_server import S3Server, s3_server
from tests.waiting import WITHIN_S, eventually

__all__ = ["ADMIN", "PASSWORD", "SMALL_EDGES", "LiveServer", "Person", "arrow_file", "free_port"]

ADMIN = "admin"
PASSWORD = "correct horse battery"
_FAILED_AFTERWARDS = pytest.StashKey[bool]()
START_TIMEOUT_S = 600  # as long as the launcher itself waits


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
    secrets: set[str] = field(default_factory=set)
    """What was sent to it or had from it and must be in none of its logs."""

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
        process = self.process

        def is_ready() -> bool:
            assert process.poll() is None, f"the server ended with {process.returncode}:\n{log.read_text()}"
            return "\ncurl " in log.read_text()  # the demo's curl line is the last thing printed

        eventually(is_ready, START_TIMEOUT_S, 0.1, log.read_text)
        self.output = log.read_text()
        return self

    def stop(self, signal_number: int = signal.SIGINT, timeout_s: float = WITHIN_S) -> int:
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
        client = HeldClient(base_url=self.url, timeout=WITHIN_S, trust_env=False)
        answer = client.post("/api-token-auth/", json={"username": username, "password": password})
        assert answer.status_code == 200, answer.text
        client.headers["Authorization"] = f"Bearer {answer.json()['token']}"
        self.secrets |= {password, answer.json()["token"]}
        return Person(username, password, client)

    def logs(self) -> Iterator[tuple[Path, bytes]]:
        """Every file that it, Serve, Ray and HAProxy have written about themselves. Ray's go when it stops."""
        folders = [self.data / "logs"]
        record = self.data / "server.json"
        if record.exists():
            folders.append(Path(json.loads(record.read_text())["folder"]))
        for path in (path for folder in folders for path in folder.rglob("*")):
            try:
                if path.is_file() and not path.is_symlink():
                    yield path, path.read_bytes()
            except FileNotFoundError:  # Ray renames some
                continue

    def leaks(self) -> list[str]:
        """Which log holds which of ``secrets``."""
        wanted = [(secret, secret.encode()) for secret in self.secrets]
        return [f"{path}: {secret}" for path, content in self.logs() for secret, found in wanted if found in content]


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
        """Id of a dataset of these tables, uploaded inline. ``source``, ``destination``, ``node`` name bindings.

        Without these, ``s`` and ``d`` are bound if there are such columns.
        """
        usual = {
            name: column for name, column in (("source", "s"), ("destination", "d")) if column in edges.column_names
        }
        named: dict[str, Any] = {name: payload.pop(name) for name in ("source", "destination") if name in payload}
        node = {"node": payload.pop("node")} if "node" in payload else {}
        body = {
            "name": "test",
            "metadata": {},
            "edge_encodings": {"bindings": {**usual, **named}},
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


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that fork this process come first, while it is small: the kernel refuses to fork a large one."""
    items.sort(key=lambda item: "tests/unit/sandbox/" not in item.nodeid)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.when == "teardown" and report.failed:
        item.config.stash[_FAILED_AFTERWARDS] = True
    return report


def pytest_sessionfinish(session: pytest.Session) -> None:
    """What fails after tests (a secret in a log, say) may be due to any of them, so no second try decides about it."""
    if session.config.stash.get(_FAILED_AFTERWARDS, False):
        session.exitstatus = pytest.ExitCode.INTERNAL_ERROR


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Event loop of the tests marked ``anyio``: the one that the server runs on."""
    return "asyncio"


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """The one live server of this test session."""
    live = LiveServer(tmp_path_factory.mktemp("live") / "data", free_port()).start()
    yield live
    leaks = live.leaks()
    live.stop()
    assert leaks + live.leaks() == [], "secrets of these tests are in the server's logs (claim 40)"


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


@pytest.fixture(scope="session")
def s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    """A server that speaks S3."""
    with s3_server(tmp_path_factory.mktemp("s3") / "log") as running:
        yield running


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgresServer]:
    """A PostgreSQL server. Without one on this machine: an error in CI, else a skip."""
    binaries = find_binaries()
    if binaries is None:
        text = f"no PostgreSQL server is installed; on Debian: apt-get install {PACKAGE}"
        if os.environ.get("CI") == "true":
            pytest.fail(text)
        pytest.skip(text)
    with postgresql_server(binaries) as running:
        yield running
