"""The sections of the benchmarks. To add one, write its module and name it in ``SECTIONS``."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bench.plan import Plan
from bench.report import Table
from bench.sections import (
    budget,
    cold,
    fairness,
    floors,
    groupby,
    growth,
    peers,
    results,
    runaway,
    serialise,
    sharing,
    size,
    startup,
    upload,
    walls,
    warm,
)
from bench.servers import Stage


@dataclass(frozen=True, slots=True)
class Section:
    """One section. ``summary``: its line in ``--help``; ``how``: what the page says about the method (Markdown)."""

    summary: str
    run: Callable[[Stage, Plan], list[Table]]
    how: str = ""


SECTIONS: Mapping[str, Section] = {
    "warm": Section(warm.SUMMARY, warm.run, warm.HOW),
    "floors": Section(floors.SUMMARY, floors.run, floors.HOW),
    "peers": Section(peers.SUMMARY, peers.run, peers.HOW),
    "runaway": Section(runaway.SUMMARY, runaway.run, runaway.HOW),
    "fairness": Section(fairness.SUMMARY, fairness.run, fairness.HOW),
    "groupby": Section(groupby.SUMMARY, groupby.run, groupby.HOW),
    "serialise": Section(serialise.SUMMARY, serialise.run, serialise.HOW),
    "results": Section(results.SUMMARY, results.run, results.HOW),
    "upload": Section(upload.SUMMARY, upload.run, upload.HOW),
    "size": Section(size.SUMMARY, size.run, size.HOW),
    "growth": Section(growth.SUMMARY, growth.run, growth.HOW),
    "cold": Section(cold.SUMMARY, cold.run, cold.HOW),
    "budget": Section(budget.SUMMARY, budget.run, budget.HOW),
    "startup": Section(startup.SUMMARY, startup.run),
    "sharing": Section(sharing.SUMMARY, sharing.run, sharing.HOW),
    "walls": Section(walls.SUMMARY, walls.run),
}
DEFAULT = ("warm", "groupby", "serialise", "results", "upload", "size", "growth", "cold", "budget")
"""The default sections: under five minutes together, in an order that stops and starts few servers."""
