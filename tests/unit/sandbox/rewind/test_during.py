"""Something ends while a seat is being rewound: all of its processes end, and the next run is served as ever."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from runtime.sandbox.host import rewound_seat
from tests.attacks.state import anonymous_bytes, kept_by
from tests.unit.sandbox.conftest import Rig, answer
from tests.unit.sandbox.rewind.conftest import Rewinding, descriptors_of
from tests.unit.standing_walls import walls
from tests.waiting import eventually

WHO = "import os\ndef task(g):\n    return os.getpid()"
REWINDS = 1000
SAMPLE_EVERY = 100
MOST_BYTES_IN_ALL = 8 * 2**20
"""A keeper's buffers grow by some megabytes in its first thousand rewinds. A seat is given up after so many runs."""


@pytest.fixture
def pool(make_rig: Callable[..., Rig]) -> Iterator[Rig]:
    """An executor with one rewound seat for each dataset."""
    if not walls().rewind:
        pytest.skip("this machine cannot rewind seats")
    rig = make_rig(rewound=1, spares=1)
    yield rig
    rig.close()


_READS_ITS_CHANNEL = ["0", "0x4"]
_POLLS = ["7"]
"""Numbers of calls that processes at rest wait in, for x86-64, and a descriptor."""


def _call_of(process: psutil.Process) -> list[str]:
    """Return the number of the call that a process waits in, and its first argument."""
    return Path(f"/proc/{process.pid}/syscall").read_text().split()[:2]


class Family:
    """The processes around the rewound seat of one dataset, seen from outside."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.source = rig.dataset()
        self.holder, self.keeper, self.seat, self.witness = eventually(self._found)

    def run(self, code: str = WHO) -> object:
        return answer(self.rig.run(self.source, code, user="ada"))

    def _found(self) -> list[psutil.Process] | None:
        """Have the user come again until there is a whole family."""
        self.run()
        assert self.rig.template.pid is not None
        for keeper in psutil.Process(self.rig.template.pid).children(recursive=True):
            if kept := kept_by(keeper):
                return [keeper.parents()[0], keeper, *kept]
        return None

    def rewinding(self) -> None:
        """Have a rewind begin, and not end: the keeper stands still."""
        eventually(lambda: _call_of(self.seat) == _READS_ITS_CHANNEL and _call_of(self.keeper)[:1] == _POLLS)
        self.keeper.suspend()
        eventually(lambda: self.run() and _call_of(self.seat) != _READS_ITS_CHANNEL)

    def is_gone(self) -> bool:
        return not any(one.is_running() for one in (self.keeper, self.seat, self.witness))


@pytest.mark.parametrize(
    "which",
    [
        "keeper",
        "holder",
        pytest.param("seat", marks=pytest.mark.soak),
        pytest.param("witness", marks=pytest.mark.soak),
    ],
)
def test_whoever_is_killed_meanwhile_all_end_and_the_next_run_is_served(pool: Rig, which: str) -> None:
    family = Family(pool)
    family.rewinding()
    getattr(family, which).kill()
    if which != "keeper":
        family.keeper.resume()
    eventually(family.is_gone)
    assert isinstance(family.run(), int)


@pytest.mark.soak
def test_a_keeper_that_stands_still_is_given_up(pool: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runtime.sandbox.host.keeper.REWIND_TIMEOUT_S", 0.1)
    family = Family(pool)
    family.rewinding()
    eventually(family.is_gone)
    assert isinstance(family.run(), int)


def test_a_runner_that_ends_meanwhile_leaves_no_process(pool: Rig) -> None:
    family = Family(pool)
    family.rewinding()
    pool.close()
    eventually(lambda: family.is_gone() and not family.holder.is_running())


@pytest.mark.soak
def test_a_run_that_is_cancelled_ends_its_seat_and_the_user_gets_another(pool: Rig) -> None:
    family = Family(pool)
    began = pool.begin(family.source, "import time\ndef task(g):\n    time.sleep(600)", user="ada")
    eventually(lambda: pool.executor.running)
    began.cancel()
    eventually(family.is_gone)
    assert isinstance(family.run(), int)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_a_thousand_rewinds_leave_memory_and_descriptors_as_they_were(
    rewinding: Rewinding, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rewound_seat, "MOST_RUNS", 2 * REWINDS)
    monkeypatch.setattr(rewound_seat, "MOST_AGE_S", 3600.0)
    monkeypatch.setattr(rewinding, "is_checked", False)
    seat = rewinding.make()
    assert seat._keeper is not None and seat._child is not None
    keeper = psutil.Process(seat._keeper._keeper.pid)
    looked_at = [psutil.Process(os.getpid()), keeper.parent(), keeper, psutil.Process(seat._child.pid)]
    samples: list[list[tuple[int, int]]] = []
    for number in range(REWINDS + 1):
        assert rewinding.run("def task(g):\n    return g._edges['w'].sum()").failure is None
        assert rewinding.rewind() is None
        if number % SAMPLE_EVERY == 0:
            samples.append([(descriptors_of(one.pid), anonymous_bytes(one)) for one in looked_at if one is not None])
    for of_one in zip(*samples, strict=True):
        descriptors, sizes = zip(*of_one, strict=True)
        assert max(descriptors[1:]) == min(descriptors[1:]), samples
        assert sizes[-1] - sizes[1] <= MOST_BYTES_IN_ALL, samples
