"""What came of the attacks, as a table for the end of a test run and for a page."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

COLUMNS = ("attack", "mode", "outcome", "ms", "what stopped it")
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")


@dataclass(frozen=True)
class Ended:
    """``kept``: no invariant broke and the outcome was one of those that may be."""

    attack: str
    mode: str
    outcome: str
    ms: float
    stopped_by: str
    kept: bool

    def cells(self) -> tuple[str, ...]:
        outcome = self.outcome if self.kept else f"{self.outcome} (NOT AS IT MAY)"
        return (self.attack, self.mode, outcome, f"{self.ms:.0f}", _CONTROLS.sub("?", self.stopped_by)[:80])


def as_lines(ended: Sequence[Ended]) -> list[str]:
    """Aligned columns, a sum for each mode."""
    rows = [COLUMNS, *(one.cells() for one in ended)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return [*lines, *summaries(ended)]


def as_markdown(ended: Sequence[Ended]) -> str:
    """The same as a page."""
    rows = [COLUMNS, ("---", "---", "---", "---:", "---"), *(one.cells() for one in ended)]
    table = "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in rows)
    return "\n\n".join([table, *summaries(ended)]) + "\n"


def summaries(ended: Iterable[Ended]) -> list[str]:
    """How many of each outcome, mode by mode."""
    by_mode: dict[str, Counter[str]] = {}
    broken: Counter[str] = Counter()
    for one in ended:
        by_mode.setdefault(one.mode, Counter())[one.outcome] += 1
        broken[one.mode] += not one.kept
    return [
        f"mode {mode}: {counts.total()} attacks, {broken[mode]} not as they may "
        f"({', '.join(f'{count} {outcome}' for outcome, count in counts.most_common())})"
        for mode, counts in by_mode.items()
    ]
