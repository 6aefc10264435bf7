"""What a task gets, what it cannot reach, and what stays of it."""

from typing import Any

import psutil
import pytest

from deployments.runner.budget import HOLDER_DESCRIPTORS, SEAT_DESCRIPTORS
from runtime.engines.base import DatasetSource
from tests.unit.sandbox.conftest import Rig, answer
from tests.waiting import SLOW_S, eventually


def test_a_task_gets_the_graph(rig: Rig, source: DatasetSource) -> None:
    code = "def task(g): return [type(g).__name__, g._source, g._destination, len(g._edges), g._nodes is None]"
    assert answer(rig.run(source, code)) == ["Plotter", "s", "d", 3, True]


def test_a_cached_dataset_takes_as_many_descriptors_as_the_bound_of_their_number_counts(rig: Rig) -> None:
    def are_filled() -> bool:
        datasets: list[Any] = [entry.loaded for entry in rig.executor.cache._entries.values()]
        return all(dataset._filling is None or dataset._filling.done() for dataset in datasets)

    eventually(are_filled)
    me, each = psutil.Process(), HOLDER_DESCRIPTORS + 2 * SEAT_DESCRIPTORS
    before = me.num_fds()
    for _ in range(3):
        answer(rig.run(rig.dataset(), "def task(g): return 1"))
    eventually(are_filled)
    assert me.num_fds() <= before + 3 * each


def test_what_a_task_changes_is_gone_with_it(rig: Rig, source: DatasetSource) -> None:
    code = """
import pandas as pd
def task(g):
    before = g._edges['w'].tolist()
    g._edges.loc[:, 'w'] = 0.0
    g._edges['new'] = 1
    pd.DataFrame.head = None
    return before
"""
    assert answer(rig.run(source, code)) == [1.0, 2.0, 3.0]
    assert answer(rig.run(source, code)) == [1.0, 2.0, 3.0]
    assert answer(rig.run(source, "def task(g): return g._edges.head(1)"))[0]["w"] == 1.0


def test_output_is_kept_up_to_its_cap(rig: Rig, source: DatasetSource) -> None:
    code = (
        "import sys\ndef task(g):\n    print('first'); print('x' * 5_000_000); print('last'); sys.stderr.write('err')"
    )
    outcome = rig.run(source, code)
    assert outcome.cause == "ok"
    assert outcome.stdout_truncated
    assert not outcome.stderr_truncated
    assert outcome.stdout.startswith("first\n")
    assert outcome.stdout.endswith("last\n")
    assert len(outcome.stdout) < 2**20 + 100
    assert outcome.stderr == "err"


def test_a_killed_run_still_shows_what_it_printed(rig: Rig, source: DatasetSource) -> None:
    outcome = rig.run(source, "def task(g):\n    print('so far')\n    while True: pass", cpu_s=0.3)
    assert outcome.stdout == "so far\n"


def test_a_large_result_is_mapped_not_copied(rig: Rig, source: DatasetSource) -> None:
    outcome = rig.run(source, "def task(g): return 'x' * 5_000_000")
    assert outcome.length == 5_000_000
    assert not isinstance(outcome.result, bytes)
    assert outcome.result[:3] == b"xxx"


@pytest.mark.parametrize(
    "code",
    [
        "import os\ndef task(g): os.fork()",
        "import subprocess\ndef task(g): subprocess.run(['true'])",
        "import os\ndef task(g): os.posix_spawn('/bin/true', ['true'], {})",
        "import os\ndef task(g): os.execv('/bin/true', ['true'])",
        "import multiprocessing\ndef task(g): multiprocessing.get_context('fork').Process(target=print).start()",
    ],
    ids=["fork", "subprocess", "spawn", "exec", "multiprocessing"],
)
def test_a_task_starts_no_process(rig: Rig, source: DatasetSource, code: str) -> None:
    outcome = rig.run(source, code)
    assert outcome.failure is not None
    assert outcome.failure.fields["exception_type"] == "PermissionError"


def test_nothing_of_the_server_is_in_reach(rig: Rig, source: DatasetSource) -> None:
    code = """
import os, sys, threading
def is_open(fd):
    try:
        return bool(os.fstat(fd))
    except OSError:
        return False
def importable(name):
    try:
        __import__(name)
        return True
    except ImportError:
        return False
def task(g):
    return {
        'fds': [fd for fd in range(2048) if is_open(fd)],
        'env': sorted(os.environ),
        'modules': [n for n in ('auth', 'catalog', 'deployments', 'runtime', 'ray', 'cudf') if importable(n)],
        'main': sorted(vars(sys.modules['__main__'])),
        'threads': threading.active_count(),
    }
"""
    seen = answer(rig.run(source, code))
    assert set(seen["fds"]) <= {0, 1, 2, 3, 4}
    assert not [name for name in seen["env"] if name.startswith(("GRAPHSIDE", "RAY_", "GRAPHISTRY"))]
    assert seen["modules"] == []
    assert "Forker" not in seen["main"]
    assert seen["threads"] == 1


def test_no_new_privileges(rig: Rig, source: DatasetSource) -> None:
    code = "import ctypes\ndef task(g): return ctypes.CDLL(None).prctl(39, 0, 0, 0, 0)"  # PR_GET_NO_NEW_PRIVS
    assert rig.run(source, code).result == b"1"


def test_random_numbers_differ_from_run_to_run(rig: Rig, source: DatasetSource) -> None:
    code = "import random, numpy as np\ndef task(g): return [random.random(), np.random.random()]"
    first, second = answer(rig.run(source, code)), answer(rig.run(source, code))
    assert first[0] != second[0]
    assert first[1] != second[1]


def test_cancelling_a_run_kills_it(rig: Rig, source: DatasetSource) -> None:
    run = rig.begin(source, "def task(g):\n    open('begun', 'w').close()\n    while True: pass")
    eventually(lambda: any(rig.scratch.glob("*/begun")))
    run.cancel()
    eventually(lambda: rig.executor.running == 0)
    template = psutil.Process(rig.template.pid)

    def spinning() -> bool:
        try:
            return any(one.status() == psutil.STATUS_RUNNING for one in template.children(recursive=True))
        except psutil.NoSuchProcess:
            return True  # one that has just ended; look again

    eventually(lambda: not spinning())


def test_page_tables_are_memory(rig: Rig, source: DatasetSource) -> None:
    code = """
import mmap
def task(g):
    task.kept = [mmap.mmap(-1, 1 << 30, flags=mmap.MAP_PRIVATE | 0x4000, prot=mmap.PROT_READ) for _ in range(40)]
    return sum(kept[offset] for kept in task.kept for offset in range(0, 1 << 30, 1 << 21))
"""
    _, cost = rig.wait(rig.start(source, code, memory_bytes=60 * 2**30))
    assert cost["peak_memory_bytes"] > 40 * 2**20


def test_cpu_time_is_bounded_whatever_the_clock_says(rig: Rig, source: DatasetSource) -> None:
    outcome = rig.run(source, "def task(g):\n    while True: pass", cpu_s=0.3)
    assert outcome.failure is not None
    assert (outcome.cause, outcome.failure.fields["limit_name"]) == ("TaskTimeout", "cpu_s")
    assert 0.3 < outcome.failure.fields["observed"] < SLOW_S
