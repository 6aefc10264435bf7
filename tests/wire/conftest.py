"""People and clients for tests against the live server. It is shared, so every name here is used once."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import graphistry
import httpx
import pyarrow as pa
import pytest
from graphistry.ArrowFileUploader import _CACHE as FILES_OF_THIS_PROCESS

from tests.waiting import WITHIN_S

if TYPE_CHECKING:
    from tests.conftest import LiveServer, Person

PEOPLE_EDGES = pa.table({"s": ["a", "b", "c"], "d": ["b", "c", "d"], "w": [1.5, 2.5, None]})
PEOPLE_NODES = pa.table({"id": ["a", "b", "c", "d"], "age": [30, 41, 52, 63]})


Command = Callable[..., "subprocess.CompletedProcess[str]"]
"""The command line in a process of its own: what it said, its exit status."""


def new_client() -> Any:
    """A PyGraphistry of its own: what it signs in as, no other one does."""
    return graphistry.client()  # type: ignore[attr-defined]  # they export it without saying so


def try_to_log_in(
    server: LiveServer, username: str, password: str = "wrong horse", address: str = "127.0.0.1"
) -> httpx.Response:
    """A log-in from any of this machine's loopback addresses: failures are counted for each."""
    transport = httpx.HTTPTransport(local_address=address)
    with httpx.Client(base_url=server.url, transport=transport, timeout=WITHIN_S) as http:
        return http.post("/api-token-auth/", json={"username": username, "password": password})


@pytest.fixture(autouse=True)
def _client_remembers_no_files() -> None:
    """PyGraphistry caches file ids for the whole process, by content, for all users and servers (protocol 9.4)."""
    FILES_OF_THIS_PROCESS.clear()


@pytest.fixture(scope="session")
def alice(make_user: Callable[..., Person]) -> Iterator[Person]:
    """A user who may run Python."""
    person = make_user(f"alice-{uuid4().hex[:8]}")
    yield person
    person.http.close()


@pytest.fixture(scope="session")
def bob(make_user: Callable[..., Person]) -> Iterator[Person]:
    """Another one."""
    person = make_user(f"bob-{uuid4().hex[:8]}")
    yield person
    person.http.close()


@pytest.fixture(scope="session")
def client(server: LiveServer, alice: Person) -> Any:
    """PyGraphistry, signed in as alice."""
    session = new_client()
    address = server.url.removeprefix("http://")
    session.register(api=3, protocol="http", server=address, username=alice.username, password=alice.password)
    return session


@pytest.fixture(scope="session")
def people(alice: Person) -> str:
    """Id of a dataset of alice's with three edges (``w`` of the last one is missing) and four nodes."""
    return alice.upload(PEOPLE_EDGES, PEOPLE_NODES, node="id", name="people")


@pytest.fixture(scope="session")
def people_graph(client: Any, people: str) -> Any:
    """What alice has of ``people`` in her own process: its id."""
    return client.bind(dataset_id=people)


@pytest.fixture
def graphside(tmp_path: Path) -> Command:
    """``graphside("user", "list", typed="...")`` with a configuration of its own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("GRAPHSIDE_", "RAY_"))}

    def run(*arguments: str, typed: str = "", **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "deployments.cli", *arguments],
            input=typed, capture_output=True, text=True, timeout=WITHIN_S, check=False,
            env={**kept, "XDG_CONFIG_HOME": str(tmp_path / "config"), **variables},
        )  # fmt: skip

    return run


@pytest.fixture
def as_admin(graphside: Command, server: LiveServer, admin: Person) -> Command:
    """The same, as the admin."""
    return _with_token(graphside, server, admin)


@pytest.fixture
def as_alice(graphside: Command, server: LiveServer, alice: Person) -> Command:
    """The same, as alice."""
    return _with_token(graphside, server, alice)


@pytest.fixture
def as_bob(graphside: Command, server: LiveServer, bob: Person) -> Command:
    """The same, as bob."""
    return _with_token(graphside, server, bob)


def variables_of(server: LiveServer, person: Person) -> dict[str, str]:
    """The environment in which the command line speaks for somebody."""
    return {"GRAPHSIDE_URL": server.url, "GRAPHSIDE_TOKEN": person.token}


def _with_token(graphside: Command, server: LiveServer, person: Person) -> Command:
    def run(*arguments: str, **options: str) -> subprocess.CompletedProcess[str]:
        done = graphside(*arguments, **{**variables_of(server, person), **options})
        assert "Traceback" not in done.stderr
        return done

    return run
