"""``python -m bench [SECTION …]``: measure, and print what was found."""

import argparse
import os
import shlex
import signal
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import httpx

from bench import targets
from bench.client import BadAnswer
from bench.page import KEPT
from bench.plan import Plan, long, short
from bench.report import Report
from bench.sections import DEFAULT, SECTIONS
from bench.servers import ROOT, Stage, StartFailed


def main(arguments: list[str]) -> int:
    """Measure, print a page, and write the page and its numbers. Return the exit status."""
    options = _parser().parse_args(arguments)
    names = list(SECTIONS) if "all" in options.sections else list(dict.fromkeys(options.sections or DEFAULT))
    began = time.monotonic()

    def tell(text: str) -> None:
        print(f"[{time.monotonic() - began:5.1f} s, load {os.getloadavg()[0]:.1f}] {text}", file=sys.stderr, flush=True)

    plan = (long if options.long else short)(tell)
    report = Report(shlex.join(["python", "-m", "bench", *arguments]), "long" if options.long else "short")
    status = _measure(names, plan, report)
    report.wall_s = time.monotonic() - began
    if report.tables:  # also those before a section that failed
        page, data = report.write(KEPT if options.keep else options.results)
        print(report.to_markdown())
        goals = targets.table(report.measures, {table.section for table in report.tables})
        if goals.rows:
            print(goals.to_markdown())
        tell(f"written to {page} and {data}")
    return status


def _measure(names: list[str], plan: Plan, report: Report) -> int:
    """Run the sections one after the other. Return the exit status."""
    try:
        with tempfile.TemporaryDirectory(prefix="graphside-bench-") as folder, Stage(Path(folder)) as stage:
            for name in names:
                plan.tell(f"section {name}")
                report.tables += [replace(table, section=name) for table in SECTIONS[name].run(stage, plan)]
                report.load_after = os.getloadavg()[0]  # before the servers stop, because stopping is load, too
            plan.tell("stopping")
    except (BadAnswer, StartFailed, httpx.HTTPError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("bench: stopped", file=sys.stderr)
        return 130
    return 0


def _section(name: str) -> str:
    """Return the section's name. Not ``choices``, because that would refuse an empty list of sections."""
    if name not in (*SECTIONS, "all"):
        raise argparse.ArgumentTypeError(f"{name!r} is none of {', '.join((*SECTIONS, 'all'))}")
    return name


def _parser() -> argparse.ArgumentParser:
    lines = [f"  {name:<10} {section.summary}" for name, section in SECTIONS.items()]
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description="sections:\n" + "\n".join([*lines, "  all        every section"]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("sections", nargs="*", type=_section, metavar="SECTION", help=f"default: {' '.join(DEFAULT)}")
    parser.add_argument("--long", action="store_true", help="more and longer rounds, for numbers that are kept")
    parser.add_argument("--keep", action="store_true", help="write to bench/kept, of which docs/benchmarks.md is made")
    parser.add_argument("--results", type=Path, default=ROOT / "bench" / "results", help="default: bench/results")
    return parser


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # otherwise its servers would stay
    sys.exit(main(sys.argv[1:]))
