"""What a run found: a table for eyes, JSON for everything else."""

import json
import os
import platform
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any  # JSON values

_PACKAGES = ("ray", "pandas", "pyarrow", "numpy", "graphistry", "fastapi", "uvicorn")


@dataclass(frozen=True, slots=True)
class Measure:
    """A number that a target is about. ``at``: what it was taken at, where that is not what the target names."""

    value: float
    at: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """``rows`` hold text; ``data`` holds the numbers behind it, as JSON values.

    ``measures``: what targets are about, by key.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()
    data: Any = None
    measures: Mapping[str, Measure] = field(default_factory=dict)

    def to_markdown(self) -> str:
        """The title, the table, a line for each note. Numbers stand to the right."""
        right = [_is_number(cell) for cell in self.rows[0]] if self.rows else []
        rule = ["---:" if number else "---" for number in right]
        lines = [f"### {self.title}", ""]
        lines += [f"| {' | '.join(cells)} |" for cells in (self.columns, rule, *self.rows)]
        return "\n".join([*lines, *(f"\n{note}" for note in self.notes)])


@dataclass(slots=True)
class Report:
    """Everything of one run. Load averages are those of one minute."""

    command: str
    started: str = field(default_factory=lambda: time.strftime("%Y-%m-%dT%H:%M:%S%z"))
    load_before: float = field(default_factory=lambda: os.getloadavg()[0])
    load_after: float = 0.0
    wall_s: float = 0.0
    tables: list[Table] = field(default_factory=list)

    def to_markdown(self) -> str:
        """The whole run as a page."""
        head = (
            f"`{self.command}`, {self.started}, {self.wall_s:.0f} s. {_machine()}. "
            f"Load average (1 min) {self.load_before:.2f} before, {self.load_after:.2f} after."
        )
        return "\n\n".join([head, *(table.to_markdown() for table in self.tables)]) + "\n"

    def write(self, folder: Path) -> tuple[Path, Path]:
        """``<time>.md`` and ``<time>.json`` in ``folder``."""
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
    return cell.replace(".", "", 1).replace("x", "").strip().isdigit()


def figures(values: Sequence[float], digits: int = 1) -> tuple[str, ...]:
    """Numbers as cells."""
    return tuple(f"{value:.{digits}f}" for value in values)
