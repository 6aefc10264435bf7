"""What an ordeal finds, on subjects that behave as told."""

import time
from dataclasses import dataclass, field

import pytest

from bench.client import BadAnswer, Load
from bench.peers import runaway
from bench.peers.attempts import Attempt
from bench.peers.held import Leavings
from bench.peers.roster import Aftermath
from bench.peers.runaway import Ordeal, endure
from bench.peers.tasks import RUNAWAY

GOOD = Attempt(True, 0.01, "answered", "{}")
SILENT = Attempt()


@dataclass
class Pretender:
    """A subject that idles at a tenth of a core.

    After runaway tasks it burns a core and stays silent, for so many looks at each.
    """

    burns: int = 0
    silent: int = 0
    name: str = "pretender"
    struck: bool = False
    _cpu_s: float = 0.0
    _seen: float = field(default_factory=time.monotonic)

    def attempt(self, task: str, clients: int, patience_s: float) -> list[Attempt]:
        del patience_s
        if task == RUNAWAY:
            self.struck = True
            return [SILENT] * clients
        if self.struck and self.silent:
            self.silent -= 1
            return [SILENT] * clients
        return [GOOD] * clients

    def ask(self, task: str) -> Attempt:
        return self.attempt(task, 1, 1.0)[0]

    def cpu_s(self) -> float:
        now = time.monotonic()
        self._cpu_s += (now - self._seen) * (1.0 if self.struck and self.burns > 0 else 0.1)
        self.burns -= self.struck
        self._seen = now
        return self._cpu_s

    def drive(self, task: str, clients: int, seconds: float) -> Load:
        raise NotImplementedError

    def stop(self) -> Leavings:
        return Leavings(True, 0)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runaway, "WINDOW_S", 0.05)
    monkeypatch.setattr(runaway, "RECOVERY_S", 0.5)


FOR_EVER = 10**6


@pytest.mark.parametrize(
    ("burns", "silent", "aftermath"),
    [
        (0, 0, "nothing"),
        (FOR_EVER, 0, "it spins on"),
        (0, FOR_EVER, "no answers"),
        (FOR_EVER, FOR_EVER, "no answers, it spins on"),
    ],
)
def test_what_is_left_is_told(burns: int, silent: int, aftermath: Aftermath) -> None:
    ordeal = endure(Pretender(burns, silent), 1.0)
    assert ordeal.aftermath == aftermath
    assert (ordeal.recovered_s == 0.0) == (aftermath == "nothing")
    assert ordeal.recovered_s is None or aftermath == "nothing"


def test_what_it_takes_idle_is_no_burning() -> None:
    assert endure(Pretender(), 1.0).burnt_s < runaway.BURNING_CORES * runaway.WINDOW_S


def test_who_recovers_later_is_told_with_its_time() -> None:
    ordeal = endure(Pretender(burns=4, silent=2), 1.0)
    assert ordeal.aftermath == "no answers, it spins on"
    assert ordeal.recovered_s is not None
    assert ordeal.recovered_s > 0


def test_a_subject_that_fails_before_is_not_tried() -> None:
    with pytest.raises(BadAnswer, match="good calls failed: no answer"):
        endure(Pretender(silent=FOR_EVER, struck=True), 1.0)


def test_a_median_of_calls_before_is_kept() -> None:
    ordeal = endure(Pretender(), 1.0)
    assert isinstance(ordeal, Ordeal)
    assert ordeal.before_s == GOOD.seconds
