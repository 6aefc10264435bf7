"""The ends of a run as clients see them: one of each kind, on time, with nothing left behind.

``tests/unit/sandbox/test_run_ends.py`` has the full table of what ends a run, and how it is named.
"""

from __future__ import annotations

import gzip
import json
import os
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import psutil
import pyarrow as pa
import pytest

from tests.conftest import LiveServer, Person
from tests.waiting import SLOW_S, WITHIN_S, eventually
from tests.wire.errors import assert_error

pytestmark = pytest.mark.e2e

MIB = 1024 * 1024


# A process that has to be found again gives itself a name: that shows from outside whatever namespace it is in.
NAMED = """
import ctypes
def be_called(name): assert ctypes.CDLL(None).prctl(15, name.encode(), 0, 0, 0) == 0
"""


def marker() -> str:
    return f"run-{uuid4().hex[:8]}"


def processes_called(name: str) -> list[int]:
    found = []
    for path in Path("/proc").glob("[0-9]*/comm"):
        try:
            if path.read_text().strip() == name:
                found.append(int(path.parent.name))
        except OSError:  # it ended meanwhile
            continue
    return found


def timed(person: Person, dataset_id: str, source: str, **fields: Any) -> tuple[httpx.Response, float]:
    started = time.monotonic()
    answer = person.run(dataset_id, source, **fields)
    return answer, time.monotonic() - started


LOOP = "def task(g):\n    while True: pass"
CRASH = "import ctypes\ndef task(g): ctypes.string_at(0)"
HOG = "def task(g): return len(bytearray(10 * 2**30))"


# Deadlines


@pytest.mark.claim(1)
def test_the_deadline_ends_a_run(alice: Person, people: str) -> None:
    answer, seconds = timed(alice, people, LOOP, timeout_s=0.5)
    body = assert_error(answer, 422, "TaskTimeout")
    assert (body["limit_name"], body["limit"]) == ("timeout_s", 0.5)
    assert 0.5 <= body["observed"] < 0.5 + SLOW_S
    assert seconds < 0.5 + SLOW_S


@pytest.mark.claim(2)
def test_three_endless_loops_end_on_time_and_leave_no_process(alice: Person, people: str) -> None:
    name = marker()
    source = f"{NAMED}\nbe_called({name!r})\ndef task(g):\n    while True: pass"
    alice.run(people, "def task(g): return 1")
    with ThreadPoolExecutor(3) as pool:
        runs = list(pool.map(lambda _: timed(alice, people, source, timeout_s=2), range(3)))
    for answer, seconds in runs:
        assert_error(answer, 422, "TaskTimeout")
        assert 2 <= seconds < 2 + SLOW_S
    eventually(lambda: not processes_called(name))
    answer, seconds = timed(alice, people, "def task(g): return len(g._edges)")
    assert answer.json() == 3
    assert seconds < SLOW_S


def test_a_run_within_its_deadline_is_not_disturbed(alice: Person, people: str) -> None:
    source = "import time\ndef task(g):\n    time.sleep(0.4)\n    return 'done'"
    assert alice.run(people, source, timeout_s=SLOW_S).text == "done"


# Crashes


@pytest.mark.claim(19)
@pytest.mark.parametrize(
    ("source", "expected"),
    [(CRASH, {"signal": "SIGSEGV"}), ("import os\ndef task(g): os._exit(3)", {"exit_code": 3})],
    ids=["signal", "exit code"],
)
def test_a_crash_is_named(alice: Person, people: str, source: str, expected: dict[str, Any]) -> None:
    body = assert_error(alice.run(people, source), 422, "TaskCrashed")
    assert {name: body.get(name) for name in expected} == expected
    assert alice.run(people, "def task(g): return len(g._edges)").json() == 3


# Limits


@pytest.mark.claim(7)
def test_memory_beyond_the_limit_is_refused_by_name(alice: Person, people: str) -> None:
    answer = alice.run(people, HOG, memory_bytes=100 * MIB)
    body = assert_error(answer, 422, "TaskMemoryExceeded")
    assert (body["limit_name"], body["limit"]) == ("memory_bytes", 100 * MIB)


def test_memory_within_the_limit_is_there(alice: Person, people: str) -> None:
    source = "import numpy as np\ndef task(g): return float(np.ones(10 * 2**20).sum())"
    assert alice.run(people, source, memory_bytes=200 * MIB).json() == 10 * 2**20


def test_ten_gigabytes_are_refused_without_any_limit_asked_for(alice: Person, people: str) -> None:
    assert_error(alice.run(people, HOG), 422, "TaskMemoryExceeded")


@pytest.mark.claim(10)
def test_the_scratch_directory_has_its_limit(alice: Person, people: str) -> None:
    source = (
        "import time\ndef task(g):\n    for name in 'abcde': open(name, 'wb').write(bytes(2**20))\n    time.sleep(1000)"
    )
    answer = alice.run(people, source, scratch_bytes=MIB)
    body = assert_error(answer, 422, "TaskScratchExceeded")
    assert body["limit_name"] == "scratch_bytes"
    assert body["observed"] > body["limit"]
    answer = alice.run(people, "def task(g):\n    open('big', 'wb').write(bytes(2**21))", scratch_bytes=MIB)
    body = assert_error(answer, 422, "TaskScratchExceeded")
    assert (body["limit_name"], body["exception_type"]) == ("scratch_bytes", "OSError")


