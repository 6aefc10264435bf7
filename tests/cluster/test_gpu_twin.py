"""GPU runners end to end, over a device of host memory: who goes where, and what happens when one dies."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import pytest

from tests.conftest import SMALL_EDGES, LiveServer, Person, free_port
from tests.waiting import WITHIN_S, eventually

pytestmark = [pytest.mark.e2e, pytest.mark.soak]

MIB = 1024 * 1024
GPU = {"num_gpus": 0.5, "seats": 2, "spare_seats": 1, "seat_bytes": 256 * MIB, "cache_bytes": 64 * MIB}

ON_TWIN = "def task(g):\n    import builtins\n    return [hasattr(builtins, 'twin'), len(g._edges)]"
"""The twin leaves its name with every run that it has."""

DEADLINE_S = WITHIN_S


@pytest.fixture(scope="module")
def twin_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A server with one runner of each kind."""
    data: Path = tmp_path_factory.mktemp("twin") / "data"
    told = {"GRAPHSIDE_GPU": json.dumps(GPU), "RAY_OVERRIDE_RESOURCES": '{"GPU": 1}'}
    live = LiveServer(data, free_port(), told, module="tests.cluster.twin_app").start()
    yield live
    live.stop()


@pytest.fixture(scope="module")
def person(twin_server: LiveServer) -> Iterator[Person]:
    signed_in = twin_server.log_in()
    yield signed_in
    signed_in.http.close()


@pytest.fixture(scope="module")
def dataset_id(person: Person) -> str:
    return person.upload(SMALL_EDGES)


@pytest.fixture(scope="module", autouse=True)
def _running(person: Person, dataset_id: str) -> None:
    wait_for_cudf(person, dataset_id)


def wait_for_cudf(person: Person, dataset_id: str) -> None:
    """Until a GPU runner answers. Until then everybody is told at once that there is none."""

    def answered() -> list[object] | None:
        answer = person.run(dataset_id, ON_TWIN, engine="cudf")
        if answer.status_code == 200:
            return list(answer.json())
        assert (answer.status_code, answer.json()["type"]) in {(503, "Overloaded"), (503, "RunInterrupted")}
        return None

    assert eventually(answered, DEADLINE_S, poll_s=0.2) == [True, 3]


def test_the_start_says_nothing_of_a_missing_gpu(twin_server: LiveServer) -> None:
    assert "no GPU runner" not in twin_server.output


@pytest.mark.parametrize(
    ("fields", "engine"), [({}, "cudf"), ({"engine": "cudf"}, "cudf"), ({"engine": "pandas"}, "pandas")]
)
def test_a_run_goes_to_a_runner_of_its_engine(
    person: Person, dataset_id: str, fields: dict[str, str], engine: str
) -> None:  # fmt: skip
    answer = person.run(dataset_id, ON_TWIN, **fields)
    assert answer.json() == [engine == "cudf", 3]
    assert "x-engine" not in answer.headers
    assert person.http.get(f"/api/v2/runs/{answer.headers['x-run-id']}").json()["engine"] == engine


@pytest.mark.parametrize("engine", ["cudf", "pandas"])
def test_a_large_result_comes_from_the_kind_that_made_it(person: Person, dataset_id: str, engine: str) -> None:
    answer = person.run(dataset_id, "def task(g): return 'x' * 3_000_000", engine=engine)
    assert (answer.status_code, len(answer.json())) == (200, 3_000_000)


def test_the_budget_is_that_of_the_section(twin_server: LiveServer) -> None:
    lines = [
        line
        for path, content in twin_server.logs()
        if "GpuRunner" in path.name
        for line in content.decode(errors="replace").splitlines()
        if "gpu.ready" in line
    ]
    assert f"share=0.50 seats=2 seat_bytes={256 * MIB} cache_bytes={64 * MIB}" in lines[0]


def test_a_run_on_a_gpu_runner_is_seen_and_can_be_cancelled(person: Person, dataset_id: str) -> None:
    run_id = uuid4().hex
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(
            person.run, dataset_id, "def task(g):\n    while True: pass", engine="cudf", run_id=run_id
        )
        eventually(lambda: person.http.get(f"/api/v2/runs/{run_id}").json().get("state") == "running", DEADLINE_S)
        assert person.http.post(f"/api/v2/runs/{run_id}/cancel").status_code == 200
        answer = running.result(DEADLINE_S)
    assert (answer.status_code, answer.json()["type"]) == (422, "TaskCancelled")


def test_a_deleted_dataset_is_gone_from_both_kinds(person: Person) -> None:
    dataset_id = person.upload(SMALL_EDGES)
    for engine in ("cudf", "pandas"):
        assert person.run(dataset_id, ON_TWIN, engine=engine).status_code == 200
    assert person.http.delete(f"/api/v2/datasets/{dataset_id}/").status_code == 204
    for engine in ("cudf", "pandas"):
        assert person.run(dataset_id, ON_TWIN, engine=engine).status_code == 404


def test_a_gpu_runner_that_dies_is_replaced_and_nobody_waits_for_it(
    twin_server: LiveServer, person: Person, dataset_id: str
) -> None:
    replicas = [process for process in twin_server.find("ServeReplica") if "GpuRunner" in " ".join(process.cmdline())]
    assert len(replicas) == 1
    replicas[0].kill()
    assert person.run(dataset_id, ON_TWIN, engine="pandas").json() == [False, 3]
    wait_for_cudf(person, dataset_id)
