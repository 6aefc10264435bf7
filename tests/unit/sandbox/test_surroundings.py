"""What a task finds around it: names, directories, limits of its group, threads of libraries."""

import pytest

from runtime.engines.base import DatasetSource
from runtime.sandbox.thread_variables import THREAD_VARIABLES
from tests.unit.sandbox.conftest import Rig, answer
from tests.unit.standing_walls import walls


def test_a_task_has_a_name_a_home_and_a_path_that_say_nothing_of_the_server(rig: Rig, source: DatasetSource) -> None:
    code = """
import getpass, os, tempfile
def task(g):
    here = os.getcwd()
    homes = [os.path.expanduser('~'), os.environ['HOME'], os.environ['TMPDIR'], tempfile.gettempdir()]
    return [getpass.getuser(), os.environ['LOGNAME'], os.environ['PATH'], [home == here for home in homes]]
"""
    assert answer(rig.run(source, code)) == ["task", "task", "/usr/local/bin:/usr/bin:/bin", [True] * 4]


def test_files_of_the_machine_that_libraries_look_for_can_be_read_or_are_not_there(
    rig: Rig, source: DatasetSource
) -> None:
    code = """
import os
def task(g):
    groups = [line.split(':', 2) for line in open('/proc/self/cgroup').read().splitlines()]
    paths = ['/proc/meminfo', '/proc/cpuinfo', '/sys/devices/system/cpu/online', '/etc/localtime']
    for _, controllers, group in groups:
        for folder, names in (('', ['memory.max', 'cpu.max']), ('memory', ['memory.limit_in_bytes'])):
            if folder == controllers:
                paths += [f'/sys/fs/cgroup/{folder}{group}/{name}' for name in names]
    return [path for path in paths if os.path.exists(path) and not open(path, 'rb').read(1)]
"""
    assert answer(rig.run(source, code)) == []


def test_groups_do_not_say_which_processes_there_are(rig: Rig, source: DatasetSource) -> None:
    code = """
import os
def task(g):
    opened = []
    for _, controllers, group in [line.split(':', 2) for line in open('/proc/self/cgroup').read().splitlines()]:
        for name in ('cgroup.procs', 'tasks', 'cgroup.threads', ''):
            path = f'/sys/fs/cgroup/{controllers}{group}/{name}'
            try:
                opened.append([path, os.open(path, os.O_RDONLY)])
            except OSError:
                continue
    return opened
"""
    assert answer(rig.run(source, code)) == []


def test_a_run_sees_only_itself_in_proc(rig: Rig, source: DatasetSource) -> None:
    if not walls().namespaces:
        pytest.skip("there are no namespaces here, so /proc is the machine's")
    code = """
import os
def task(g):
    seen = [pid for pid in range(1, 70000) if os.path.exists(f'/proc/{pid}')]
    seen += [path for path in ('stat', 'cgroup', 'fd', 'task') if os.path.exists(f'/proc/1/{path}')]
    return [seen == [os.getpid()], os.path.exists('/proc/meminfo'), os.getcwd() == os.path.realpath('.')]
"""
    assert answer(rig.run(source, code)) == [True, True, True]


def test_no_call_tells_whether_another_process_exists(rig: Rig, source: DatasetSource) -> None:
    code = """
import os, time
def task(g):
    me, told = os.getpid(), []
    asks = [os.getpgid, os.getsid, os.sched_getaffinity, os.sched_getscheduler, os.sched_getparam,
            lambda pid: os.kill(pid, 0), lambda pid: os.getpriority(os.PRIO_PROCESS, pid),
            lambda pid: time.clock_gettime((~pid << 3) | 2)]
    for ask in asks:
        for pid in {1, 2, os.getppid()} - {0}:
            try:
                ask(pid)
                told.append(str(ask))
            except OSError:
                continue
    return [told, os.getpgid(0) >= 0, len(os.sched_getaffinity(me)) > 0, time.process_time() > 0]
"""
    assert answer(rig.run(source, code)) == [[], True, True, True]


def test_libraries_compute_with_one_thread_unless_the_run_asks_for_more(rig: Rig, source: DatasetSource) -> None:
    code = f"""
import os, numpy, pyarrow
def task(g):
    numpy.ones((600, 600)) @ numpy.ones((600, 600))
    threads = [line for line in open('/proc/self/status') if line.startswith('Threads:')][0].split()[1]
    return [int(threads), pyarrow.cpu_count(), sorted({{os.environ[name] for name in {THREAD_VARIABLES!r}}})]
"""
    assert answer(rig.run(source, code)) == [1, 1, ["1"]]
    assert answer(rig.run(source, code, cpus=3)) == [3, 3, ["3"]]
    assert answer(rig.run(source, code, cpus=3, threads=2)) == [2, 2, ["2"]]
