"""How a run ends, whatever it does: each end is named for what it was, on time, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import re
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import httpx
import psutil
import pytest

from tests.waiting import eventually
from tests.wire.test_errors import assert_error

if TYPE_CHECKING:
    from tests.conftest import LiveServer, Person

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


# Deadlines

ENDLESS = {
    "in the task": """
        def task(g):
            while True: pass
    """,
    "asleep": """
        import time
        def task(g): time.sleep(1000)
    """,
    "at the top level": """
        while True: pass
        def task(g): return 1
    """,
    "in an import": """
        import sys, time
        class Finder:
            def find_spec(self, *names): time.sleep(1000)
        sys.meta_path.insert(0, Finder())
        import anything_at_all
        def task(g): return 1
    """,
    "deaf to signals": """
        import signal
        def task(g):
            for number in range(1, 32):
                try: signal.signal(number, signal.SIG_IGN)
                except (OSError, ValueError): pass
            while True: pass
    """,
    "catching everything": """
        def task(g):
            while True:
                try:
                    while True: pass
                except BaseException: pass
    """,
    "in C": """
        import re
        def task(g): re.match("(a+)+$", "a" * 60 + "b")
    """,
    "encoding the result": """
        from collections import UserDict
        class Slow(UserDict):
            def items(self):
                while True: pass
        def task(g): return {"a": Slow()}
    """,
    "telling its exception": """
        class Slow(Exception):
            def __str__(self):
                while True: pass
        def task(g): raise Slow
    """,
    "telling where something has no form": """
        class Key(str):
            def __repr__(self):
                while True: pass
        def task(g): return {Key("key"): object()}
    """,
    "in a thread beside it": """
        import threading, time
        def task(g):
            threading.Thread(target=time.sleep, args=(1000,)).start()
            while True: pass
    """,
}


@pytest.mark.parametrize("source", ENDLESS.values(), ids=ENDLESS)
def test_the_deadline_ends_a_run_wherever_it_is(alice: Person, people: str, source: str) -> None:
    answer, seconds = timed(alice, people, source, timeout_s=0.5)
    body = assert_error(answer, 422, "TaskTimeout")
    assert (body["limit_name"], body["limit"]) == ("timeout_s", 0.5)
    assert 0.5 <= body["observed"] < 1.5
    assert seconds < 2.5


def test_three_endless_loops_end_on_time_and_leave_no_process(alice: Person, people: str) -> None:
    name = marker()
    source = f"{NAMED}\nbe_called({name!r})\ndef task(g):\n    while True: pass"
    alice.run(people, "def task(g): return 1")
    with ThreadPoolExecutor(3) as pool:
        runs = list(pool.map(lambda _: timed(alice, people, source, timeout_s=2), range(3)))
    for answer, seconds in runs:
        assert_error(answer, 422, "TaskTimeout")
        assert 2 <= seconds < 2.5
    eventually(lambda: not processes_called(name), 1)
    answer, seconds = timed(alice, people, "def task(g): return len(g._edges)")
    assert answer.json() == 3
    assert seconds < 1


def test_a_run_within_its_deadline_is_not_disturbed(alice: Person, people: str) -> None:
    source = "import time\ndef task(g):\n    time.sleep(0.4)\n    return 'done'"
    assert alice.run(people, source, timeout_s=5).text == "done"


# Crashes

CRASHES: list[tuple[str, str, dict[str, Any]]] = [
    ("segfault", "import ctypes\ndef task(g): ctypes.string_at(0)", {"signal": "SIGSEGV"}),
    ("exit code", "import os\ndef task(g): os._exit(3)", {"exit_code": 3}),
    ("exit code of success", "import os\ndef task(g): os._exit(0)", {"exit_code": 0}),
    ("killed by itself", "import os, signal\ndef task(g): os.kill(os.getpid(), signal.SIGKILL)", {"signal": "SIGKILL"}),
    ("abort", "import os\ndef task(g): os.abort()", {"signal": "SIGABRT"}),
    ("terminated", "import os, signal\ndef task(g): os.kill(os.getpid(), signal.SIGTERM)", {"signal": "SIGTERM"}),
    ("at the top level", "import os\nos._exit(7)\ndef task(g): return 1", {"exit_code": 7}),
    (
        "stack overflow",
        "def task(g):\n    x = None\n    for _ in range(10**6): x = (x,)\n    return hash(x)",
        {"signal": "SIGSEGV"},
    ),
]


@pytest.mark.parametrize(("source", "expected"), [row[1:] for row in CRASHES], ids=[row[0] for row in CRASHES])
def test_a_crash_is_named(alice: Person, people: str, source: str, expected: dict[str, Any]) -> None:
    body = assert_error(alice.run(people, source), 422, "TaskCrashed")
    assert {name: body.get(name) for name in expected} == expected
    assert alice.run(people, "def task(g): return len(g._edges)").json() == 3


# Limits

HOGS = {
    "bytes": "def task(g): return len(bytearray(10 * 2**30))",
    "numpy": """
        import numpy as np
        def task(g): return float(np.ones(10 * 2**27).sum())
    """,
    "bit by bit": """
        def task(g):
            kept = []
            while True: kept.append(bytearray(2**20))
    """,
    "objects": """
        def task(g):
            kept = []
            while True: kept.append([object() for _ in range(1000)])
    """,
    "a frame": """
        import pandas as pd
        def task(g):
            frame = g._edges
            while True: frame = pd.concat([frame, frame], ignore_index=True)
    """,
    "caught and tried again": """
        def task(g):
            kept = []
            while len(kept) < 1000:
                try: kept.append(bytearray(2**24))
                except MemoryError: kept.append(b"")
            raise MemoryError
    """,
}


@pytest.mark.parametrize("source", HOGS.values(), ids=HOGS)
def test_memory_beyond_the_limit_is_refused_by_name(alice: Person, people: str, source: str) -> None:
    answer = alice.run(people, source, memory_bytes=100 * MIB, timeout_s=30)
    body = assert_error(answer, 422, "TaskMemoryExceeded")
    assert (body["limit_name"], body["limit"]) == ("memory_bytes", 100 * MIB)


def test_memory_within_the_limit_is_there(alice: Person, people: str) -> None:
    source = "import numpy as np\ndef task(g): return float(np.ones(10 * 2**20).sum())"
    assert alice.run(people, source, memory_bytes=200 * MIB).json() == 10 * 2**20


def test_ten_gigabytes_are_refused_without_any_limit_asked_for(alice: Person, people: str) -> None:
    assert_error(alice.run(people, HOGS["bytes"]), 422, "TaskMemoryExceeded")


SCRATCH: dict[str, tuple[str, int, str]] = {
    "one file": ("open('big', 'wb').write(bytes(5 * 2**20))", MIB, "scratch_bytes"),
    "a file that grows": (
        "f = open('big', 'ab')\n    while True: f.write(bytes(2**16)); f.flush()",
        MIB,
        "scratch_bytes",
    ),
    "many files": ("for n in range(1100): open(str(n), 'w').close()", 64 * MIB, "scratch_files"),
    "a tree": (
        "for n in range(600):\n        os.mkdir(str(n))\n        open(f'{n}/x', 'w').close()",
        64 * MIB,
        "scratch_files",
    ),
}


@pytest.mark.parametrize(("fill", "scratch_bytes", "limit_name"), SCRATCH.values(), ids=SCRATCH)
def test_the_scratch_directory_has_its_limit(
    alice: Person, people: str, fill: str, scratch_bytes: int, limit_name: str
) -> None:
    source = f"import os, time\ndef task(g):\n    {fill}\n    time.sleep(10)"
    answer = alice.run(people, source, scratch_bytes=scratch_bytes, timeout_s=8)
    body = assert_error(answer, 422, "TaskScratchExceeded")
    assert body["limit_name"] == limit_name
    assert body["observed"] > body["limit"]


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
    eventually(lambda: not [name for _, _, files in os.walk(scratch) for name in files], 2)


RESULTS: dict[str, tuple[str, dict[str, Any]]] = {
    "text": ("'x' * 5000", {}),
    "json": ("list(range(5000))", {"engine": "pandas"}),
    "csv": ("pd.DataFrame({'x': range(5000)})", {"output_type": "table", "format": "csv"}),
    "zip": ("g.edges(pd.DataFrame({'s': range(9000), 'd': range(9000)}))", {"output_type": "all", "format": "parquet"}),
}


@pytest.mark.parametrize(("returned", "fields"), RESULTS.values(), ids=RESULTS)
def test_a_result_beyond_its_limit_is_refused(
    alice: Person, people: str, returned: str, fields: dict[str, Any]
) -> None:
    source = f"import pandas as pd\ndef task(g): return {returned}"
    body = assert_error(alice.run(people, source, result_bytes=4000, **fields), 422, "ResultTooLarge")
    assert (body["limit_name"], body["limit"]) == ("result_bytes", 4000)
    assert body["observed"] > 4000


def test_a_result_of_many_megabytes_arrives_whole(alice: Person, people: str) -> None:
    answer = alice.run(people, "def task(g): return 'abcdefgh' * (5 * 2**20)")
    assert len(answer.content) == int(answer.headers["content-length"]) == 40 * MIB
    assert answer.content == b"abcdefgh" * (5 * MIB)


# Output


@pytest.mark.parametrize("megabytes", [3, 100, pytest.param(1024, marks=pytest.mark.soak)])
def test_more_output_than_its_limit_is_cut_and_flagged(alice: Person, people: str, megabytes: int) -> None:
    source = f"""
