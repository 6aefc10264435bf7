"""The findings of a run: tables to read, and JSON for programs."""

import json
import os
import platform
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any  # JSON values

from bench.plots import Plot

_PACKAGES = ("ray", "pandas", "pyarrow", "numpy", "graphistry", "fastapi", "uvicorn")


@dataclass(frozen=True, slots=True)
class Measure:
    """A number that a target is about.

    ``at``: the condition of measurement, if it is not the one that the target names.
    """

    value: float
    at: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """One table. ``rows`` hold text; ``data`` holds the numbers behind it, as JSON values.

    ``measures``: the numbers that ``bench/targets.py`` asks for, by key. The caller of the section fills in
    ``section``.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()
    data: Any = None
    measures: Mapping[str, Measure] = field(default_factory=dict)
    plots: tuple[Plot, ...] = ()
    section: str = ""

    def to_markdown(self) -> str:
        """Return the title, the table and a line for each note. Columns of numbers are aligned right."""
        right = [all(map(_is_number, filter(None, cells))) for cells in zip(*self.rows, strict=True)]
        rule = ["---:" if number else "---" for number in right]
        lines = [f"### {self.title}", ""]
        lines += [f"| {' | '.join(cells)} |" for cells in (self.columns, rule, *self.rows)]
        return "\n".join([*lines, *(f"\n{note}" for note in self.notes)])


@dataclass(slots=True)
class Report:
    """Everything of one run. ``mode`` is ``short`` or ``long``. Load averages are those of one minute."""

    command: str
    mode: str
    started: str = field(default_factory=lambda: time.strftime("%Y-%m-%dT%H:%M:%S%z"))
    load_before: float = field(default_factory=lambda: os.getloadavg()[0])
    load_after: float = 0.0
    wall_s: float = 0.0
    tables: list[Table] = field(default_factory=list)

    @property
    def measures(self) -> dict[str, Measure]:
        """The measures of all tables."""
        return {key: measure for table in self.tables for key, measure in table.measures.items()}

    def to_markdown(self) -> str:
        """Return the whole run as a page."""
        head = (
            f"`{self.command}`, {self.started}, {self.wall_s:.0f} s. {_machine()}. "
            f"Load average (1 min) {self.load_before:.2f} before, {self.load_after:.2f} after."
        )
        return "\n\n".join([head, *(table.to_markdown() for table in self.tables)]) + "\n"

    def write(self, folder: Path) -> tuple[Path, Path]:
        """Write ``<time>.md`` and ``<time>.json`` into ``folder``."""
        folder.mkdir(parents=True, exist_ok=True)
        stem = time.strftime("%Y%m%d-%H%M%S")
        page, data = folder / f"{stem}.md", folder / f"{stem}.json"
        page.write_text(self.to_markdown())
        whole = {**asdict(self), "machine": _machine(), "versions": _versions()}
        data.write_text(json.dumps(whole, indent=1) + "\n")
        return page, data


def _machine() -> str:
    return f"{os.cpu_count()} cores, {platform.system()} {platform.release()}, Python {platform.python_version()}"


def _versions() -> dict[str, str]:
    return {name: version(name) for name in _PACKAGES}


def _is_number(cell: str) -> bool:
    return cell.removeprefix("-").replace(",", "").replace(".", "", 1).isdigit()


def figures(values: Sequence[float], digits: int = 1) -> tuple[str, ...]:
    """Return numbers as cells."""
    return tuple(f"{value:.{digits}f}" for value in values)
