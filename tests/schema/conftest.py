"""The people who send the made-up requests, on a server of their own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import LiveServer, free_port
from tests.schema.requests_made_up import People


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Making up the requests of the soak takes seconds, so ``-m "not soak …"`` does not even read them."""
    return True if collection_path.name == "test_at_length.py" and "not soak" in config.option.markexpr else None


@pytest.fixture(scope="package")
def people(tmp_path_factory: pytest.TempPathFactory) -> Iterator[People]:
    """On a server of their own: administrators' requests close the Python endpoint and lock users out."""
    believed = {"GRAPHSIDE_TRUSTED_FORWARDERS": '["127.0.0.1/32"]'}
    live = LiveServer(tmp_path_factory.mktemp("schema") / "data", free_port(), believed).start()
    people = People.of(live)
    yield people
    for person in (people.admin, people.ann):
        person.http.close()
    live.stop()
