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


@dataclass(frozen=True)
class Table:
    """Rows of text under a title."""

    title: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]

    def as_lines(self) -> list[str]:
        """Aligned columns."""
        rows = [self.columns, *self.rows]
        widths = [max(len(row[column]) for row in rows) for column in range(len(self.columns))]
        return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]

    def as_markdown(self) -> str:
        """The same for a page."""
        rows = [self.columns, ("---",) * len(self.columns), *self.rows]
        lines = [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in rows]
        return "\n".join([f"### {self.title}", "", *lines])


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
