"""How long and how often."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Plan:
    """``rounds`` of ``seconds`` each for what is measured by calls; ``starts`` of each server for what is measured by
    starting it. ``is_long``: the sizes that targets name, where smaller ones save time. ``tell`` shows progress.
    """

    rounds: int
    seconds: float
    starts: int
    tell: Callable[[str], None]
    is_long: bool = False


def short(tell: Callable[[str], None]) -> Plan:
    """Enough to see a change of a tenth."""
    return Plan(rounds=5, seconds=1.0, starts=2, tell=tell)


def long(tell: Callable[[str], None]) -> Plan:
    """For numbers that are kept."""
    return Plan(rounds=15, seconds=5.0, starts=5, tell=tell, is_long=True)
