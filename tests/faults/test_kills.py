"""When a process is killed, the other processes go on, and callers that it served get a clear error."""

import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import httpx
import psutil
import pyarrow as pa
import pytest

from runtime.sandbox.walls.namespaces import inhabitant
from tests.conftest import SMALL_EDGES, START_TIMEOUT_S, LiveServer, Person, arrow_file, free_port
from tests.waiting import SLOW_S, WITHIN_S, eventually

pytestmark = pytest.mark.e2e

OWN_NAMESPACE = Path("/proc/self/ns/pid").readlink()
COUNT = "def task(g): return len(g._edges)"
SLEEP = "import time\ndef task(g): time.sleep(1000)"


@dataclass
class Victim(LiveServer):
    """``first_try``: the processes of the try that was killed while it started."""

    first_try: list[psutil.Process] = field(default_factory=list)


@pytest.fixture(scope="module")
def victim(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Victim]:
    """A server whose processes are killed, from the first start on; each test leaves it able to serve."""
    data: Path = tmp_path_factory.mktemp("victim") / "data"
    live = Victim(data, free_port())
    with ThreadPoolExecutor(1) as pool:
        killing = pool.submit(kill_the_first_try, live)
        live.start()
    live.first_try = killing.result(WITHIN_S)
    yield live
    live.stop()


def kill_the_first_try(server: LiveServer) -> list[psutil.Process]:
    """Kill Ray's scheduler while Serve starts. Return the processes that ran at that moment, without the launcher."""

    def serve_starts() -> bool:
        log = server.data.parent / f"{server.data.name}.log"
        return server.process is not None and log.exists() and "starting Serve" in log.read_text()

    eventually(serve_starts, START_TIMEOUT_S)
    everything = server.processes()[1:]
    one(server.find("raylet/raylet")).kill()
    return everything


@pytest.fixture
def person(victim: LiveServer) -> Iterator[Person]:
    signed_in = victim.log_in()
    yield signed_in
    signed_in.http.close()


def works(person: Person, dataset_id: str) -> bool:
    try:
        answer = person.run(dataset_id, COUNT)
    except httpx.TransportError:
        return False
    return answer.status_code == 200 and answer.json() == 3


def is_running(person: Person, run_id: str) -> bool:
    return bool(person.http.get(f"/api/v2/runs/{run_id}").json().get("state") == "running")


def one(processes: list[psutil.Process]) -> psutil.Process:
    (process,) = processes
    return process


def replica(server: LiveServer, deployment: str) -> psutil.Process:
    return one([process for process in server.find("ServeReplica") if deployment in " ".join(process.cmdline())])


def template(server: LiveServer) -> psutil.Process:
    runner = replica(server, "Runner").pid
    # A dead template leaves the process around its namespace to its holders, for as long as they live.
    found = max(
        (process for process in server.find("runtime.sandbox.guest.template") if process.ppid() == runner),
        key=lambda process: process.create_time(),
    )
    return psutil.Process(inhabitant(found.pid) or found.pid) if has_namespaces(found) else found


def has_namespaces(process: psutil.Process) -> bool:
    """Whether what it started lives in a pid namespace of its own."""
    return any(Path(f"/proc/{child.pid}/ns/pid").readlink() != OWN_NAMESPACE for child in process.children())


def test_a_start_whose_ray_is_killed_is_tried_anew_and_leaves_nothing_of_the_first_try(victim: Victim) -> None:
    assert "Ray did not come up: Ray's scheduler (raylet) ended; starting it anew, try 2 of 3" in victim.output
    assert not [process for process in victim.first_try if is_alive(process)]


def test_a_killed_holder_is_replaced_unseen(victim: LiveServer, person: Person) -> None:
    dataset_id = person.upload(SMALL_EDGES)
    assert works(person, dataset_id)
    for holder in template(victim).children():
        holder.kill()
    assert works(person, dataset_id)


def test_a_killed_template_is_replaced_unseen(victim: LiveServer, person: Person) -> None:
    old = template(victim)
    old.kill()
    assert works(person, person.upload(SMALL_EDGES))
    assert template(victim).pid != old.pid


