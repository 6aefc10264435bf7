"""Three tasks that never end: what their callers hear, and what is left after the callers have gone."""

import os
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
"""How long a subject may take, after its clients left, to answer and to be idle."""

WINDOW_S = 2.0
"""CPU is counted over this time, from this time after the clients left."""

BURNING_CORES = 0.25
"""The load above idle that shows a task that goes on.

On a busy machine a task gets less. There the bound is half of what one of so many tasks gets.
"""

_BEFORE = 3
_IDLE_WINDOWS = 2


@dataclass(frozen=True, slots=True)
class Ordeal:
    """What happened to one subject.

    ``before_s``: the time of a good call before. ``burnt_s``: CPU seconds in the window, above ``idle_s``, which the
    same window took before. ``burns``: True if ``burnt_s`` shows a task that goes on. ``recovered_s``: the time from
    when the clients left until a good call was answered and nothing burnt; None if that took too long.
    """

    before_s: float
    attempts: tuple[Attempt, ...]
    following: Attempt
    idle_s: float
    burnt_s: float
    burns: bool
    recovered_s: float | None

    @property
    def aftermath(self) -> Aftermath:
        """What was left."""
        if self.following.good:
            return "it spins on" if self.burns else "nothing"
        return "no answers, it spins on" if self.burns else "no answers"


def endure(subject: Subject, patience_s: float) -> Ordeal:
    """Put one idle subject to the ordeal. ``patience_s``: how long every client waits.

    Raises ``BadAnswer`` if the good calls before it fail.
    """
    before = [subject.attempt(COUNT, 1, patience_s)[0] for _ in range(_BEFORE)]
    if not all(one.good for one in before):
        raise BadAnswer(f"good calls failed: {next(one.said for one in before if not one.good)}")
    idle_s = min(_cpu_s(subject) for _ in range(_IDLE_WINDOWS))
    attempts = tuple(subject.attempt(RUNAWAY, CALLS, patience_s))
    left = time.monotonic()
    following = subject.attempt(COUNT, 1, patience_s)[0]
    time.sleep(max(0.0, left + WINDOW_S - time.monotonic()))
    burnt_s = max(0.0, _cpu_s(subject) - idle_s)
    return Ordeal(
        before_s=statistics.median(one.seconds for one in before if one.seconds is not None),
        attempts=attempts,
        following=following,
        idle_s=idle_s,
        burnt_s=burnt_s,
        burns=_burns(burnt_s),
        recovered_s=0.0 if following.good and not _burns(burnt_s) else _recovery(subject, patience_s, idle_s, left),
    )


def _recovery(subject: Subject, patience_s: float, idle_s: float, left: float) -> float | None:
    while (remaining_s := left + RECOVERY_S - time.monotonic()) > 0:
        (again,) = subject.attempt(COUNT, 1, min(patience_s, remaining_s))
        if not _burns(_cpu_s(subject) - idle_s) and again.good:
            return time.monotonic() - left
    return None


def _burns(burnt_s: float) -> bool:
    cores = os.cpu_count() or 1
    share = cores / max(cores, os.getloadavg()[0])
    return burnt_s > min(BURNING_CORES, share / 2) * WINDOW_S


def _cpu_s(subject: Subject) -> float:
    before = subject.cpu_s()
    time.sleep(WINDOW_S)
    return subject.cpu_s() - before
