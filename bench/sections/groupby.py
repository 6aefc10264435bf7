"""A group-by in a task, beside the same code in a bare process that has the frame."""

import statistics

from bench.bare import BareProcess
from bench.datasets import Edges
from bench.hosted import Hosted
from bench.plan import Plan
from bench.report import Table, figures
from bench.servers import Stage
from bench.transfer import download

SUMMARY = "group-by on 1M and 10M edges beside the same code in a bare warm process"

HOW = """\
The task sums a float column by group, with a tenth as many groups as edges, and returns the three largest sums. The
comparison is the same source in a bare process that has the libraries and the frame in memory, has run it before and
sends nothing. Each of our runs is a new process, which touches the dataset's and the allocator's pages for the first
time."""

TASK = "def task(g): return g._edges.groupby('s')['w'].sum().nlargest(3).to_dict()"
SIZES = (Edges("text", 1_000_000), Edges("text", 10_000_000))

_COLUMNS = ("edges", "ms, whole call", "queue", "seat", "run", "encode", "rest", "ms, bare process", "call over bare")


def run(stage: Stage, plan: Plan) -> list[Table]:
    """Return one table."""
    (server,) = stage.running("graphside")
    rows, data = [], []
    rounds = plan.rounds if plan.is_long else 3
    for edges in SIZES:
        plan.tell(f"{edges.rows:,} edges")
        call = Hosted.of(stage, server, edges).call(TASK)
        with BareProcess() as bare:
            bare.do("load", file=str(edges.file(stage.folder)))
            bare.do("run", source=TASK)
            download(call)
            calls, bares = [], []
            for _ in range(rounds):
                calls.append(download(call))
                bares.append(bare.do("run", source=TASK)["run"])
        ratio = statistics.median(one.seconds / other for one, other in zip(calls, bares, strict=True))
        phases = [statistics.median(one.phases_ms[name] for one in calls) for name in _COLUMNS[2:7]]
        whole = statistics.median(one.seconds * 1000 for one in calls)
        numbers = figures([whole, *phases, statistics.median(bares) * 1000])
        rows.append((f"{edges.rows:,}", *numbers, *figures([ratio], 2)))
        data.append(
            {"edges": edges.rows, "calls": [{"s": one.seconds, **one.phases_ms} for one in calls], "bare_s": bares}
        )
    notes = (f"Medians of {rounds} calls of each, in turn. Phases in ms, from Server-Timing; rest is everything else.",)
    return [Table("groupby: in a task and in a bare process", _COLUMNS, tuple(rows), notes, data)]
