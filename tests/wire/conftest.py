"""People and clients for tests against the live server. It is shared, so every name here is used once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import graphistry
import pyarrow as pa
import pytest
from graphistry.ArrowFileUploader import _CACHE as FILES_OF_THIS_PROCESS

if TYPE_CHECKING:
    from tests.conftest import LiveServer, Person

PEOPLE_EDGES = pa.table({"s": ["a", "b", "c"], "d": ["b", "c", "d"], "w": [1.5, 2.5, None]})
PEOPLE_NODES = pa.table({"id": ["a", "b", "c", "d"], "age": [30, 41, 52, 63]})


def new_client() -> Any:
    """A PyGraphistry of its own: what it signs in as, no other one does."""
    return graphistry.client()  # type: ignore[attr-defined]  # they export it without saying so


@pytest.fixture(autouse=True)
def _client_remembers_no_files() -> None:
    """PyGraphistry keeps file ids for the whole process, by content, whoever uploaded where (contract 9.4)."""
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
