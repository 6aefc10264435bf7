"""``python -m bench.page``: writes ``docs/benchmarks.md`` and its pictures from the results that are kept.

No number on the page is typed: every one comes from ``bench/kept/*.json``, where ``python -m bench --keep`` writes. Of
each section it shows the newest long run, and where there is none the newest short one.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import targets
from bench.plots import Plot, draw
from bench.report import Measure, Table
from bench.sections import SECTIONS
from bench.servers import ROOT

KEPT = ROOT / "bench" / "kept"

_HEAD = """\
# Benchmarks

How long a caller waits for Python that runs beside a dataset, in a process that is walled in and can be killed; and
beside what. `make bench` measures it anew in some minutes, `python -m bench --help` names the sections. This page was
written by `python -m bench.page` from `bench/kept/`; no number on it was typed.

Everything of a section is measured in one run on one machine, what is compared in turn. Ratios are medians of ratios
between neighbours in time, so quote those; milliseconds are those of the machine and the load that each section
names.

Targets that are not met stand in the table as well, and this is why. A warm call is the processor's time that a new
process costs, before and after the task: pages and mappings that the kernel copies and takes apart. On two cores that
bounds calls a second, and calls that follow each other without a pause wait for it; at leisure it is done meanwhile.
Where an operator lets a process serve the same user's next runs (`reused_seats`), a call costs what the no-op's does.
Peers that are faster run a caller's text in a process that others' texts run in too; what becomes of them when a text
does not end is the table of *runaway*. An upload goes through HAProxy and Python and ends on disk, a copy stays in
the kernel. Of a first call a third is Serve's way there and back. What was tried against each, and what it brought, is
in [bench/NOTES.md](../bench/NOTES.md)."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A section as one run left it. ``run`` is the whole JSON object of that run."""

    run: Mapping[str, Any]
    tables: tuple[Table, ...]

    @property
    def rank(self) -> tuple[bool, str]:
        """Long before short, new before old."""
        return self.run["mode"] == "long", str(self.run["started"])

    @property
    def origin(self) -> str:
        """Where its numbers come from."""
        run = self.run
        return (
            f"`{run['command']}` ({run['mode']}), {run['started']}. {run['machine']}. "
            f"Load average (1 min) {run['load_before']:.2f} before, {run['load_after']:.2f} after."
        )


def kept_sections(folder: Path) -> dict[str, Kept]:
    """The best run of each section in a folder of results, in the order of ``SECTIONS``."""
    best: dict[str, Kept] = {}
    for path in sorted(folder.glob("*.json")):
        run = json.loads(path.read_text())
        tables = [_table(one) for one in run["tables"]]
        for section in {table.section for table in tables}:
            kept = Kept(run, tuple(table for table in tables if table.section == section))
            if section not in best or kept.rank > best[section].rank:
                best[section] = kept
    return {name: best[name] for name in SECTIONS if name in best}


def markdown(sections: Mapping[str, Kept], pictures: str) -> str:
    """The page. ``pictures``: the folder of its pictures, as links name it."""
    measures = {
        key: measure for kept in sections.values() for table in kept.tables for key, measure in table.measures.items()
    }
    goals = targets.table(measures, {goal.section for goal in targets.GOALS})
    parts = [_HEAD, goals.to_markdown().replace("### ", "## ", 1), *_versions(sections)]
    for name, kept in sections.items():
        parts += [f"## {name}", SECTIONS[name].how, f"`python -m bench {name}`. Here: {kept.origin}"]
        for table in kept.tables:
            parts += [table.to_markdown(), *(f"![{plot.title}]({pictures}/{plot.name}.svg)" for plot in table.plots)]
    return "\n\n".join(filter(None, parts)) + "\n"


def main(arguments: Sequence[str]) -> int:
    """Returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m bench.page", description="Write docs/benchmarks.md.")
    parser.add_argument("--results", type=Path, default=KEPT, help="default: bench/kept")
    parser.add_argument("--docs", type=Path, default=ROOT / "docs", help="default: docs")
    options = parser.parse_args(arguments)
    sections = kept_sections(options.results)
    if not sections:
        print(f"bench: no results in {options.results}; run python -m bench --keep first", file=sys.stderr)
        return 1
    pictures = options.docs / "benchmarks"
    pictures.mkdir(parents=True, exist_ok=True)
    plots = [plot for kept in sections.values() for table in kept.tables for plot in table.plots]
    for path in pictures.glob("*.svg"):
        path.unlink()
    for plot in plots:
        draw(plot, pictures / f"{plot.name}.svg")
    (options.docs / "benchmarks.md").write_text(markdown(sections, pictures.name))
    return 0


def _versions(sections: Mapping[str, Kept]) -> list[str]:
    """One line for each set of versions that the sections ran with."""
    seen = {tuple(kept.run["versions"].items()): None for kept in sections.values()}
    return [f"Measured with {', '.join(f'{name} {number}' for name, number in one)}." for one in seen]


def _table(value: dict[str, Any]) -> Table:
    return Table(
        title=value["title"],
        columns=tuple(value["columns"]),
        rows=tuple(map(tuple, value["rows"])),
        notes=tuple(value["notes"]),
        measures={key: Measure(**measure) for key, measure in value["measures"].items()},
        plots=tuple(map(Plot.from_json, value["plots"])),
        section=value["section"],
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
