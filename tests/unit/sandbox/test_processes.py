"""Template, holder and jobs: what happens when one of them dies, hangs, or is handed rubbish."""

import errno
import os
import signal
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil
import pyarrow as pa
import pytest

from runtime.errors import InvalidTable, Overloaded
from tests.unit.sandbox.conftest import Rig, answer
from tests.waiting import WITHIN_S, eventually

COUNT = "def task(g): return len(g._edges)"


@pytest.fixture(scope="module")
def own_rig(make_rig: Callable[..., Rig]) -> Rig:
    """A rig whose processes may be killed."""
    return make_rig(seats=2, queue=2)


def holders(rig: Rig) -> list[psutil.Process]:
    return psutil.Process(rig.template.pid).children()


def ended(process: psutil.Process) -> bool:
    try:
        return bool(process.status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


def test_a_killed_holder_costs_the_next_run_a_load_and_nothing_else(own_rig: Rig) -> None:
    source = own_rig.dataset()
    assert answer(own_rig.run(source, COUNT)) == 3
    loads = own_rig.executor.cache.counts.loads
    (holder,) = holders(own_rig)
    holder.kill()
    eventually(lambda: ended(holder))
    assert answer(own_rig.run(source, COUNT)) == 3
    assert own_rig.executor.cache.counts.loads == loads + 1


def test_a_run_whose_holder_is_killed_is_interrupted_by_name(own_rig: Rig) -> None:
    source = own_rig.dataset()
    own_rig.run(source, COUNT)
    holder = holders(own_rig)[-1]
    run = own_rig.begin(source, "import time\ndef task(g):\n    open('begun', 'w').close()\n    time.sleep(1000)")
    eventually(lambda: any(own_rig.scratch.glob("*/begun")))
    holder.kill()
    assert run.result(WITHIN_S)[0].cause == "RunInterrupted"


def test_a_killed_template_is_replaced_and_running_tasks_go_on(own_rig: Rig) -> None:
    source = own_rig.dataset()
    own_rig.run(source, COUNT)
    old = own_rig.template.pid
    assert old is not None
    code = "import time\ndef task(g):\n    open('begun', 'w').close()\n    time.sleep(0.6)\n    return 7"
    run = own_rig.begin(source, code)
    eventually(lambda: any(own_rig.scratch.glob("*/begun")))
    os.kill(old, signal.SIGKILL)
    assert answer(run.result(WITHIN_S)[0]) == 7
    assert answer(own_rig.run(own_rig.dataset(), COUNT)) == 3
    assert own_rig.template.pid != old


@pytest.mark.claim(6)
def test_a_full_queue_refuses_at_once(own_rig: Rig) -> None:
    source = own_rig.dataset()
    sleeps = "import time\ndef task(g): time.sleep(1000)"
    runs = {run_id: own_rig.begin(source, sleeps, run_id=run_id) for run_id in "abcdef"}
    eventually(lambda: sum(run.done() for run in runs.values()) == 2)
    for run_id, run in runs.items():
        if run.done():
            assert isinstance(run.exception(), Overloaded)
        else:
            own_rig.loop.call_soon_threadsafe(own_rig.executor.cancel, run_id)
    eventually(lambda: all(run.done() for run in runs.values()))


@pytest.mark.parametrize(
    ("content", "file_type"),
    [(b"", "arrow"), (b"ARROW1 not really", "arrow"), (b"PAR1xxxxPAR1", "parquet"), (b"{", "json"), (b"x", "nonsense")],
)
def test_bytes_that_are_no_table_are_refused_by_a_job(own_rig: Rig, content: bytes, file_type: str) -> None:
    path = own_rig.store.incoming()
    path.write_bytes(content)
    with pytest.raises(InvalidTable):
        own_rig.wait(own_rig.uploads.parse(path.name, file_type, "", {}, user="1"))
    path.unlink()
    assert list(path.parent.iterdir()) == []


@pytest.mark.claim(24)
def test_a_hundred_first_calls_load_a_dataset_once(make_rig: Callable[..., Rig]) -> None:
    rig = make_rig(queue=200)
    source = rig.dataset()
    runs = [rig.begin(source, COUNT) for _ in range(100)]
    assert [answer(run.result(WITHIN_S)[0]) for run in runs] == [3] * 100
    assert rig.executor.cache.counts.loads == 1


def test_the_kernel_ends_a_run_for_memory_before_its_holder_and_that_before_the_template(own_rig: Rig) -> None:
    def score(process: psutil.Process) -> int | None:
        try:
            return int(Path(f"/proc/{process.pid}/oom_score_adj").read_text())
        except (FileNotFoundError, ProcessLookupError):  # a seat that ended meanwhile
            return None

    def seats(holder: psutil.Process) -> set[int | None]:
        return {score(seat) for seat in holder.children()} - {None}

    source = own_rig.dataset()
    assert answer(own_rig.run(source, COUNT)) == 3
    template = score(psutil.Process(own_rig.template.pid))
    assert template is not None
    assert template < 100
    # While a holder forks a spare seat it has the seat's score for a moment.
    eventually(lambda: any(seats(holder) for holder in holders(own_rig)))
    eventually(lambda: {score(holder) for holder in holders(own_rig)} == {100})
    assert {found for holder in holders(own_rig) for found in seats(holder)} <= {1000}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may measure processes that hide their memory")
def test_small_datasets_take_no_more_memory_than_the_cache_counts_for_them(make_rig: Callable[..., Rig]) -> None:
    rig = make_rig()

    def taken() -> int:
        template = psutil.Process(rig.template.pid)
        found = 0
        for process in (template, *template.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):  # a seat that ended meanwhile
                found += process.memory_full_info().pss
        return found

    rig.run(rig.dataset(), COUNT)
    before, counted = taken(), rig.executor.cache.used_bytes
    for _ in range(8):
        rig.run(rig.dataset(), COUNT)
    eventually(lambda: taken() - before <= rig.executor.cache.used_bytes - counted)  # when the last seats have ended


def test_a_file_descriptor_is_given_back_for_each_one_taken(own_rig: Rig) -> None:
    source = own_rig.dataset()
    own_rig.run(source, COUNT)

    def descriptors() -> int:
        return len(os.listdir("/proc/self/fd"))

    for _ in range(3):
        own_rig.run(source, COUNT)
    before = descriptors()
    for _ in range(20):
        own_rig.run(source, COUNT)
    eventually(lambda: descriptors() <= before + 4)


@pytest.mark.parametrize("call", ["memfd_create", "ftruncate", "pipe2"])
def test_a_seat_that_cannot_be_made_is_overload_and_leaves_nothing(
    make_rig: Callable[..., Rig], monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    rig = make_rig(spares=0)
    source = rig.dataset()
    rig.run(source, COUNT)

    def state() -> tuple[int, set[str]]:
        return len(os.listdir("/proc/self/fd")), rig.scratch_dirs()

    eventually(lambda: state()[1] == set())
    before = state()
    with monkeypatch.context() as patch:
        patch.setattr(os, call, refuse)
        with pytest.raises(Overloaded):
            rig.run(source, COUNT)
    eventually(lambda: state() == before)
    assert answer(rig.run(source, COUNT)) == 3


def refuse(*_: object) -> None:
    raise OSError(errno.EMFILE, "Too many open files")


@pytest.mark.parametrize("count", [6, 7, 40])
def test_a_table_is_made_of_many_in_their_order(rig: Rig, count: int) -> None:
    """A job can be handed a few of them at a time."""
    ids = [
        rig.dataset(pa.table({"s": [str(number)], f"c{number % 3}": [number]})).tables["edges"]
        for number in range(count)
    ]
    template, before = rig.template.pid, len(os.listdir("/proc/self/fd"))
    made = rig.wait(rig.uploads.concatenate(ids, user="1"))
    table = pa.ipc.open_file(rig.store.object_path(made["id"]).read_bytes()).read_all()
    assert table["s"].to_pylist() == [str(number) for number in range(count)]
    assert table.column_names == ["s", "c0", "c1", "c2"]
    assert table["c1"].null_count == count - len([number for number in range(count) if number % 3 == 1])
    assert rig.template.pid == template
    assert not list(rig.store.incoming().parent.iterdir())
    assert len(os.listdir("/proc/self/fd")) <= before + 30  # spare seats come and go
