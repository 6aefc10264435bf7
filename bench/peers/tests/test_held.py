"""A command of a benchmark is held with everything that comes of it, and leaves nothing."""

import sys
from pathlib import Path

import psutil
import pytest

from bench.peers.held import Held, tree_cpu_s
from bench.servers import StartFailed
from tests.waiting import eventually

LEAVES_A_DAEMON = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        open(sys.argv[1], "w").write(str(os.getpid()))
        time.sleep(600)
    os._exit(0)
os.wait()
time.sleep(600)
"""

BURNS = "import os\nos.fork()\nwhile True: pass"


LEAVES_A_ZOMBIE = """
import os, time
if os.fork() == 0:
    while time.process_time() < 0.5: pass
    os._exit(0)
time.sleep(600)
"""


def python(source: str, *arguments: str) -> list[str]:
    return [sys.executable, "-c", source, *arguments]


def test_a_daemon_is_counted_and_killed(tmp_path: Path) -> None:
    told = tmp_path / "pid"
    held = Held.start(python(LEAVES_A_DAEMON, str(told)), {}, tmp_path / "log")
    held.wait(lambda: told.exists() and bool(told.read_text()), 30)
    leavings = held.stop()
    assert (leavings.ended, leavings.left) == (True, 1)
    eventually(lambda: not psutil.pid_exists(int(told.read_text())), 5)
    eventually(lambda: not psutil.pid_exists(held.pid), 5)


def test_a_command_that_ends_by_itself_has_not_started(tmp_path: Path) -> None:
    held = Held.start(python("import sys; sys.exit('no such option')"), {}, tmp_path / "log")
    with pytest.raises(StartFailed, match=r"^it ended: no such option"):
        held.wait(lambda: False, 30)


def test_a_command_that_is_never_ready_is_stopped(tmp_path: Path) -> None:
    held = Held.start(python("import time; time.sleep(600)"), {}, tmp_path / "log")
    with pytest.raises(StartFailed, match=r"^not ready within 0\.2 s: it said nothing"):
        held.wait(lambda: False, 0.2)
    eventually(lambda: not psutil.pid_exists(held.pid), 5)


def test_cpu_of_the_whole_tree_counts(tmp_path: Path) -> None:
    held = Held.start(python(BURNS), {}, tmp_path / "log")
    try:
        eventually(lambda: tree_cpu_s(held.pid) > 0.5, 30)
    finally:
        held.stop()


def test_a_child_counts_as_long_as_it_is_a_zombie(tmp_path: Path) -> None:
    held = Held.start(python(LEAVES_A_ZOMBIE), {}, tmp_path / "log")
    try:
        held.wait(lambda: "zombie" in {child.status() for child in psutil.Process(held.pid).children(True)}, 60)
        assert tree_cpu_s(held.pid) > 0.5
    finally:
        held.stop()


def test_what_is_set_for_a_server_of_ours_is_not_passed_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRAPHSIDE_JWT_SECRET", "secret")
    held = Held.start(python("import os; print(sorted(os.environ), flush=True)"), {"PEER_X": "1"}, tmp_path / "log")
    with pytest.raises(StartFailed) as raised:
        held.wait(lambda: False, 30)
    assert "PEER_X" in str(raised.value)
    assert "GRAPHSIDE" not in str(raised.value)
