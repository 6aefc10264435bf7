"""Interleaved rounds, and what is computed from them: medians, and ratios within a round.

A ratio is the median of ratios between rounds that are neighbors in time. So a machine that becomes busy in the middle
of a run changes both numbers of a pair and not one.
"""

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bench.client import Call, Load, drive


@dataclass(frozen=True, slots=True)
class Target:
    """A measured thing: its name in tables and the call that is sent to it."""

    name: str
    call: Call

    def drive(self, clients: int, seconds: float) -> Load:
        return drive(self.call, clients, seconds)


@dataclass(frozen=True, slots=True)
class Driven:
    """A measured thing that has a client of its own."""

    name: str
    drive: Callable[[int, float], Load]


@dataclass(frozen=True, slots=True)
class Round:
    """One stretch of calls to one target."""

    p50_ms: float
    p99_ms: float
    calls_per_s: float
    calls: int


@dataclass(frozen=True, slots=True)
class Measured:
    """All rounds of one target with one number of clients, in the order in which they ran."""

    target: str
    clients: int
    rounds: tuple[Round, ...]
    phases_ms: dict[str, float]
    """The median of each phase that the server names in ``Server-Timing``."""

    def median(self, figure: str) -> float:
        """Return the median of the rounds. ``figure`` names a field of ``Round``."""
        return statistics.median(float(getattr(item, figure)) for item in self.rounds)

    def over(self, reference: "Measured", figure: str) -> float:
        """Return the median of the ratios of each round to the reference's round beside it."""
        pairs = zip(self.rounds, reference.rounds, strict=True)
        return statistics.median(float(getattr(own, figure) / getattr(other, figure)) for own, other in pairs)


def interleave(
    targets: Sequence[Target | Driven], clients: int, rounds: int, seconds: float, tell: Callable[[str], None]
) -> list[Measured]:
    """Measure each target in turn for ``seconds`` over ``clients`` connections, and repeat that ``rounds`` times.

    Every other round is in reverse order, so that no target always follows the same neighbor.
    """
    loads: dict[str, list[Load]] = {target.name: [] for target in targets}
    for number in range(rounds):
        for target in targets if number % 2 == 0 else reversed(targets):
            load = target.drive(clients, seconds)
            loads[target.name].append(load)
        tell(f"{clients} client{'s' if clients > 1 else ''}: round {number + 1} of {rounds}")
    return [
        Measured(target.name, clients, tuple(map(_round, loads[target.name])), _phases(loads[target.name]))
        for target in targets
    ]


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that a ``share`` (0 to 1) of the values do not exceed (nearest rank)."""
    ranked = sorted(values)
    return ranked[max(0, math.ceil(share * len(ranked)) - 1)]


def _round(load: Load) -> Round:
    return Round(
        p50_ms=percentile(load.latencies_s, 0.5) * 1000,
        p99_ms=percentile(load.latencies_s, 0.99) * 1000,
        calls_per_s=load.calls_per_s,
        calls=len(load.latencies_s),
    )


def _phases(loads: Sequence[Load]) -> dict[str, float]:
    seen: dict[str, list[float]] = {}
    for load in loads:
        for timing in load.timings:
            for metric in timing.split(","):
                name, _, duration = metric.strip().partition(";dur=")
                seen.setdefault(name, []).append(float(duration))
    return {name: statistics.median(values) for name, values in seen.items()}