@pytest.mark.claim(14)
def test_the_scratch_directory_is_a_runs_own_and_empty(server: LiveServer, alice: Person, people: str) -> None:
    source = """
import os, tempfile
def task(g):
    before = os.listdir(".")
    with open("note", "w") as note: note.write("x")
    with tempfile.NamedTemporaryFile(delete=False) as other: other.write(b"y")
    return [before, os.path.dirname(other.name) == os.getcwd(), os.environ["HOME"] == os.getcwd(), len(os.listdir("."))]
"""
    for _ in range(3):
        assert alice.run(people, source).json() == [[], True, True, 2]
    scratch = server.data / "scratch"
    eventually(lambda: not [name for _, _, files in os.walk(scratch) for name in files])


@pytest.mark.claim(9)
def test_a_result_beyond_its_limit_is_refused(alice: Person, people: str) -> None:
    body = assert_error(alice.run(people, "def task(g): return 'x' * 5000", result_bytes=4000), 422, "ResultTooLarge")
    assert (body["limit_name"], body["limit"]) == ("result_bytes", 4000)
    assert body["observed"] > 4000


def test_a_result_of_many_megabytes_arrives_whole(alice: Person, people: str) -> None:
    answer = alice.run(people, "def task(g): return 'abcdefgh' * (5 * 2**20)")
    assert len(answer.content) == int(answer.headers["content-length"]) == 40 * MIB
    assert answer.content == b"abcdefgh" * (5 * MIB)


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
def test_a_large_result_is_compressed_on_demand(alice: Person, people: str, coding: str) -> None:
    source = "def task(g): return [{'s': n, 'd': n + 1} for n in range(300_000)]"
    alone = {"Accept-Encoding": f"{coding}, identity;q=0"}  # a client on this machine gets it plain otherwise
    with alice.http.stream(
        "POST", f"/api/v2/datasets/{people}/python", json={"execute": source}, headers=alone
    ) as answer:
        raw = b"".join(answer.iter_raw())
    assert (answer.headers["content-encoding"], answer.headers["vary"]) == (coding, "Accept-Encoding")
    whole = gzip.decompress(raw) if coding == "gzip" else pa.input_stream(pa.py_buffer(raw), compression="zstd").read()
    assert len(json.loads(whole)) == 300_000
    assert len(raw) < len(whole) / 3


# A client that leaves; what stays


@pytest.mark.claim(4)
@pytest.mark.parametrize("apart", [False, True], ids=["in one piece", "head and body apart"])
def test_a_run_ends_when_its_client_leaves(server: LiveServer, alice: Person, people: str, apart: bool) -> None:
    name = marker()
    source = f"{NAMED}\nbe_called({name!r})\ndef task(g):\n    while True: pass"
    body = json.dumps({"execute": source, "timeout_s": 60}).encode()
    head = (
        f"POST /api/v2/datasets/{people}/python HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {alice.token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", server.port), timeout=WITHIN_S) as connection:
        connection.sendall(head.encode() if apart else head.encode() + body)
        if apart:
            time.sleep(0.1)  # the pause between the two parts is what this row tests
            connection.sendall(body)
        eventually(lambda: processes_called(name))
    eventually(lambda: not processes_called(name))
    assert alice.run(people, "def task(g): return 1").json() == 1


def test_runs_leave_no_process_behind(server: LiveServer, alice: Person, people: str) -> None:
    assert server.process is not None
    launcher = psutil.Process(server.process.pid)

    def running() -> int:
        return len(launcher.children(recursive=True))

    alice.run(people, "def task(g): return 1")
    before = running()
    for source in ("def task(g): return 1", CRASH, LOOP, HOG, "def task(g): 1 / 0"):
        for _ in range(3):
            alice.run(people, source, timeout_s=0.3)
    eventually(lambda: running() <= before + 2)  # spare seats come and go


# Many at once


def test_twenty_runs_at_once_are_all_right(alice: Person, people: str) -> None:
    def one(number: int) -> tuple[int, Any]:
        source = (
            f"def task(g):\n    g._edges['n'] = {number}\n    return [int(g._edges['n'].sum()), len(g._edges.columns)]"
        )
        return number, alice.run(people, source).json()

    with ThreadPoolExecutor(20) as pool:
        for number, result in pool.map(one, range(20)):
            assert result == [3 * number, 4]


def test_failures_do_not_disturb_the_runs_beside_them(alice: Person, people: str) -> None:
    sources = ["def task(g): return len(g._nodes)", CRASH, "def task(g): return 1 / 0", LOOP]
    kinds = [None, "TaskCrashed", "TaskError", "TaskTimeout"]

    def one(number: int) -> str | None:
        source = sources[number % 4]
        answer = alice.run(people, source, timeout_s=1 if source is LOOP else SLOW_S)
        return None if answer.status_code == 200 and answer.json() == 4 else answer.json().get("type")

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(one, range(24))) == kinds * 6


def test_two_datasets_at_once_do_not_mix(alice: Person, people: str, admin: Person, small: str) -> None:
    def one(number: int) -> Any:
        person, dataset_id = (alice, people) if number % 2 else (admin, small)
        return person.run(dataset_id, "def task(g): return [len(g._edges), g._nodes is None]").json()

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(one, range(16))) == [[3, True], [3, False]] * 8