import sys
def task(g):
    print("first")
    for _ in range({megabytes}):
        sys.stdout.write("x" * 2**20)
    print("last")
    print("short", file=sys.stderr)
    raise ValueError("done")
"""
    body = assert_error(alice.run(people, source, timeout_s=120), 422, "TaskError")
    assert (body["stdout_truncated"], body["stderr_truncated"], body["stderr"]) == (True, False, "short\n")
    assert body["stdout"].startswith("first\n")
    assert body["stdout"].endswith("last\n")
    assert len(body["stdout"]) < 1.1 * MIB
    cut = re.search(r"\.\.\. (\d+) bytes cut \.\.\.", body["stdout"])
    assert cut is not None
    assert int(cut[1]) == megabytes * MIB + len("first\nlast\n") - MIB


def test_a_run_that_prints_much_succeeds(alice: Person, people: str) -> None:
    source = """
        import os
        def task(g):
            for _ in range(30):
                os.write(1, b"x" * 2**20)
                os.write(2, b"y" * 2**20)
            return "done"
    """
    assert alice.run(people, source).text == "done"


# Around a run


def test_a_response_tells_its_run_and_where_the_time_went(alice: Person, people: str) -> None:
    for source, status in (("def task(g): return 1", 200), ("def task(g): return 1 / 0", 422)):
        answer = alice.run(people, source)
        assert answer.status_code == status
        assert re.fullmatch("[0-9a-f]{32}", answer.headers["x-run-id"])
        phases = dict(re.findall(r"(\w+);dur=([0-9.]+)", answer.headers["server-timing"]))
        assert list(phases) == ["queue", "seat", "run", "encode"]
        assert all(0 <= float(duration) < 60_000 for duration in phases.values())
    assert answer.json()["run_id"] == answer.headers["x-run-id"]


def test_the_time_of_a_run_is_the_tasks_own(alice: Person, people: str) -> None:
    answer = alice.run(people, "import time\ndef task(g):\n    time.sleep(0.3)\n    return 1")
    duration = float(re.findall(r"run;dur=([0-9.]+)", answer.headers["server-timing"])[0])
    assert 300 <= duration < 2000


@pytest.mark.parametrize("apart", [False, True], ids=["in one piece", "head and body apart"])
def test_a_run_ends_when_its_client_leaves(server: LiveServer, alice: Person, people: str, apart: bool) -> None:
    name = marker()
    source = f"{NAMED}\nbe_called({name!r})\ndef task(g):\n    while True: pass"
    body = json.dumps({"execute": source, "timeout_s": 60}).encode()
    head = (
        f"POST /api/v2/datasets/{people}/python HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {alice.token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
        connection.sendall(head.encode() if apart else head.encode() + body)
        if apart:
            threading.Event().wait(0.1)
            connection.sendall(body)
        eventually(lambda: processes_called(name), 10)
    eventually(lambda: not processes_called(name), 1)
    assert alice.run(people, "def task(g): return 1").json() == 1


def test_runs_leave_no_process_behind(server: LiveServer, alice: Person, people: str) -> None:
    assert server.process is not None
    launcher = psutil.Process(server.process.pid)

    def running() -> int:
        return len(launcher.children(recursive=True))

    alice.run(people, "def task(g): return 1")
    before = running()
    for source in ("def task(g): return 1", CRASHES[0][1], ENDLESS["in the task"], HOGS["bytes"], "def task(g): 1 / 0"):
        for _ in range(3):
            alice.run(people, source, timeout_s=0.3)
    eventually(lambda: running() <= before + 2, 5)  # spare seats come and go


# What a task can see of the server


def test_the_environment_holds_nothing_of_the_servers(server: LiveServer, alice: Person, people: str) -> None:
    seen = alice.run(people, "import os\ndef task(g): return dict(os.environ)").json()
    assert not [name for name in seen if name.startswith(("RAY_", "GRAPHSIDE_", "SERVE_", "AWS_"))]
    assert not [name for name in seen if re.search("PASS|SECRET|TOKEN|KEY|DATABASE", name)]
    told = json.dumps(seen)
    for secret in (alice.password, alice.token, (server.data / "ray_token").read_text().strip()):
        assert secret not in told


def test_only_a_tasks_own_descriptors_are_open(alice: Person, people: str) -> None:
    source = """
