"""What the sections make of peers that fail, differ or are not installed."""

from dataclasses import dataclass, field

import pytest

from bench.client import BadAnswer, Load
from bench.peers.attempts import Attempt
from bench.peers.ground import OURS
from bench.peers.held import Leavings
from bench.peers.tasks import COUNT
from bench.plan import Plan
from bench.sections import peers, runaway
from bench.sections.peers import Field, Series

PLAN = Plan(rounds=3, seconds=0.0, starts=1, tell=lambda _: None)
SERIES = Series(COUNT, 1, 3)


@dataclass
class Pretender:
    """A subject that answers ``body`` to everything, in ``latency_s``.

    After ``fails_after`` stretches of calls it fails.
    """

    name: str
    body: str = "1"
    latency_s: float = 0.01
    fails_after: int = 10**6
    stopped: int = 0
    tasks: list[str] = field(default_factory=list)

    def drive(self, task: str, clients: int, seconds: float) -> Load:
        del clients, seconds
        self.tasks.append(task)
        if len(self.tasks) > self.fails_after:
            raise BadAnswer("HTTP 500: no more\nand a trace")
        return Load([self.latency_s] * 5, 5 * self.latency_s)

    def attempt(self, task: str, clients: int, patience_s: float) -> list[Attempt]:
        del task, patience_s
        return [Attempt(True, self.latency_s, "answered", self.body)] * clients

    def ask(self, task: str) -> Attempt:
        return self.attempt(task, 1, 1.0)[0]

    def cpu_s(self) -> float:
        return 0.0

    def stop(self) -> Leavings:
        self.stopped += 1
        return Leavings(True, 0)


def started(*pretenders: Pretender) -> Field:
    return Field({one.name: one for one in (Pretender(OURS), *pretenders)})


def test_who_answers_otherwise_is_dropped_and_stopped() -> None:
    liar, honest = Pretender("liar", body="2"), Pretender("honest")
    everybody = started(liar, honest)
    peers._compare(everybody)
    assert list(everybody.subjects) == [OURS, "honest"]
    assert everybody.absent == {"liar": "answers otherwise: 2"}
    assert (liar.stopped, honest.stopped) == (1, 0)


def test_who_fails_on_the_way_is_dropped_and_the_others_are_measured() -> None:
    weak = Pretender("weak", fails_after=2)
    everybody = started(weak, Pretender("strong", latency_s=0.02))
    measured = peers._measure(SERIES, everybody, PLAN)
    assert list(measured) == [OURS, "strong"]
    assert measured["strong"].over(measured[OURS], "p50_ms") == pytest.approx(2)
    assert everybody.absent == {"weak": "fails under 1 client(s): HTTP 500: no more"}


def test_where_ours_fails_the_section_fails() -> None:
    everybody = Field({OURS: Pretender(OURS, fails_after=0)})
    with pytest.raises(BadAnswer, match="HTTP 500: no more"):
        peers._measure(SERIES, everybody, PLAN)


def test_the_table_names_whoever_is_not_measured() -> None:
    everybody = started(Pretender("LitServe", latency_s=0.02))
    everybody.absent["Dask distributed"] = "not installed (make peers)"
    found = [peers._measure(SERIES, everybody, PLAN) for _ in range(3)]
    table = peers._table(found, everybody, {OURS: 0.1})
    assert [row[0] for row in table.rows] == [OURS, "LitServe"]
    assert "Not measured: Dask distributed: not installed (make peers)." in table.notes
    assert table.measures["peers.over_best"].value == pytest.approx(0.5)
    assert table.measures["peers.over_best"].at == "LitServe"
    assert "peers.over_exec" not in table.measures


@pytest.mark.parametrize(
    ("attempts", "told"),
    [
        ([Attempt()] * 3, "3 x no answer"),
        ([Attempt(seconds=2.04, said="HTTP 504: late"), Attempt(seconds=2.21, said="HTTP 504: late")],
         "2 x HTTP 504 after 2.0 to 2.2 s"),
        ([Attempt(seconds=2.0, said="HTTP 408"), Attempt()], "1 x HTTP 408 after 2.0 s, 1 x no answer"),
    ],
)  # fmt: skip
def test_what_callers_hear_is_told_once(attempts: list[Attempt], told: str) -> None:
    assert runaway._heard(tuple(attempts)) == told
