"""Seats that are used again, where an operator wants that: for the same user, the same dataset, and nobody else."""

from collections.abc import Callable
from typing import Any

import pytest

from runtime.engines.base import DatasetSource
from runtime.engines.kept_seats import KeptSeats
from runtime.sandbox.host.outcome import RunOutcome
from runtime.sandbox.host.seat import SeatProcess
from runtime.task import MIB
from tests.unit.sandbox.conftest import Rig, answer
from tests.waiting import eventually

WHO = "import os, sys\ndef task(g):\n    n = getattr(sys, 'n', 0); sys.n = n + 1\n    return [os.getpid(), n]"


FORGES = """import json, os, struct, time
    told = json.dumps({'status': 'ok', 'kind': 'exe', 'length': 0, 'run_s': 0, 'encode_s': 0}).encode()
    os.write(4, struct.pack('!I', len(told)) + told)
    time.sleep(1000)"""


@pytest.fixture(scope="module")
def rig(make_rig: Callable[..., Rig]) -> Rig:
    """Keeps two seats of a dataset."""
    return make_rig(reused=2)


@pytest.fixture
def source(rig: Rig) -> DatasetSource:
    return rig.dataset()


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> list[SeatProcess]:
    """The seats that were offered to be kept, in order."""
    seats: list[SeatProcess] = []
    keep = KeptSeats.keep

    def noting(self: KeptSeats, owner: str, seat: SeatProcess) -> bool:
        seats.append(seat)
        return keep(self, owner, seat)

    monkeypatch.setattr(KeptSeats, "keep", noting)
    return seats


def who(rig: Rig, source: DatasetSource, owner: str | None, **fields: Any) -> tuple[int, int]:
    """The process that a run had, and how many runs it had before."""
    pid, seen = answer(rig.run(source, WHO, owner=owner, **fields))
    return pid, seen


def test_the_same_user_has_the_same_process_again(rig: Rig, source: DatasetSource) -> None:
    first, again = who(rig, source, "ada"), who(rig, source, "ada")
    assert again == (first[0], 1)


def test_nobody_else_has_it(rig: Rig, source: DatasetSource) -> None:
    first = who(rig, source, "ada")
    assert who(rig, source, "bob")[1] == 0
    assert who(rig, source, None)[1] == 0
    assert who(rig, rig.dataset(), "ada")[1] == 0
    assert who(rig, source, "ada") == (first[0], 1)


def test_without_an_owner_each_run_has_its_own(rig: Rig, source: DatasetSource) -> None:
    pids = {who(rig, source, None)[0] for _ in range(3)}
    assert len(pids) == 3


@pytest.mark.parametrize(
    ("left", "fields"),
    [
        ("1 / 0", {}),
        ("import threading, time; threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()", {}),
        ("open('left', 'w').close()", {}),
        ("import sys; sys.kept = bytearray(100 << 20)", {}),
        ("import os; os._exit(0)", {}),
        ("import time; time.sleep(1000)", {"timeout_s": 0.3}),
        ("return 'x' * (2 << 20)", {}),
        (FORGES, {}),
    ],
    ids=["exception", "thread", "file", "memory", "end", "deadline", "large-result", "forged-answer"],
)
def test_a_run_that_leaves_something_has_no_successor(
    rig: Rig, source: DatasetSource, left: str, fields: dict[str, Any]
) -> None:
    rig.run(source, f"import sys\nsys.n = 7\ndef task(g):\n    {left}", owner="ada", **fields)
    assert who(rig, source, "ada")[1] == 0


def test_an_answer_that_comes_after_a_forged_one_is_not_the_next_run_s(
    rig: Rig, source: DatasetSource, kept: list[SeatProcess]
) -> None:
    forges = """
import json, os, select, struct, sys, time
def task(g):
    frame = sys._getframe()
    while 'request' not in frame.f_locals:
        frame = frame.f_back
    told = {'status': 'ok', 'kind': 'json', 'length': 0, 'run_s': 0, 'encode_s': 0, 'reusable': True}
    told = json.dumps({**told, 'token': frame.f_locals['request']['token']}).encode()
    os.write(4, struct.pack('!I', len(told)) + told)
    WAIT
    sys.n = 7
    return 'late'
"""
    until_the_next = forges.replace("WAIT", "select.select([4], [], [])")
    assert rig.run(source, until_the_next, owner="ada").cause == "ok"
    assert rig.run(source, WHO, owner="ada").cause == "TaskCrashed"
    assert who(rig, source, "ada")[1] == 0
    assert rig.run(source, forges.replace("WAIT", "time.sleep(0.1)"), owner="ada").cause == "ok"
    eventually(lambda: not kept[-1].is_idle)  # the late answer has come
    assert who(rig, source, "ada")[1] == 0


def test_one_with_another_limit_of_memory_is_not_used(rig: Rig, source: DatasetSource) -> None:
    who(rig, source, "ada")
    assert who(rig, source, "ada", memory_bytes=512 * MIB)[1] == 0


def test_one_with_another_limit_of_scratch_is_not_used(rig: Rig, source: DatasetSource) -> None:
    """The kernel's limit on the size of its files cannot be raised again."""
    who(rig, source, "ada", scratch_bytes=MIB)
    assert who(rig, source, "ada", scratch_bytes=2 * MIB)[1] == 0


