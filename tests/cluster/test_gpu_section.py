"""A server that is to have GPU runners, on a machine without a GPU: all else is served.

Once where Ray finds no GPU and starts no GPU runner, and once where Ray is told of one and the runner finds out.
"""

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import SMALL_EDGES, LiveServer, Person, free_port
from tests.waiting import SLOW_S

pytestmark = [
    pytest.mark.soak,
    pytest.mark.e2e,
    pytest.mark.skipif(shutil.which("nvidia-smi") is not None, reason="there is a GPU here"),
]

KIND = "def task(g): return type(g._edges).__module__"


@pytest.fixture(scope="module", params=[{}, {"RAY_OVERRIDE_RESOURCES": '{"GPU": 1}'}], ids=["not seen", "said to be"])
def without(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    """A server whose settings have a section ``gpu``."""
    data: Path = tmp_path_factory.mktemp("gpu") / "data"
    live = LiveServer(data, free_port(), {"GRAPHSIDE_GPU": "{}", **request.param}).start()
    yield live
    live.stop()


@pytest.fixture(scope="module")
def person(without: LiveServer) -> Iterator[Person]:
    signed_in = without.log_in()
    yield signed_in
    signed_in.http.close()


@pytest.fixture(scope="module")
def dataset_id(person: Person) -> str:
    return person.upload(SMALL_EDGES)


def test_the_start_says_in_one_line_that_there_is_no_gpu_runner(without: LiveServer) -> None:
    told = [line for line in without.output.splitlines() if "no GPU runner" in line]
    assert len(told) == 1
    assert "no NVIDIA driver" in told[0]
    assert told[0].endswith("; until there is one, tasks run on the CPU")
    assert "graphside ready" in without.output


@pytest.mark.parametrize("fields", [{}, {"engine": "pandas"}], ids=["names no engine", "pandas"])
def test_tasks_of_pandas_and_of_no_engine_run(person: Person, dataset_id: str, fields: dict[str, str]) -> None:
    answer = person.run(dataset_id, KIND, **fields)
    assert (answer.status_code, answer.text.strip('"').partition(".")[0]) == (200, "pandas")
    receipt = person.http.get(f"/api/v2/runs/{answer.headers['x-run-id']}").json()
    assert receipt["engine"] == "pandas"


def test_cudf_is_refused_at_once_with_advice(person: Person, dataset_id: str) -> None:
    started = time.monotonic()
    answer = person.run(dataset_id, KIND, engine="cudf")
    refused = (answer.status_code, answer.json()["type"])
    assert refused in {(503, "Overloaded"), (422, "EngineUnavailable")}  # the latter once none can be starting any more
    assert 'engine="pandas"' in answer.json()["error"]
    assert ("retry-after" in answer.headers) == (answer.status_code == 503)
    assert time.monotonic() - started < SLOW_S


def test_a_gpu_runner_that_was_started_says_why_it_ended(without: LiveServer) -> None:
    started = any(b"gpu.unusable reason=" in content for path, content in without.logs() if "GpuRunner" in path.name)
    assert started == ("RAY_OVERRIDE_RESOURCES" in without.environment)


def test_a_message_to_all_runners_does_not_wait_for_gpu_runners(person: Person) -> None:
    dataset_id = person.upload(SMALL_EDGES)
    assert person.run(dataset_id, KIND).status_code == 200
    started = time.monotonic()
    assert person.http.get("/api/v2/runs?state=running").json()["count"] == 0
    assert person.http.delete(f"/api/v2/datasets/{dataset_id}/").status_code == 204
    assert person.http.get("/readyz").status_code == 200
    assert time.monotonic() - started < SLOW_S
