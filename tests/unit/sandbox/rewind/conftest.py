"""One rewound seat that tests run tasks on, and rewind themselves. All of its memory is compared each time."""

import os
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from runtime.engines.base import DatasetSource
from runtime.engines.pandas import PandasDataset
from runtime.sandbox.host.outcome import RunOutcome
from runtime.sandbox.host.rewound_seat import MOST_AGE_S, MOST_RUNS, RewoundSeat, open_rewound_seat
from runtime.sandbox.host.seat import SeatProcess
from runtime.sandbox.walls.rewind import TRACKED
from tests.tasks import spec
from tests.unit.sandbox.conftest import Rig
from tests.unit.sandbox.conftest import answer as answer_of
from tests.unit.standing_walls import walls


class Rewinding:
    """A dataset's holder, and one rewound seat of it, which is made anew when it has ended."""

    def __init__(self, rig: Rig, source: DatasetSource, dataset: PandasDataset | None = None) -> None:
        """``dataset``: that of another one, whose holder this shares."""
        self.rig = rig
        self.source = source
        self.dataset = dataset or rig.wait(self._load())
        self.seat: RewoundSeat | None = None
        self.is_checked = True
        self._is_rewound = True

    async def _load(self) -> PandasDataset:
        async def no_room() -> bool:
            return False

        loaded = await self.rig.executor.engine.load(self.source, no_room)
        assert isinstance(loaded, PandasDataset)
        return loaded

    def make(self, source: str = "", **limits: Any) -> RewoundSeat:
        """Make another seat. ``source``: the text of a task that is compiled beforehand."""
        self.end()
        self._is_rewound = True
        dataset = self.dataset
        self.seat = self.rig.wait(
            open_rewound_seat(
                dataset._holder.client,
                dataset._settings,
                dataset._new_uid(),
                spec(**limits).limits,
                source=source,
                checked=self.is_checked,
            )
        )
        return self.seat

    @property
    def is_old(self) -> bool:
        """Whether the seat is so old that it may soon be given up for that."""
        seat = self.seat
        return seat is None or seat._runs >= MOST_RUNS - 1 or time.monotonic() - seat._born > MOST_AGE_S / 2

    def run(self, code: str, **fields: Any) -> RunOutcome:
        """The outcome of a run on the seat, which is not rewound afterwards."""
        seat = self.seat if self.seat is not None and self.seat.alive and self._is_rewound else self.make()
        self._is_rewound = False
        return self.rig.wait(seat.run(spec(code, **fields)))

    def rewind(self) -> str | None:
        """Rewind the seat; the reason if it has ended instead. Nothing may differ."""
        assert self.seat is not None
        reason = self.rig.wait(self.seat.rewind())
        self._is_rewound = reason is None
        if reason is not None:
            self.end()
        else:
            assert self.seat.differing == 0
        return reason

    def answer(self, code: str, **fields: Any) -> Any:
        """The JSON result of a run, after which the seat is rewound."""
        value = answer_of(self.run(code, **fields))
        assert self.rewind() is None
        return value

    def fresh(self, code: str) -> Any:
        """The JSON result of a run on a seat of its own."""

        async def run() -> RunOutcome:
            seat: SeatProcess = await self.dataset._open()
            try:
                return await seat.run(spec(code))
            finally:
                await seat.close()

        return answer_of(self.rig.wait(run()))

    def end(self) -> None:
        if self.seat is not None:
            self.rig.wait(self.seat.close())
        self.seat = None

    def close(self) -> None:
        self.end()
        self.rig.wait(self.dataset.close())


@pytest.fixture(scope="session")
def rewinding(make_rig: Callable[..., Rig]) -> Iterator[Rewinding]:
    """One for all tests that leave a seat which works."""
    if not walls().rewind:
        pytest.skip("this machine cannot rewind seats")
    rig = make_rig(spares=0)
    made = Rewinding(rig, rig.dataset())
    yield made
    made.close()


@pytest.fixture(scope="session")
def unsealed(make_rig: Callable[..., Rig]) -> Iterator[Rewinding]:
    """The same, as on a kernel without ``mseal``."""
    if not walls().rewind:
        pytest.skip("this machine cannot rewind seats")
    rig = make_rig(spares=0, rewind=TRACKED)
    made = Rewinding(rig, rig.dataset())
    yield made
    made.close()


def descriptors_of(pid: int) -> int:
    """How many files a process has open."""
    return len(os.listdir(f"/proc/{pid}/fd"))


@pytest.fixture
def needs_rewinding() -> None:
    """Skips a test where seats are not rewound."""
    if not walls().rewind:
        pytest.skip("this machine cannot rewind seats")


@pytest.fixture
def needs_sealing() -> None:
    """Skips a test where mappings are not sealed."""
    if walls().rewind != "sealed":
        pytest.skip("this machine cannot seal mappings")