@pytest.mark.parametrize("deployment", ["Runner", "Ingress"])
@pytest.mark.claim(20)
def test_a_killed_replica_costs_only_the_calls_that_it_served(
    victim: LiveServer, person: Person, deployment: str
) -> None:
    dataset_id = person.upload(SMALL_EDGES)
    assert all(works(person, dataset_id) for _ in range(5))  # from the third on they go past Serve
    below = replica(victim, "Runner").children(recursive=True)
    with ThreadPoolExecutor(1) as pool:
        run_id = uuid4().hex
        in_flight = pool.submit(person.run, dataset_id, SLEEP, run_id=run_id)
        eventually(lambda: is_running(person, run_id))
        replica(victim, deployment).kill()
        try:
            answer = in_flight.result(WITHIN_S)
        except httpx.RemoteProtocolError:
            assert deployment == "Ingress"  # nobody was left to say anything
        else:
            assert answer.status_code in (500, 502, 503)
            if deployment == "Runner":
                assert answer.status_code == 503
                assert answer.json()["type"] == "RunInterrupted"
                assert "Retry-After" in answer.headers
    eventually(lambda: works(person, dataset_id))
    if deployment == "Runner":
        eventually(lambda: not any(process.is_running() for process in below))


@pytest.mark.soak
@pytest.mark.claim(21)
@pytest.mark.protocol("9.4")
def test_a_restart_after_a_kill_of_everything_finds_all_that_was_acknowledged(
    victim: LiveServer, person: Person
) -> None:
    kept = person.upload(SMALL_EDGES)
    uploaded = person.http.post("/api/v2/files/", json={"file_type": "arrow", "name": "kept"}).json()["file_id"]
    assert person.http.post(f"/api/v2/upload/files/{uploaded}", content=arrow_file(SMALL_EDGES)).is_success
    half = person.http.post("/api/v2/files/", json={"file_type": "arrow", "name": "half"}).json()["file_id"]
    empty = person.http.post(
        "/api/v2/upload/datasets/", json={"name": "half", "node_encodings": {"bindings": {}}, "metadata": {}}
    ).json()["data"]["dataset_id"]

    killed = threading.Event()

    def slow_body() -> Iterator[bytes]:
        whole = arrow_file(pa.table({"x": list(range(200_000))}))
        yield whole[:65536]
        killed.wait(WITHIN_S)
        yield whole[65536:]

    def upload_slowly(path: str) -> None:
        with pytest.raises(httpx.TransportError):
            victim.log_in().http.post(path, content=slow_body())

    with ThreadPoolExecutor(3) as pool:
        uploads = [
            pool.submit(upload_slowly, f"/api/v2/upload/files/{half}"),
            pool.submit(upload_slowly, f"/api/v2/upload/datasets/{empty}/edges/arrow"),
        ]
        run_id = uuid4().hex
        run = pool.submit(person.run, kept, SLEEP, run_id=run_id)
        eventually(lambda: is_running(person, run_id))
        eventually(lambda: len(list((victim.data / "incoming").iterdir())) == 2)
        everything = victim.processes()
        for process in everything:
            process.kill()
        killed.set()
        for upload in uploads:
            upload.result(WITHIN_S)
        with pytest.raises(httpx.TransportError):
            run.result(WITHIN_S)
    assert victim.process is not None
    victim.process.wait(WITHIN_S)
    eventually(lambda: not any(is_alive(process) for process in everything))

    victim.start()
    again = victim.log_in()
    assert works(again, kept)
    files = {item["file_id"]: item for item in again.http.get("/api/v2/files/").json()["results"]}
    assert files[uploaded]["is_valid"]
    assert not files[half]["is_uploaded"]
    dataset_ids = {item["dataset_id"] for item in again.http.get("/api/v2/datasets/").json()["results"]}
    assert kept in dataset_ids
    assert again.run(empty, "def task(g): return g._edges is None").json() is True
    assert list((victim.data / "incoming").iterdir()) == []
    assert len(list((victim.data / "objects").glob("*/*.arrow"))) == len(
        {item for item in (victim.data / "objects").glob("*/*.arrow") if item.stat().st_mode & 0o222 == 0}
    )
    again.http.close()


def is_alive(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


@pytest.mark.claim(22)
def test_an_interrupt_ends_every_process_within_ten_seconds(victim: LiveServer) -> None:
    everything = victim.processes()
    started = time.monotonic()
    assert victim.stop(signal.SIGINT) == 0
    assert time.monotonic() - started < 10 + SLOW_S
    assert not [process for process in everything if is_alive(process)]
