"""Three tasks that never end: what their callers hear, and what is left when they have gone."""

import statistics
import time
from dataclasses import dataclass

from bench.client import BadAnswer
from bench.peers.attempts import Attempt
from bench.peers.roster import Aftermath
from bench.peers.subject import Subject
from bench.peers.tasks import COUNT, RUNAWAY

CALLS = 3
RECOVERY_S = 10.0
"""How long after its clients left somebody may take to answer and to rest."""

WINDOW_S = 2.0
"""CPU is counted over so long, from so long after the clients left."""

BURNING_CORES = 0.25
"""More than that, over what it burns when idle, is a task that goes on."""

_BEFORE = 3


@dataclass(frozen=True, slots=True)
class Ordeal:
    """``before_s``: a good call before. ``burnt_s``: CPU seconds in the window, over what the same window takes idle.
    ``recovered_s``: after the clients left, until a good call was answered and nothing burnt; ``None``: not in time."""

    before_s: float
    attempts: tuple[Attempt, ...]
    following: Attempt
    burnt_s: float
    recovered_s: float | None

    @property
    def burns(self) -> bool:
        return self.burnt_s > BURNING_CORES * WINDOW_S

    @property
    def aftermath(self) -> Aftermath:
        """What was left."""
        if self.following.good:
            return "it spins on" if self.burns else "nothing"
        return "no answers, it spins on" if self.burns else "no answers"


def endure(subject: Subject, patience_s: float) -> Ordeal:
    """One ordeal of a subject that was left alone before. ``patience_s`` is that of every client.

    Raises ``BadAnswer`` where good calls fail before.
    """
    before = [subject.attempt(COUNT, 1, patience_s)[0] for _ in range(_BEFORE)]
    if not all(one.good for one in before):
        raise BadAnswer(f"good calls failed: {next(one.said for one in before if not one.good)}")
    idle_s = _cpu_s(subject, WINDOW_S)
    attempts = tuple(subject.attempt(RUNAWAY, CALLS, patience_s))
    left = time.monotonic()
    following = subject.attempt(COUNT, 1, patience_s)[0]
    time.sleep(max(0.0, left + WINDOW_S - time.monotonic()))
    ordeal = Ordeal(
        before_s=statistics.median(one.seconds for one in before if one.seconds is not None),
        attempts=attempts,
        following=following,
        burnt_s=max(0.0, _cpu_s(subject, WINDOW_S) - idle_s),
        recovered_s=None,
    )
    return _with_recovery(ordeal, subject, patience_s, idle_s, left)


def _with_recovery(ordeal: Ordeal, subject: Subject, patience_s: float, idle_s: float, left: float) -> Ordeal:
    recovered_s = 0.0
    good, burns = ordeal.following.good, ordeal.burns
    while not good or burns:
        if time.monotonic() > left + RECOVERY_S:
            return ordeal
        good = subject.attempt(COUNT, 1, min(patience_s, max(1.0, left + RECOVERY_S - time.monotonic())))[0].good
        burns = _cpu_s(subject, WINDOW_S) - idle_s > BURNING_CORES * WINDOW_S
        recovered_s = time.monotonic() - left
    return Ordeal(ordeal.before_s, ordeal.attempts, ordeal.following, ordeal.burnt_s, recovered_s)


def _cpu_s(subject: Subject, seconds: float) -> float:
    before = subject.cpu_s()
    time.sleep(seconds)
    return subject.cpu_s() - before
