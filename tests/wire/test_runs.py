"""A run that goes well: its output, its times, and what a task sees of the server."""

from __future__ import annotations

import json
import re

import pytest

from tests.conftest import LiveServer, Person
from tests.waiting import SLOW_S
from tests.wire.errors import assert_error

pytestmark = pytest.mark.e2e

MIB = 1024 * 1024


# Output


@pytest.mark.claim(8)
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
    assert 300 <= duration < 1000 * SLOW_S


# What a task can see of the server


@pytest.mark.claim(13)
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


def test_the_servers_own_code_is_not_among_what_is_loaded(alice: Person, people: str) -> None:
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
