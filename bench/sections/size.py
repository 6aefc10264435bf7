"""A warm call on a small and on a large dataset."""

import statistics
import time
from concurrent.futures import ThreadPoolExecutor

from bench.client import drive, once
from bench.datasets import Edges, NoRoom, require_memory
from bench.harness import Target, interleave
from bench.hosted import Hosted
from bench.plan import Plan
from bench.processes import own_bytes, replica, seats_of
from bench.report import Measure, Table, figures
from bench.servers import Server, Stage

SUMMARY = "warm call on a dataset of 4 GB (short: 1 GB) beside 1 MB; memory of one more concurrent run"

HOW = """\
The trivial call goes to two datasets of one server in turn. The second table shows the memory of one more run: four
runs on a dataset of 1 GB look at the length of their frame and then stay. The table has the memory that each of them
does not share (`Private_Clean`, `Private_Dirty` and page tables). The sum of all processes' proportional shares (`Pss`)
grows by as much with one more run."""

TASK = "def task(g): return len(g._edges)"
SMALL = Edges.of_bytes("numbers", 1_000_000)
LARGE = Edges.of_bytes("numbers", 4_000_000_000)
MIDDLE = Edges.of_bytes("numbers", 1_000_000_000)
RUNS = 4
"""Concurrent runs: as many as any machine of ours runs, and more than there are spares, so each is one more process."""

_STAY_S = 2.5
_BEGIN_S = 1.0
"""The time for the last process's task to begin."""


def run(stage: Stage, plan: Plan) -> list[Table]:
    """Return one table, or two."""
    (server,) = stage.running("graphside")
    large = LARGE if plan.is_long else MIDDLE
    notes = []
    if plan.is_long:
        try:
            require_memory(2 * LARGE.byte_count)
            LARGE.file(stage.folder)
        except NoRoom as reason:
            large = MIDDLE
            notes.append(f"4 GB: left out, {reason}.")
    return [_p50(stage, plan, server, large, notes), _memory(stage, plan, server)]


def _p50(stage: Stage, plan: Plan, server: Server, large: Edges, notes: list[str]) -> Table:
    targets = []
    for edges in (SMALL, large):
        name = f"{edges.byte_count / 1e6:,.0f} MB"
        plan.tell(f"uploading {name}")
        targets.append(Target(name, Hosted.of(stage, server, edges).call(TASK)))
        once(targets[-1].call)
        drive(targets[-1].call, 1, 1.0)
    small_measured, large_measured = interleave(targets, 1, plan.rounds, plan.seconds, plan.tell)
    rows = []
    for one in (small_measured, large_measured):
        numbers = figures([one.median(name) for name in ("p50_ms", "p99_ms")])
        rows.append((one.target, *numbers, *figures([one.over(small_measured, "p50_ms")], 2)))
    ratio = large_measured.over(small_measured, "p50_ms")
    measure = Measure(ratio, "" if large is LARGE else large_measured.target)
    notes = [f"Medians of {plan.rounds} rounds of {plan.seconds:g} s, in turn; ratios within a round.", *notes]
    columns = ("dataset", "p50 ms", "p99 ms", "p50 over the small one")
    return Table("size: warm call", columns, tuple(rows), tuple(notes), measures={"size.p50": measure})


def _memory(stage: Stage, plan: Plan, server: Server) -> Table:
    plan.tell("memory of concurrent runs")
    hosted = Hosted.of(stage, server, MIDDLE)
    stay = hosted.call(
        f"def task(g):\n    import time\n    count = len(g._edges)\n    time.sleep({_STAY_S})\n    return count"
    )
    columns = ("run", "MB that only it has")
    title = "size: memory of one more run, 1 GB dataset"
    with ThreadPoolExecutor(RUNS) as pool:
        running = [pool.submit(once, stay) for _ in range(RUNS)]
        try:
            seats = seats_of(replica(server, "Runner"), server.data / "objects", MIDDLE.byte_count, RUNS)
            time.sleep(_BEGIN_S)
            own = [own_bytes(one) / 1e6 for one in seats]
        except PermissionError:
            own = []
        for one in running:
            one.result()
    if not own:
        return Table(title, columns, (), ("Left out: only root may look at the memory of others' processes.",))
    rows = [(str(number), *figures([each], 2)) for number, each in enumerate(own, start=1)]
    return Table(title, columns, tuple(rows), data=own, measures={"size.run_memory": Measure(statistics.median(own))})
