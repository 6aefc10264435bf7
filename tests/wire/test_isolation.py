"""What a live server says of its walls: in its greeting, in its log, and when there are too few."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import SMALL_EDGES, LiveServer, free_port
from tests.waiting import WITHIN_S

pytestmark = pytest.mark.e2e


def runner_log(data: Path) -> list[str]:
    """Lines of the runners' logs."""
    return [line for path in data.rglob("*Runner*.log") for line in path.read_text().splitlines()]


def greeting(server: LiveServer) -> str:
    """The line of the greeting."""
    return next(line.strip() for line in server.output.splitlines() if line.startswith("  isolation "))


def test_the_greeting_and_the_runner_tell_the_same(server: LiveServer) -> None:
    said = greeting(server).removeprefix("isolation").strip()
    assert said.startswith("standard: rlimits on")
    assert any(line.endswith(f"isolation {said}") for line in runner_log(server.data))
    rewound = next(line.split(None, 1)[1] for line in server.output.splitlines() if line.startswith("  rewound "))
    assert rewound.startswith(("on (userfaultfd, ", "off: "))
    assert any(
        " rewinding possible: " in line or " rewinding not possible: " in line for line in runner_log(server.data)
    )


@pytest.mark.soak
def test_off_says_so_in_the_greeting_at_start_and_in_every_line_of_a_run(tmp_path: Path) -> None:
    server = LiveServer(tmp_path / "data", free_port(), {"GRAPHSIDE_ISOLATION": "off"}).start()
    try:
        person = server.log_in()
        dataset = person.upload(SMALL_EDGES)
        outside = "def task(g): return open('/proc/version').read()[:5]"
        assert person.run(dataset, outside).text == "Linux"
        assert person.run(dataset, "def task(g): return 1 / 0").status_code == 422
        person.http.close()
        assert greeting(server) == ("isolation   off: tasks can do what the server's user can do; for debugging only")
        lines = runner_log(server.data)
        assert any("WARNING" in line and "isolation off: tasks can do" in line for line in lines)
        of_runs = [line for line in lines if "run.finished" in line or "run.refused" in line]
        assert len(of_runs) >= 2
        assert all(line.endswith(" isolation=off") for line in of_runs)
    finally:
        server.stop()


@pytest.mark.claim(18)
def test_a_server_that_lacks_a_wall_says_which_and_does_not_start(tmp_path: Path) -> None:
    code = """
import sys
from runtime.sandbox.walls import isolation, probe
from deployments.launch.supervisor import serve
import os
found = dict.fromkeys(probe.PROBES, probe.Found(False, "taken away"))
isolation.examine = lambda environment: found
sys.exit(serve(os.environ))
"""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("RAY_", "GRAPHSIDE_"))}
    environment |= {"GRAPHSIDE_DATA": str(tmp_path / "data"), "GRAPHSIDE_PORT": str(free_port())}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=WITHIN_S, check=False
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        "graphside: isolation 'standard' requires walls that this machine does not have "
        "(landlock: taken away; seccomp: taken away); `graphside doctor` says more"
    )
