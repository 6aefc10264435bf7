"""A server on machines that lack something of what rewinding needs: it says so, and runs work as everywhere."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.attacks.container import CAPABILITIES
from tests.conftest import SMALL_EDGES, LiveServer, free_port
from tests.stand_ins import STAND_INS
from tests.unit.standing_walls import walls
from tests.waiting import WITHIN_S

pytestmark = [pytest.mark.e2e, pytest.mark.soak]

CONTAINERS = ("Docker", "Kubernetes")
ON = {"Linux 6.8": "on (userfaultfd, not sealed), 2 a dataset, between runs of one user"}
"""The others rewind none."""

WHO = "import os\ndef task(g): return [os.getpid(), len(g._edges)]"
RUNS = 12


def command(name: str) -> tuple[str, ...]:
    """What comes before ``-m`` for a Python on such a machine."""
    kept = ",".join(("-all", *(f"+{capability}" for capability in CAPABILITIES)))
    cut = ("setpriv", "--inh-caps=-all", f"--bounding-set={kept}") if name in CONTAINERS and os.geteuid() == 0 else ()
    return (sys.executable, "-m", "tests.stand_ins", name, *cut, sys.executable)


@pytest.mark.parametrize("name", STAND_INS)
def test_it_says_whether_seats_are_rewound_and_serves_runs(name: str, tmp_path: Path) -> None:
    if not walls().rewind:
        pytest.skip("this machine cannot rewind seats")
    if name in CONTAINERS and not shutil.which("setpriv"):
        pytest.skip("setpriv is not installed")
    environment = {"GRAPHSIDE_REWOUND_SEATS": "2", "GRAPHSIDE_REWOUND_BETWEEN": "same_user"}
    server = LiveServer(tmp_path / "data", free_port(), environment, command=command(name)).start()
    try:
        said = next(line.split(None, 1)[1] for line in server.output.splitlines() if line.startswith("  rewound "))
        assert said == ON[name] if name in ON else said.startswith("off: ")
        person = server.log_in()
        dataset = person.upload(SMALL_EDGES)
        answers = [person.run(dataset, WHO).json() for _ in range(RUNS)]
        person.http.close()
        assert {rows for _, rows in answers} == {3}
        pids = [pid for pid, _ in answers]
        assert (len(set(pids)) < RUNS) == (name in ON), pids
    finally:
        server.stop()
    doctor = [*command(name), "-m", "deployments.cli", "doctor", "--json", "--data", str(tmp_path / "data")]
    done = subprocess.run(
        doctor, env={**os.environ, **environment}, capture_output=True, text=True, timeout=WITHIN_S, check=False
    )
    assert json.loads(done.stdout)["Isolation"]["rewound seats"]["text"] == said
