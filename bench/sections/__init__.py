"""What can be measured. To add a section: write its module and name it in ``SECTIONS``."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from bench.plan import Plan
from bench.report import Table
from bench.sections import floors, peers, runaway, startup, walls, warm
from bench.servers import Stage


@dataclass(frozen=True, slots=True)
class Section:
    """``summary`` is its line in ``--help``."""

    summary: str
    run: Callable[[Stage, Plan], list[Table]]


SECTIONS: Mapping[str, Section] = {
    "warm": Section(warm.SUMMARY, warm.run),
    "floors": Section(floors.SUMMARY, floors.run),
    "peers": Section(peers.SUMMARY, peers.run),
    "runaway": Section(runaway.SUMMARY, runaway.run),
    "startup": Section(startup.SUMMARY, startup.run),
    "walls": Section(walls.SUMMARY, walls.run),
}
DEFAULT = ("warm",)
"""Under three minutes together."""
