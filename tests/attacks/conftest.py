"""One server under attack for all attacks of a session."""

from collections.abc import Iterator
from uuid import uuid4

import pytest

from tests.attacks.arena import Arena
from tests.conftest import LiveServer, free_port


@pytest.fixture(scope="session")
def arena(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Arena]:
    """A server as this machine offers it, with a canary in its environment and in a file of its own."""
    folder = tmp_path_factory.mktemp("arena")
    canary = f"canary-{uuid4().hex}"
    server = LiveServer(folder / "data", free_port(), {"SERVER_CANARY": canary}).start()
    opened = Arena.open(server, canary, folder)
    yield opened
    opened.close()
    server.stop()
