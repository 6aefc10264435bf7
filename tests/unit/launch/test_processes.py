import os

import psutil
import pytest

from deployments.launch.machine import processes
from deployments.launch.machine.processes import alive, descendants, find, kill, started
from tests.unit.launch.conftest import SLEEP, Start
from tests.waiting import eventually

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
    assert alive(process)
    assert find(process.pid, started(process)) == process


def test_a_number_that_passed_to_another_process_is_not_the_process(start: Start) -> None:
    process = start(SLEEP)
    assert find(process.pid, started(process) - 1) is None


def test_kill_ends_what_ignores_requests_and_what_has_a_session_of_its_own(start: Start) -> None:
    family, stubborn = start(FAMILY), start(STUBBORN)
    (child,) = descendants(family)
    assert kill([family, stubborn], within_s=30) == []
    assert not any(alive(process) for process in (family, stubborn, child))


def test_descendants_are_all_of_them_and_nobody_else(start: Start) -> None:
    family, other = start(FAMILY), start(SLEEP)
    below = descendants(psutil.Process())
    assert {family, other, *descendants(family)} <= set(below)
    assert other not in descendants(family)


def test_a_process_that_is_gone_is_neither_alive_nor_an_error(start: Start) -> None:
    process = start(SLEEP)
    began = started(process)
    kill([process], within_s=30)
    assert not alive(process)
    assert find(process.pid, began) is None
    assert descendants(process) == []
    assert kill([process], within_s=30) == []


def test_orphans_are_reaped_and_kept_children_are_not() -> None:
    pids = [os.posix_spawn("/bin/true", ["true"], {}) for _ in range(2)]
    eventually(lambda: all(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE for pid in pids))
    processes.reap_orphans(keep=(pids[0],))
    assert os.waitpid(pids[0], os.WNOHANG)[0] == pids[0]
    with pytest.raises(ChildProcessError):
        os.waitpid(pids[1], os.WNOHANG)


def test_the_boot_has_a_name() -> None:
    assert len(processes.boot_id()) == 36