import os, stat
def kind(fd):
    try: return stat.filemode(os.fstat(fd).st_mode)[0]
    except OSError: return None
def task(g): return {fd: kind(fd) for fd in range(1024) if kind(fd)}
"""
    device, pipe, file, socket = "cp-s"
    kinds = alice.run(people, source).json()
    assert kinds == {"0": device, "1": pipe, "2": pipe, "3": file, "4": socket}


@pytest.mark.parametrize(
    "module", ["auth", "catalog", "deployments", "runtime", "runtime.sandbox.guest.seat", "ray", "ray.serve"]
)
def test_the_servers_own_code_cannot_be_imported(alice: Person, people: str, module: str) -> None:
    source = f"""
        def task(g):
            try:
                import {module}
                return "imported"
            except ImportError:
                return "no"
    """
    assert alice.run(people, source).text == "no"


def test_neither_can_it_be_found_among_what_is_loaded(alice: Person, people: str) -> None:
    source = """
import sys
def task(g):
    ours = ("auth", "catalog", "deployments", "runtime", "ray", "tests")
    return [name for name, module in sys.modules.items() if name.partition(".")[0] in ours and module is not None]
"""
    assert alice.run(people, source).json() == []


def test_a_task_is_alone_in_its_main_module(alice: Person, people: str) -> None:
    source = (
        "import sys\ndef task(g): return [name for name in vars(sys.modules['__main__']) if not name.startswith('__')]"
    )
    assert alice.run(people, source).json() == []


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
    sources = ["def task(g): return len(g._nodes)", CRASHES[0][1], "def task(g): return 1 / 0", ENDLESS["in the task"]]
    kinds = [None, "TaskCrashed", "TaskError", "TaskTimeout"]

    def one(number: int) -> str | None:
        answer = alice.run(people, sources[number % 4], timeout_s=1)
        return None if answer.status_code == 200 and answer.json() == 4 else answer.json().get("type")

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(one, range(24))) == kinds * 6


def test_two_datasets_at_once_do_not_mix(alice: Person, people: str, admin: Person, small: str) -> None:
    def one(number: int) -> Any:
        person, dataset_id = (alice, people) if number % 2 else (admin, small)
        return person.run(dataset_id, "def task(g): return [len(g._edges), g._nodes is None]").json()

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(one, range(16))) == [[3, True], [3, False]] * 8
