"""The findings of the doctor, and how they are shown."""

import json
import sys
from dataclasses import dataclass, field
from typing import Literal

State = Literal["ok", "absent", "warning", "missing"]
"""``absent``: not there, but not needed. ``missing``: needed, but not there; the exit status is then 1."""

_MARKS: dict[State, tuple[str, str, str]] = {
    "ok": ("✓", "+", "green"),
    "absent": ("–", "-", "dim"),
    "warning": ("!", "!", "yellow"),
    "missing": ("✗", "x", "bold red"),
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One result of an examination. ``text`` is for people; ``data`` holds the same as JSON values."""

    name: str
    state: State
    text: str
    data: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Report:
    """All findings by section, in the order in which they are shown, and a summary."""

    sections: dict[str, tuple[Finding, ...]]
    summary: dict[str, tuple[str, ...]]

    @property
    def ok(self) -> bool:
        """True if nothing is missing."""
        return not any(found.state == "missing" for findings in self.sections.values() for found in findings)

    def to_json(self) -> str:
        """Return the report as one JSON object."""
        sections = {
            section: {found.name: {"state": found.state, "text": found.text, **found.data} for found in findings}
            for section, findings in self.sections.items()
        }
        return json.dumps({"ok": self.ok, **sections, "layers": self.summary}, indent=2)

    def show(self) -> None:
        """Print the report, without colors if the output is not a terminal."""
        from rich.console import Console
        from rich.text import Text

        console = Console(highlight=False, soft_wrap=True)
        column = 0 if "utf" in (sys.stdout.encoding or "").lower() else 1
        width = max(len(found.name) for findings in self.sections.values() for found in findings)
        for section, findings in self.sections.items():
            console.print(Text(section, style="bold"))
            for found in findings:
                mark = _MARKS[found.state]
                style = mark[2]
                console.print(Text.assemble("  ", (mark[column], style), f" {found.name:<{width}}  ", found.text))
            console.print()
        for label, names in self.summary.items():
            console.print(Text(f"{label}: {', '.join(names) or 'none'}"))
        missing = [found.name for findings in self.sections.values() for found in findings if found.state == "missing"]
        console.print(Text(f"\nNeeded and missing: {', '.join(missing) or 'nothing'}"))
