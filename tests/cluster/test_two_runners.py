"""Several runners: each dataset has one home, and is loaded once."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.cluster.conftest import HOLDER, template_of
from tests.conftest import SMALL_EDGES, LiveServer, Person, free_port

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A server with two runner replicas."""
    data: Path = tmp_path_factory.mktemp("two") / "data"
    live = LiveServer(data, free_port(), module="tests.cluster.apps").start()
    yield live
    live.stop()


@pytest.fixture(scope="module")
def person(two: LiveServer) -> Iterator[Person]:
    signed_in = two.log_in()
    yield signed_in
    signed_in.http.close()


def test_a_hundred_first_calls_load_a_dataset_once(two: LiveServer, person: Person) -> None:
    assert len(two.find("runtime.sandbox.guest.template")) >= 2
    dataset_id = person.upload(SMALL_EDGES)
    with ThreadPoolExecutor(100) as pool:
        answers = list(pool.map(lambda _: person.run(dataset_id, HOLDER), range(100)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.text for answer in answers}) == 1, "one holder, whichever runner"


def test_datasets_spread_over_the_runners(two: LiveServer, person: Person) -> None:
    homes = set()
    for _ in range(12):
        dataset_id = person.upload(SMALL_EDGES)
        first, second = (person.run(dataset_id, HOLDER, engine="pandas").json() for _ in range(2))
        assert first == second
        homes.add(template_of(two, first))
    assert len(homes) == 2


def test_a_large_result_comes_from_the_runner_that_made_it(person: Person) -> None:
    for _ in range(4):
        dataset_id = person.upload(SMALL_EDGES)
        answer = person.run(dataset_id, "def task(g): return 'x' * 3_000_000")
        assert answer.status_code == 200
        assert answer.text == "x" * 3_000_000


def test_a_deleted_dataset_is_gone_from_every_runner(person: Person) -> None:
    dataset_id = person.upload(SMALL_EDGES)
    assert person.run(dataset_id, HOLDER).status_code == 200
    assert person.http.delete(f"/api/v2/datasets/{dataset_id}/").status_code == 204
    assert person.run(dataset_id, HOLDER).status_code == 404
