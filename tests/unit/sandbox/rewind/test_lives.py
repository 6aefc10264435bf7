"""Rewound seats of an executor, when something ends while they are made, wait, run, or are rewound."""

import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager

import pytest

from deployments.runner.budget import REWOUND_PROCESSES
from runtime.engines import rewound_seats
from runtime.engines.base import DatasetSource
from runtime.engines.pandas import PandasDataset
from runtime.engines.rewound_credit import RewoundCredit
from runtime.engines.rewound_places import RewoundPlaces
from runtime.run_report import RunCost
from runtime.sandbox.host import keeper
from runtime.sandbox.host.outcome import RunOutcome
from runtime.sandbox.host.rewound_seat import RewoundSeat
from tests.unit.sandbox.conftest import Rig, answer
from tests.unit.standing_walls import walls
from tests.waiting import WITHIN_S, eventually

pytestmark = pytest.mark.usefixtures("needs_rewinding")

WHO = "import os\ndef task(g):\n    return os.getpid()"
SLEEP = "import time\ndef task(g):\n    open('here', 'w').close()\n    time.sleep(0.3)\n    return 1"
FOREVER = "import time\ndef task(g):\n    open('here', 'w').close()\n    time.sleep(1000)"


class Warm:
    """An executor with a dataset, of which one user has a rewound seat that waits."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.source: DatasetSource = rig.dataset()
        self.places.credit = RewoundCredit()
        self.warm_up()

    @property
    def places(self) -> RewoundPlaces:
        places = self.rig.executor.engine.rewound
        assert places is not None
        return places

    @property
    def seats(self) -> list[RewoundSeat]:
        """The rewound seats of the dataset."""
        loaded = self.rig.executor.cache._entries[self.source.key].loaded
        assert isinstance(loaded, PandasDataset) and loaded._rewound is not None
        return [place.seat for place in loaded._rewound._places if place.seat is not None]

    def waiting_runs(self) -> int:
        """How many runs wait for a rewind."""
        loaded = self.rig.executor.cache._entries[self.source.key].loaded
        assert isinstance(loaded, PandasDataset) and loaded._rewound is not None
        return len(loaded._rewound._coming)

    def warm_up(self) -> None:
        """Have the user come until a rewound seat has served a run, and waits again."""
        used = self.rig.executor.seats_used

        def has_one() -> bool:
            before = used["rewound"]
            answer(self.run(WHO))
            return used["rewound"] > before

        eventually(has_one)
        self.wait_ready()

    def run(self, code: str) -> object:
        return self.rig.run(self.source, code, user="ada")

    def begin(self, code: str) -> "Future[tuple[RunOutcome, RunCost]]":
        """Begin a run on the rewound seat."""
        before = self.rig.executor.seats_used["rewound"]
        running = self.rig.begin(self.source, code, user="ada")
        eventually(lambda: self.rig.executor.seats_used["rewound"] > before)
        return running

    @property
    def is_waiting(self) -> bool:
        """Whether a rewound seat of the dataset waits."""
        return any(place.seat in self.seats for place in self.places._waiting)

    def wait_ready(self) -> None:
        eventually(lambda: self.is_waiting)

    def keeper(self) -> int:
        """The pid of the keeper of the only seat."""
        (seat,) = self.seats
        assert seat._keeper is not None
        return seat._keeper._keeper.pid

    def pids(self) -> list[int]:
        """The pids of the holder, and of all below it."""
        loaded = self.rig.executor.cache._entries[self.source.key].loaded
        assert isinstance(loaded, PandasDataset)
        return [loaded._holder.child.pid, *_below(loaded._holder.child.pid)]

    @contextmanager
    def rewinding(self) -> Iterator[None]:
        """A run has ended, and the rewind of its seat does not come to an end while the block lasts."""
        keeper = self.keeper()
        os.kill(keeper, signal.SIGSTOP)
        answer(self.run(WHO))
        eventually(lambda: not self.is_waiting)
        try:
            yield
        finally:
            if os.path.exists(f"/proc/{keeper}"):
                os.kill(keeper, signal.SIGCONT)

    def require_nothing_left(self, pids: list[int]) -> None:
        eventually(lambda: not any(map(_lives, pids)))
        eventually(lambda: (self.places.count, self.places.used_bytes) == (0, 0))

    def require_well(self) -> None:
        """A run has an answer, and the user has a rewound seat again."""
        self.warm_up()


def _below(pid: int) -> list[int]:
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        children = [int(child) for child in file.read().split()]
    return [one for child in children for one in (child, *_below(child))]


def _lives(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.fixture(scope="module")
def make_rewinding_rig(make_rig: Callable[..., Rig]) -> Callable[[], Rig]:
    if not walls().rewind:
        pytest.skip("this machine cannot rewind seats")
    return lambda: make_rig(rewound=1, spares=0)


@pytest.fixture(scope="module")
def rewinding_rig(make_rewinding_rig: Callable[[], Rig]) -> Iterator[Rig]:
    rig = make_rewinding_rig()
    yield rig
    rig.close()


@pytest.fixture
def warm(rewinding_rig: Rig, monkeypatch: pytest.MonkeyPatch) -> Iterator[Warm]:
    monkeypatch.setattr(keeper, "REWIND_TIMEOUT_S", WITHIN_S)  # tests hold up rewinds
    warm = Warm(rewinding_rig)
    yield warm
    rewinding_rig.wait(rewinding_rig.executor.evict(warm.source.dataset_id))
    eventually(lambda: warm.places.count == 0)


def test_a_seat_whose_keeper_has_died_while_it_waited_costs_a_fork_and_no_run(warm: Warm) -> None:
    os.kill(warm.keeper(), signal.SIGKILL)
    answer(warm.run(WHO))
    warm.require_well()


def test_a_holder_that_is_killed_during_a_run_ends_all_and_the_next_run_begins_anew(warm: Warm) -> None:
    pids = warm.pids()
    assert len(pids) == 1 + REWOUND_PROCESSES
    running = warm.begin(FOREVER)
    os.kill(pids[0], signal.SIGKILL)
    assert running.result(WITHIN_S)[0].cause == "RunInterrupted"
    warm.require_nothing_left(pids)
    warm.require_well()


def test_a_dataset_that_is_evicted_during_a_run_lets_it_finish_and_then_ends_its_seats(warm: Warm) -> None:
    pids = warm.pids()
    running = warm.begin(SLEEP)
    warm.rig.wait(warm.rig.executor.evict(warm.source.dataset_id))
    assert answer(running.result(WITHIN_S)[0]) == 1
    warm.require_nothing_left(pids)
    warm.require_well()


def test_a_dataset_that_is_evicted_during_a_rewind_ends_its_seats(warm: Warm) -> None:
    pids = warm.pids()
    with warm.rewinding():
        warm.rig.wait(warm.rig.executor.evict(warm.source.dataset_id))
        warm.require_nothing_left(pids)
    warm.require_well()


def test_a_dataset_that_is_evicted_while_a_seat_is_made_has_none(warm: Warm) -> None:
    os.kill(warm.keeper(), signal.SIGKILL)
    eventually(lambda: answer(warm.run(WHO)) and warm.places._making is not None)
    warm.rig.wait(warm.rig.executor.evict(warm.source.dataset_id))
    eventually(lambda: (warm.places.count, warm.places.used_bytes) == (0, 0))
    warm.require_well()


def test_a_runner_that_stops_leaves_no_seat_that_waits(make_rewinding_rig: Callable[[], Rig]) -> None:
    warm = Warm(make_rewinding_rig())
    pids = warm.pids()
    warm.rig.close()
    warm.require_nothing_left(pids)
    assert warm.rig.scratch_dirs() == set()


def test_a_runner_that_stops_leaves_no_seat_that_runs_or_is_rewound(make_rewinding_rig: Callable[[], Rig]) -> None:
    warm, other = (Warm(rig) for rig in [make_rewinding_rig()] * 2)
    pids = [*warm.pids(), *other.pids()]
    with warm.rewinding():
        running = other.begin(FOREVER)
        warm.rig.wait(warm.rig.executor.close())
        warm.require_nothing_left(pids)
    assert running.result(WITHIN_S)[0].cause == "RunInterrupted"
    warm.rig.close()


def test_a_run_that_is_cancelled_while_it_waits_for_a_rewind_leaves_the_seat_to_others(
    warm: Warm, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rewound_seats, "SOON_S", WITHIN_S)
    (seat,) = warm.seats
    with warm.rewinding():
        waiting = warm.rig.begin(warm.source, WHO, user="ada", run_id="waits")
        eventually(warm.waiting_runs)
        warm.rig.loop.call_soon_threadsafe(warm.rig.executor.cancel, "waits")
        assert waiting.result(WITHIN_S)[0].cause == "TaskCancelled"
    warm.wait_ready()
    assert warm.seats == [seat]


def test_a_run_that_waits_for_a_rewind_has_the_seat_afterwards(warm: Warm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rewound_seats, "SOON_S", WITHIN_S)
    (seat,) = warm.seats
    with warm.rewinding():
        waiting = warm.rig.begin(warm.source, WHO, user="ada")
        eventually(warm.waiting_runs)
    answer(waiting.result(WITHIN_S)[0])
    warm.wait_ready()
    assert warm.seats == [seat]
    assert warm.rig.executor.seats_used["rewound"] >= 3


def test_neither_the_answer_nor_the_turn_of_others_waits_for_a_rewind(warm: Warm) -> None:
    with warm.rewinding():  # the run inside of it has its answer
        assert warm.rig.executor.running == 0
        answer(warm.rig.run(warm.source, WHO, user="bob"))
    warm.wait_ready()


def test_the_times_of_a_run_on_a_rewound_seat_are_its_own(warm: Warm) -> None:
    used = warm.rig.executor.seats_used["rewound"]
    outcome, cost = warm.rig.wait(warm.rig.start(warm.source, SLEEP, user="ada"))
    assert warm.rig.executor.seats_used["rewound"] == used + 1
    assert outcome.cause == "ok"
    assert cost["run_s"] >= 0.3
    assert min(cost["queue_s"], cost["seat_s"]) >= 0
