"""Rewound seats that users and datasets share: what each rule of sharing costs, beside forks."""

import asyncio
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa

from bench.harness import percentile
from bench.plan import Plan
from bench.report import Table, figures
from bench.sandboxes import Sandbox, store_table
from bench.servers import Stage
from runtime.datasets.store.local import LocalStore
from runtime.engines.base import DatasetSource
from runtime.sandbox.host.environment import template_environment
from runtime.sandbox.walls.isolation import choose_walls
from runtime.sandbox.walls.probe import examine

SUMMARY = "rewound seats shared by users and datasets in turn: same_user, any_user, beside forks (no HTTP)"

HOW = """\
Executors without HTTP or Ray, over the same stored datasets, run a trivial task. One has no rewound seats, one has two
a dataset for runs of the same user (`same_user`), one has two for everybody's (`any_user`). Users take turns without a
pause: one user, two, eight. Then one user goes through ten datasets, three runs on each, under a cache that has room
for the datasets and for four rewound seats. Processor time is that of all processes, those that were made and ended in
vain included."""

TASK = "def task(g): return len(g._edges)"
ROWS = 10_000
DATASETS = 10
RUNS_ON_EACH = 3
SEATS = 2

_MIB = 1024 * 1024
_KINDS = {
    "forks": {},
    "same_user": {"rewound": SEATS, "rewound_between": "same_user"},
    "any_user": {"rewound": SEATS, "rewound_between": "any_user"},
}


@dataclass(slots=True)
class Series:
    """One executor in one case. ``ms``: the wall time of each run. ``cpu_ms``: CPU time of a run, for each round."""

    kind: str
    case: str
    ms: list[float] = field(default_factory=list)
    cpu_ms: list[float] = field(default_factory=list)
    made: int = 0


Run = tuple[DatasetSource, str]
"""A dataset, and the user who runs the task on it."""


def run(stage: Stage, plan: Plan) -> list[Table]:
    """Return one table. No server of ours runs meanwhile."""
    stage.stop_all()
    with tempfile.TemporaryDirectory(prefix="graphside-sharing-") as folder:
        Path(folder).chmod(0o711)
        series = asyncio.run(_measure(plan, Path(folder)))
    return [_table(plan, series)]


async def _measure(plan: Plan, folder: Path) -> list[Series]:
    walls = choose_walls("minimal", examine(template_environment()), is_root=True)
    store = LocalStore(folder)
    store.prepare()
    folder.chmod(0o711)
    random = np.random.default_rng(7)
    columns = {name: pa.array(random.integers(0, ROWS // 10, ROWS)) for name in ("s", "d")}
    sources = [store_table(store, pa.table(columns)) for _ in range(DATASETS)]
    cases: dict[str, Callable[[], list[Run]]] = {
        "one user": lambda: [(sources[0], "1")] * 200,
        "two users in turn": lambda: [(sources[0], str(number % 2)) for number in range(200)],
        "eight users in turn": lambda: [(sources[0], str(number % 8)) for number in range(200)],
        "ten datasets in turn": lambda: [(one, "1") for one in sources for _ in range(RUNS_ON_EACH)] * 3,
    }
    # Ten datasets and their holders take about 110 MiB. A quarter of the rest may be rewound seats.
    cache_bytes = 512 * _MIB
    async with AsyncExitStack() as stack:
        sandboxes = []
        for kind, settings in _KINDS.items():
            plan.tell(f"starting: {kind}")
            opened = await Sandbox.open(
                kind, walls, folder / "scratch", store, 2, cache_bytes=cache_bytes, reused=0, **settings
            )
            stack.push_async_callback(opened.close)
            sandboxes.append(opened)
        found: list[Series] = []
        for case, runs in cases.items():
            series = [Series(one.name, case) for one in sandboxes]
            for number in range(plan.rounds):
                pairs = list(zip(sandboxes, series, strict=True))
                for sandbox, one in pairs if number % 2 == 0 else reversed(pairs):
                    await _round(sandbox, one, runs())
                plan.tell(f"{case}: round {number + 1} of {plan.rounds}")
            found += series
        return found


async def _round(sandbox: Sandbox, series: Series, runs: Sequence[Run]) -> None:
    before = sandbox.cpu_s()
    places = sandbox.executor.engine.rewound
    made = 0 if places is None else places.counts.made
    for source, user in runs:
        started = time.perf_counter()
        await sandbox.call(source, TASK, user)
        series.ms.append((time.perf_counter() - started) * 1000)
    series.cpu_ms.append((sandbox.cpu_s() - before) / len(runs) * 1000)
    series.made += 0 if places is None else places.counts.made - made


def _table(plan: Plan, series: Sequence[Series]) -> Table:
    rows = []
    for one in series:
        (forks,) = (other for other in series if other.kind == "forks" and other.case == one.case)
        cpu = statistics.median(own / other for own, other in zip(one.cpu_ms, forks.cpu_ms, strict=True))
        p50 = [percentile(which.ms, 0.5) for which in (one, forks)]
        numbers = (p50[0], percentile(one.ms, 0.99), statistics.median(one.cpu_ms), p50[0] / p50[1], cpu)
        rows.append((one.case, one.kind, *figures(numbers, 2), str(one.made)))
    columns = ("case", "seats", "p50 ms", "p99 ms", "CPU ms a run", "p50 over forks", "CPU over forks", "seats made")
    notes = (f"{plan.rounds} rounds of each executor in turn; ratios of CPU within a round.",)
    return Table("sharing: rewound seats in turn", columns, tuple(rows), notes, [asdict(one) for one in series])
