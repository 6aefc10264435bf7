"""Counts refusals, so that a flood of them is a few lines of the audit log.

Refusals are equal if a user, or an address (IPv6: a site) of callers who are not logged in, was refused the same action
with the same outcome. Within a minute the first 20 equal ones have a line each, and 300 in all. When the minute is
over, one line for each user or address says how many more there were.
"""

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

PERIOD_S: Final = 60.0
MOST_EQUAL: Final = 20
MOST: Final = 300


@dataclass(frozen=True, slots=True)
class Refusal:
    """What equal refusals share. ``address`` is empty for a user; both are empty for the rest of many."""

    actor_id: int | None
    actor: str
    address: str
    action: str
    outcome: str


class Refusals:
    """Refusals of one kind of callers. Past ``most`` within a minute only actions are told apart: memory is bounded."""

    def __init__(
        self,
        most_equal: int = MOST_EQUAL,
        most: int = MOST,
        period_s: float = PERIOD_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._most_equal = most_equal
        self._most = most
        self._period_s = period_s
        self._clock = clock
        self._began = clock()
        self._lines: Counter[Refusal] = Counter()
        self._left_out: Counter[Refusal] = Counter()

    def has_room(self, refusal: Refusal) -> bool:
        """Count a refusal. Return True if it gets a line of its own."""
        if self._lines[refusal] < self._most_equal and self._lines.total() < self._most:
            self._lines[refusal] += 1
            return True
        is_told_apart = refusal in self._lines
        self._left_out[refusal if is_told_apart else Refusal(None, "", "", refusal.action, refusal.outcome)] += 1
        return False

    def left_out(self, *, now: bool = False) -> list[tuple[Refusal, int]]:
        """Return which refusals got no line, and how many, if the minute is over or has to be; then begin another."""
        if not now and self._clock() < self._began + self._period_s:
            return []
        self._began = self._clock()
        self._lines.clear()
        found = list(self._left_out.items())
        self._left_out.clear()
        return found
