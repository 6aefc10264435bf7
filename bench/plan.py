"""How long and how often something is measured."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Plan:
    """How much a run measures.

    Things measured by calls get ``rounds`` of ``seconds`` each. Things measured by starting a server get ``starts`` of
    each server. ``is_long``: use the sizes that targets name; short runs use smaller ones. ``tell`` shows progress.
    """

    rounds: int
    seconds: float
    starts: int
    tell: Callable[[str], None]
    is_long: bool = False


def short(tell: Callable[[str], None]) -> Plan:
    """Return a plan that is long enough to show a change of a tenth."""
    return Plan(rounds=5, seconds=1.0, starts=2, tell=tell)


def long(tell: Callable[[str], None]) -> Plan:
    """Return the plan for numbers that are kept."""
    return Plan(rounds=15, seconds=5.0, starts=5, tell=tell, is_long=True)
