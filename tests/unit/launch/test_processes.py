import os
import signal
import time

import pytest

from deployments.launch import processes
from deployments.launch.processes import Process
from tests.unit.launch.conftest import SLEEP, Start

STUBBORN = "import signal, time; signal.signal(15, signal.SIG_IGN); print('ready', flush=True); time.sleep(60)"
FAMILY = (
    "import subprocess, sys, time\n"
    f"child = subprocess.Popen([sys.executable, '-c', {SLEEP!r}], stdout=subprocess.PIPE, start_new_session=True)\n"
    "child.stdout.readline()\n"
    "print('ready', flush=True)\n"
    "time.sleep(60)"
)


def test_a_process_is_known_by_its_pid_and_start(start: Start) -> None:
    process = start(SLEEP)
    assert process.alive()
    assert 0 <= processes.age_s(process) < 60
    assert not Process(process.pid, process.started - 1).alive()


def test_a_number_that_passed_to_another_process_is_never_signalled(start: Start) -> None:
    process = start(SLEEP)
    predecessor = Process(process.pid, process.started - 1)
    assert processes.kill([predecessor], within_s=0.2) == ()
    predecessor.signal(signal.SIGKILL)
    assert process.alive()


def test_kill_ends_what_ignores_requests_and_what_has_a_session_of_its_own(start: Start) -> None:
    family, stubborn = start(FAMILY), start(STUBBORN)
    (child,) = processes.descendants(family.pid)
    assert processes.kill([family, stubborn], within_s=10) == ()
    assert not any(process.alive() for process in (family, stubborn, child))


def test_descendants_are_all_of_them_and_nobody_else(start: Start) -> None:
    family, other = start(FAMILY), start(SLEEP)
    below = processes.descendants(os.getpid())
    assert {family, other, *processes.descendants(family.pid)} <= set(below)
    assert other not in processes.descendants(family.pid)


def test_a_process_that_is_gone_is_neither_alive_nor_an_error(start: Start) -> None:
    process = start(SLEEP)
    processes.kill([process], within_s=10)
    process.signal(signal.SIGTERM)
    assert not process.alive()
    assert processes.identify(2**22 + 1) is None


def test_orphans_are_reaped_and_kept_children_are_not() -> None:
    pids = [os.posix_spawn("/bin/true", ["true"], {}) for _ in range(2)]
    deadline = time.monotonic() + 10
    while any(_state(pid) != "Z" for pid in pids):
        assert time.monotonic() < deadline
    processes.reap_orphans(keep=(pids[0],))
    assert os.waitpid(pids[0], os.WNOHANG)[0] == pids[0]
    with pytest.raises(ChildProcessError):
        os.waitpid(pids[1], os.WNOHANG)


def test_the_boot_has_a_name() -> None:
    assert len(processes.boot_id()) == 36


def _state(pid: int) -> str:
    with open(f"/proc/{pid}/stat") as file:
        return file.read().rsplit(") ", 1)[1][0]
