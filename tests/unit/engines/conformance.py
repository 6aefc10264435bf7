"""Tests of what every engine does alike, collected once over the pandas engine and the twin, and once on a real GPU.

The rest of the product does not know which engine runs.
"""

import numpy as np
import pyarrow as pa
import pytest

from runtime.errors import DatasetTooLarge
from tests.unit.sandbox.conftest import Rig, answer
from tests.waiting import WITHIN_S, eventually

COUNT = "def task(g): return len(g._edges)"


def test_a_task_sees_the_dataset_with_its_bindings(engine_rig: Rig) -> None:
    code = "def task(g): return [g._source, g._destination, list(g._edges.columns), g._edges['w'].to_numpy().tolist()]"
    assert answer(engine_rig.run(engine_rig.dataset(), code)) == ["s", "d", ["s", "d", "w"], [1.0, 2.0, 3.0]]


def test_a_dataset_is_loaded_once_and_used_often(engine_rig: Rig) -> None:
    source, loads = engine_rig.dataset(), engine_rig.executor.cache.counts.loads
    assert [answer(engine_rig.run(source, COUNT)) for _ in range(3)] == [3, 3, 3]
    assert engine_rig.executor.cache.counts.loads == loads + 1


def test_runs_at_a_time_load_it_once(engine_rig: Rig) -> None:
    source, loads = engine_rig.dataset(), engine_rig.executor.cache.counts.loads
    runs = [engine_rig.begin(source, COUNT) for _ in range(4)]
    assert [answer(run.result(WITHIN_S)[0]) for run in runs] == [3] * 4
    assert engine_rig.executor.cache.counts.loads == loads + 1


@pytest.mark.parametrize(
    "write",
    [
        "g._edges.loc[0, 'w'] = 99",
        "g._edges['w'] *= 2",
        "g._edges['new'] = 1",
        "g._edges.drop(columns='w', inplace=True)",
        "g._edges.sort_values('w', ascending=False, inplace=True)",
    ],
)
def test_what_a_run_writes_the_next_one_does_not_see(engine_rig: Rig, write: str) -> None:
    source = engine_rig.dataset()
    read = "def task(g): return [list(g._edges.columns), g._edges['w'].to_numpy().tolist()]"
    changed = answer(engine_rig.run(source, f"def task(g):\n    {write}\n    return list(g._edges.columns)"))
    assert isinstance(changed, list)
    assert answer(engine_rig.run(source, read)) == [["s", "d", "w"], [1.0, 2.0, 3.0]]


@pytest.mark.parametrize(
    ("code", "cause", "limits"),
    [
        ("def task(g): raise KeyError('x')", "TaskError", {}),
        ("def task(g):\n    while True: pass", "TaskTimeout", {"timeout_s": 0.5}),
        ("import os\ndef task(g): os.kill(os.getpid(), 9)", "TaskCrashed", {}),
        ("def task(g): return 'x' * 5000", "ResultTooLarge", {"result_bytes": 1024}),
        ("def task(g):\n    while True: open(str(id(g)), 'a').write('x' * 9999)", "TaskScratchExceeded",
         {"scratch_bytes": 65536}),
        ("def task(g)", "InvalidSource", {}),
    ],
)  # fmt: skip
def test_a_run_that_ends_badly_is_named_and_leaves_the_dataset(
    engine_rig: Rig, code: str, cause: str, limits: dict[str, float]
) -> None:
    source = engine_rig.dataset()
    assert engine_rig.run(source, code, **limits).cause == cause
    assert answer(engine_rig.run(source, COUNT)) == 3


def test_memory_is_bounded(engine_rig: Rig) -> None:
    code = "def task(g):\n    kept = []\n    while True: kept.append(bytearray(b'1') * (8 << 20))"
    outcome = engine_rig.run(engine_rig.dataset(), code, memory_bytes=256 << 20)
    assert outcome.cause == "TaskMemoryExceeded"


def test_no_network_no_process_no_file_of_others(engine_rig: Rig) -> None:
    code = """
import os, socket
def task(g):
    found = []
    for attempt in (lambda: socket.socket(), os.fork, lambda: open('/etc/passwd')):
        try:
            attempt(); found.append('went through')
        except OSError as error:
            found.append(type(error).__name__)
    return found
"""
    assert "went through" not in str(answer(engine_rig.run(engine_rig.dataset(), code)))


def test_scratch_is_gone_after_a_run(engine_rig: Rig) -> None:
    code = "import os\ndef task(g):\n    open('mine', 'w').write('x')\n    return [os.path.basename(os.getcwd())]"
    (name,) = answer(engine_rig.run(engine_rig.dataset(), code))
    eventually(lambda: name not in engine_rig.scratch_dirs())


def test_a_dataset_larger_than_the_cache_is_refused(engine_rig: Rig) -> None:
    large = engine_rig.dataset(pa.table(dict.fromkeys("sd", pa.array(np.arange(9_000_000)))))
    with pytest.raises(DatasetTooLarge, match="cache"):
        engine_rig.run(large, COUNT)


def test_a_dataset_that_was_forgotten_is_loaded_again(engine_rig: Rig) -> None:
    source, loads = engine_rig.dataset(), engine_rig.executor.cache.counts.loads
    assert answer(engine_rig.run(source, COUNT)) == 3
    engine_rig.wait(engine_rig.executor.evict(source.dataset_id))
    assert answer(engine_rig.run(source, COUNT)) == 3
    assert engine_rig.executor.cache.counts.loads == loads + 2


def test_results_of_every_kind_come_back(engine_rig: Rig) -> None:
    source = engine_rig.dataset()
    for output_type, file_format in (("table", "parquet"), ("table", "csv"), ("nodes", "json"), ("all", "parquet")):
        code = "def task(g): return g.materialize_nodes()" if output_type != "table" else "def task(g): return g._edges"
        outcome = engine_rig.run(source, code, output_type=output_type, format=file_format)
        assert (outcome.cause, outcome.length > 0) == ("ok", True)
