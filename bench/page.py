"""``python -m bench.page``: write ``docs/benchmarks.md`` and its pictures from the kept results.

No number on the page is typed: each comes from ``bench/kept/*.json``, which ``python -m bench --keep`` writes. The page
shows the newest long run of each section, or the newest short run if there is no long one.
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

_HEAD = "# Benchmarks"

_LEADS = (
    (
        "A trivial call takes {:.3g} times as long as a call through two Serve deployments that do nothing, because "
        "each run gets a new process; if a process may serve the same user again (`reused_seats`), {:.3g} times.",
        ("warm.isolated.p50", "warm.reused.p50"),
    ),
    ("A call on a dataset of 4 GB takes {:.3g} times as long as a call on one of 1 MB.", ("size.p50",)),
    (
        "When three runs that never end are killed at their deadline, the next call takes {:.3g} times as long as a "
        "call before them.",
        ("runaway.next_call",),
    ),
)
"""Sentences for a reader who will not study the targets, each with the measures that it quotes."""

_HOW = """\
This page says how long a caller waits for Python that runs beside a dataset, in a confined process that can be killed,
and compares that with other ways. `make bench` repeats the measurements in a few minutes; `python -m bench --help`
lists the sections. `python -m bench.page` wrote this page from `bench/kept/`, so no number on it was typed.

Each section was measured in one session on one machine, and the things that it compares were measured alternately. A
ratio is the median of the ratios between measurements that follow each other. Quote ratios, because milliseconds
depend on the machine and on the load that each section names.

Targets that are not met stay in the table. The reasons why they are not met:

- *warm calls*: a new process costs processor time before and after the task, for pages and mappings that the kernel
  copies and releases. On two cores that limits the calls per second, and calls that follow each other without a pause
  wait for it. Calls with pauses do not, because the work happens in the pause. With `reused_seats` a call costs as
  much as a call of the no-op app.
- *peers*: the faster peers run a caller's code in a process that also runs other callers' code. The table of
  *runaway* shows what happens to such a peer when a caller's code does not end.
- *uploads*: an upload passes HAProxy and Python and ends on disk; a file copy stays in the kernel.
- *first calls*: a third of a first call is the time that Serve takes to pass on the call and its answer.

[bench/NOTES.md](../bench/NOTES.md) says what was tried against each reason, and with what result."""


@dataclass(frozen=True, slots=True)
class Kept:
    """One section of one run. ``run``: the whole JSON object of that run."""

    run: Mapping[str, Any]
    tables: tuple[Table, ...]

    @property
    def rank(self) -> tuple[bool, str]:
        """A sort key: long runs above short ones, then new above old."""
        return self.run["mode"] == "long", str(self.run["started"])

    @property
    def origin(self) -> str:
        """A sentence that says where the numbers come from."""
        run = self.run
        return (
            f"`{run['command']}` ({run['mode']}), {run['started']}. {run['machine']}. "
            f"Load average (1 min) {run['load_before']:.2f} before, {run['load_after']:.2f} after."
        )


def kept_sections(folder: Path) -> dict[str, Kept]:
    """Return the best run of each section in a folder of results, in the order of ``SECTIONS``."""
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
    """Return the page. ``pictures``: the folder of its pictures, as links spell it."""
    measures = {
        key: measure for kept in sections.values() for table in kept.tables for key, measure in table.measures.items()
    }
    goals = targets.table(measures, {goal.section for goal in targets.GOALS})
    parts = [_HEAD, _leads(measures), _HOW, goals.to_markdown().replace("### ", "## ", 1), *_versions(sections)]
    for name, kept in sections.items():
        parts += [f"## {name}", SECTIONS[name].how, f"`python -m bench {name}`. Here: {kept.origin}"]
        for table in kept.tables:
            parts += [table.to_markdown(), *(f"![{plot.title}]({pictures}/{plot.name}.svg)" for plot in table.plots)]
    return "\n\n".join(filter(None, parts)) + "\n"


def main(arguments: Sequence[str]) -> int:
    """Write the page. Return the exit status."""
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


def _leads(measures: Mapping[str, Measure]) -> str:
    """Return those leading sentences whose measures were all kept."""
    told = [
        sentence.format(*(measures[key].value for key in keys))
        for sentence, keys in _LEADS
        if measures.keys() >= set(keys)
    ]
    return " ".join(told)


def _versions(sections: Mapping[str, Kept]) -> list[str]:
    """Return one line for each set of versions that the sections ran with."""
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