def test_each_run_has_its_own_output_result_and_graph(rig: Rig, source: DatasetSource) -> None:
    code = "def task(g):\n    print('one')\n    g._edges['x'] = 1\n    return 'a long answer'"
    first = rig.run(source, code, owner="ada")
    second = rig.run(source, "def task(g):\n    print('two')\n    return list(g._edges.columns)", owner="ada")
    assert (first.stdout, second.stdout) == ("one\n", "two\n")
    assert answer(second) == ["s", "d", "w"]


def test_a_column_that_is_written_is_written_for_that_run_only(rig: Rig, source: DatasetSource) -> None:
    write = "def task(g):\n    g._edges.loc[0, 'w'] = 99\n    return g._edges['w'].to_list()"
    read = "def task(g): return g._edges['w'].to_list()"
    assert answer(rig.run(source, write, owner="ada")) == [99, 2, 3]
    assert answer(rig.run(source, read, owner="ada")) == [1, 2, 3]


def test_cpu_is_counted_for_each_run(rig: Rig, source: DatasetSource) -> None:
    busy = (
        "import time\ndef task(g):\n    until = time.process_time() + {}\n    while time.process_time() < until: pass"
    )
    outcomes: list[RunOutcome] = [rig.run(source, busy.format(0.12), owner="ada", cpu_s=0.25) for _ in range(3)]
    assert [one.cause for one in outcomes] == ["ok"] * 3
    assert rig.run(source, busy.format(5), owner="ada", cpu_s=0.25).cause == "TaskTimeout"


def test_one_that_used_much_cpu_is_not_kept(rig: Rig, source: DatasetSource) -> None:
    """It went to the back, and nothing would bring it to the front again."""
    code = "import os, time\ndef task(g):\n    while time.process_time() < 0.5: pass\n    return [os.getpid(), 0]"
    first, _ = answer(rig.run(source, code, owner="bea"))
    again, seen = who(rig, source, "bea")
    assert again != first
    assert seen == 0


def test_one_that_computes_while_it_waits_is_closed(make_rig: Callable[..., Rig]) -> None:
    rig = make_rig(reused=1, spares=0)
    source = rig.dataset()
    code = """
import os, sys
def spin(*_):
    while True: pass
def task(g):
    sys.n = 7
    os.read = spin
"""
    rig.run(source, code, owner="ada")
    eventually(lambda: not rig.scratch_dirs())
    assert who(rig, source, "ada")[1] == 0


@pytest.mark.parametrize(
    "change",
    [
        "os.mkdir('d'); os.chdir('d'); os.rmdir('../d')",
        "os.umask(0o777)",
        "signal.signal(signal.SIGPROF, lambda *_: os._exit(3)); signal.setitimer(signal.ITIMER_PROF, 0.05)",
    ],
    ids=["directory", "mask", "timer"],
)
def test_a_run_begins_where_the_one_before_it_began(rig: Rig, source: DatasetSource, change: str) -> None:
    code = f"import os, signal, sys\ndef task(g):\n    sys.n = 1\n    {change}\n    return [os.getpid(), 0]"
    pid, _ = answer(rig.run(source, code, owner="dee"))
    code = """
import os, sys, time
def task(g):
    until = time.process_time() + 0.1
    while time.process_time() < until: pass
    os.mkdir('made'); os.listdir('made'); os.rmdir('made')
    return [os.getpid(), sys.n]
"""
    assert answer(rig.run(source, code, owner="dee")) == [pid, 1]


@pytest.mark.parametrize(("limit", "value"), [("NOFILE", 5), ("CPU", 1), ("FSIZE", 9), ("STACK", 2**16)])
def test_one_whose_limits_a_run_lowered_is_not_used_again(
    rig: Rig, source: DatasetSource, limit: str, value: int
) -> None:
    lower = f"resource.setrlimit(resource.RLIMIT_{limit}, ({value}, {value}))"
    code = f"import os, resource\ndef task(g):\n    {lower}\n    return [os.getpid(), 0]"
    pid, _ = answer(rig.run(source, code, owner="eve"))
    again, seen = who(rig, source, "eve")
    assert (again != pid, seen) == (True, 0)


@pytest.mark.parametrize(
    "hold",
    [
        "sys.kept = open('x', 'wb'); os.unlink('x')",
        "fd = os.open('.', os.O_TMPFILE | os.O_RDWR); os.ftruncate(fd, 9); sys.kept = mmap.mmap(fd, 9); os.close(fd)",
    ],
    ids=["open", "mapped"],
)
def test_one_that_holds_deleted_files_does_not_wait(make_rig: Callable[..., Rig], hold: str) -> None:
    rig = make_rig(reused=1, spares=0)
    source = rig.dataset()
    rig.run(source, f"import mmap, os, sys\ndef task(g):\n    {hold}", owner="ada")
    eventually(lambda: not rig.scratch_dirs())
    rig.close()


def test_no_more_wait_than_may(rig: Rig, source: DatasetSource) -> None:
    for owner in ("ada", "bob", "cyd"):
        who(rig, source, owner)
    assert who(rig, source, "ada")[1] == 0
    assert who(rig, source, "cyd")[1] == 1
