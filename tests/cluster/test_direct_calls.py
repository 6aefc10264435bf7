"""Runs that go past Serve, end to end: Serve knows of them all the same."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from tests.cluster.conftest import HOLDER, template_of
from tests.conftest import SMALL_EDGES, LiveServer, Person, free_port
from tests.waiting import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.soak]

COUNT = "def task(g): return len(g._edges)"
AWHILE = "import time\ndef task(g):\n    time.sleep({})\n    return len(g._edges)"


@pytest.fixture(scope="module")
def scaled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A server with a second runner when there is work for it."""
    data: Path = tmp_path_factory.mktemp("scaled") / "data"
    live = LiveServer(data, free_port(), module="tests.cluster.scaled_app").start()
    yield live
    live.stop()


@pytest.fixture(scope="module")
def person(scaled: LiveServer) -> Iterator[Person]:
    signed_in = scaled.log_in()
    yield signed_in
    signed_in.http.close()


def replicas(server: LiveServer, deployment: str) -> list[psutil.Process]:
    return [process for process in server.find("ServeReplica") if f":{deployment}" in " ".join(process.cmdline())]


def lines(server: LiveServer) -> int:
    """Connections that ingresses have to runners: all that have a listener's name, less the listeners."""
    found = [line.laddr for runner in replicas(server, "Runner") for line in runner.net_connections("unix")]
    named = [name for name in found if "graphside-runner" in str(name)]
    return len(named) - len(set(named))


def one_in_each_of_two(server: LiveServer, person: Person) -> dict[int, str]:
    """New datasets by the template below which they are; those that were there before stay where they were."""
    homes: dict[int, str] = {}

    def both_have_one() -> bool:
        dataset_id = person.upload(SMALL_EDGES)
        homes[template_of(server, person.run(dataset_id, HOLDER, engine="pandas").json())] = dataset_id
        return len(homes) == 2

    eventually(both_have_one, poll_s=0.1)
    return homes


def in_a_row(person: Person, dataset_id: str) -> None:
    for _ in range(5):
        assert person.run(dataset_id, COUNT).json() == 3


def test_runs_in_a_row_go_over_a_socket_of_their_own(scaled: LiveServer, person: Person) -> None:
    in_a_row(person, person.upload(SMALL_EDGES))
    eventually(lambda: lines(scaled) == 1)


def test_runners_come_with_work_and_go_without_it_and_no_run_is_lost(scaled: LiveServer, person: Person) -> None:
    datasets = [person.upload(SMALL_EDGES) for _ in range(6)]
    ending = threading.Event()

    def work(dataset_id: str) -> list[int]:
        answers = []
        while not ending.is_set():
            answers.append(person.run(dataset_id, AWHILE.format(0.2)).status_code)
        return answers

    with ThreadPoolExecutor(6) as pool:
        working = [pool.submit(work, dataset_id) for dataset_id in datasets]
        try:
            eventually(lambda: len(replicas(scaled, "Runner")) == 2)
            homes = one_in_each_of_two(scaled, person)
        finally:
            ending.set()
        assert {status for one in working for status in one.result()} == {200}
    for dataset_id in homes.values():
        in_a_row(person, dataset_id)
    with ThreadPoolExecutor(2) as pool:
        # As little to do as one runner can: the other one is to end, and has one of these.
        long = [pool.submit(person.run, dataset_id, AWHILE.format(15), timeout_s=30) for dataset_id in homes.values()]
        assert {answer.result().status_code for answer in long} == {200}
    eventually(lambda: len(replicas(scaled, "Runner")) == 1)
    for dataset_id in datasets:
        in_a_row(person, dataset_id)
