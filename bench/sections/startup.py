"""The time from the command to the first answer, on a data directory that has been used before."""

import statistics

from bench.plan import Plan
from bench.report import Table, figures
from bench.servers import Stage

SUMMARY = "second start of the server beside the start of a no-op app; one at a time"

NAMES = ("graphside", "no-op")


def run(stage: Stage, plan: Plan) -> list[Table]:
    """Return one table. No other server of ours runs meanwhile."""
    stage.stop_all()
    seconds: dict[str, list[float]] = {name: [] for name in NAMES}
    for name in NAMES:
        if stage.server(name).starts == 0:
            plan.tell(f"first start of {name}")
            _start(stage, name)
    for number in range(plan.starts):
        for name in NAMES:
            seconds[name].append(_start(stage, name))
            plan.tell(f"start {number + 1} of {plan.starts}: {name} {seconds[name][-1]:.1f} s")
    ratios = [ours / noop for ours, noop in zip(seconds["graphside"], seconds["no-op"], strict=True)]
    rows = [
        (name, *figures([statistics.median(seconds[name])]), *figures([ratio], 2))
        for name, ratio in (("graphside", statistics.median(ratios)), ("no-op", 1.0))
    ]
    notes = (f"Medians of {plan.starts} starts each, alternating, from the command to the first answer of /readyz.",)
    return [Table("startup: on a data directory in use", ("app", "seconds", "over no-op"), tuple(rows), notes, seconds)]


def _start(stage: Stage, name: str) -> float:
    server = stage.server(name)
    server.spawn()
    try:
        return server.wait_ready()
    finally:
        server.stop()
