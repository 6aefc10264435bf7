"""The cost of the walls around a run: each wall alone and all together, beside none, in interleaved rounds."""

import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa

from bench.plan import Plan
from bench.report import Table, figures
from bench.sandboxes import Sandbox, store_table
from bench.servers import ROOT, Stage
from runtime.datasets.store.local import LocalStore
from runtime.engines.base import DatasetSource
from runtime.sandbox.host.environment import template_environment
from runtime.sandbox.walls.enclosure import NONE, Walls
from runtime.sandbox.walls.isolation import choose_walls
from runtime.sandbox.walls.probe import examine

SUMMARY = "a run in the sandbox (no HTTP) behind no wall, each wall, all walls; small and 1 GB dataset"

TASK = "def task(g): return len(g._edges)"
EDGES = {"small": 1_000, "1 GB": 41_700_000}
CYCLES = 40
"""Cycles in a round. Each is one call to every kind in turn."""

CPU_CALLS = 20
"""Calls to each kind in a round, one after the other, to measure processor time."""

PAUSE_S = 0.01
"""The pause before each call, so that the work that the last one left is done."""

BUDGET_MS = 1.0
"""The time that all walls may add to the p50 of a warm call."""

_STEP_CHILDREN = 200


@dataclass(slots=True)
class Series:
    """One kind of sandbox on one dataset.

    ``spare_ms``: each call for which a seat waited. ``forked_ms``: each call for which a seat was forked. ``cpu_ms``:
    CPU time of a run, for each round. All in milliseconds.
    """

    walls: str
    dataset: str
    spare_ms: list[float] = field(default_factory=list)
    forked_ms: list[float] = field(default_factory=list)
    cpu_ms: list[float] = field(default_factory=list)

    def over(self, reference: "Series", name: str) -> tuple[float, float]:
        """Return the median difference and ratio of each call to the reference's call in the same cycle."""
        pairs = list(zip(getattr(self, name), getattr(reference, name), strict=True))
        return statistics.median(own - other for own, other in pairs), statistics.median(a / b for a, b in pairs)


def run(stage: Stage, plan: Plan) -> list[Table]:
    """Return two tables. No server of ours runs meanwhile."""
    stage.stop_all()
    standing = choose_walls("minimal", examine(template_environment()), is_root=True)
    with tempfile.TemporaryDirectory(prefix="graphside-walls-") as folder:
        Path(folder).chmod(0o711)
        series = asyncio.run(_measure(plan, Path(folder), standing))
    return [_table(plan, series, standing), _steps(standing)]


def _kinds(standing: Walls) -> dict[str, Walls]:
    told = standing.to_wire()
    alone = {name: Walls(**{name: value}) for name, value in told.items() if value}
    return {"none": NONE, **alone, "all": standing}


async def _measure(plan: Plan, folder: Path, standing: Walls) -> list[Series]:
    store = LocalStore(folder)
    store.prepare()
    folder.chmod(0o711)
    datasets = {}
    for name, count in EDGES.items():
        plan.tell(f"storing the {name} dataset")
        datasets[name] = store_table(store, _edges(count))
    async with AsyncExitStack() as stack:
        waiting: list[Sandbox] = []
        forking: list[Sandbox] = []
        for name, walls in _kinds(standing).items():
            plan.tell(f"starting templates: {name}")
            for spares, sandboxes in ((2, waiting), (0, forking)):
                opened = await Sandbox.open(name, walls, folder / "scratch", store, spares)
                stack.push_async_callback(opened.close)
                sandboxes.append(opened)
        return [
            one
            for dataset, source in datasets.items()
            for one in await _on(dataset, source, list(zip(waiting, forking, strict=True)), plan)
        ]


async def _on(
    dataset: str, source: DatasetSource, pairs: Sequence[tuple[Sandbox, Sandbox]], plan: Plan
) -> list[Series]:
    """Measure one dataset. Every sandbox holds it for the whole time."""
    kinds = []
    for waiting, forking in pairs:
        own = (waiting.own(source), forking.own(source))
        for sandbox, held in zip((waiting, forking), own, strict=True):
            await _calls(sandbox, held, 3)
        kinds.append((Series(waiting.name, dataset), waiting, forking, own))
    for number in range(plan.rounds):
        for cycle in range(CYCLES):
            for series, waiting, forking, (warm, cold) in kinds if cycle % 2 == 0 else reversed(kinds):
                series.spare_ms += await _calls(waiting, warm, 1)
                series.forked_ms += await _calls(forking, cold, 1)
        for series, _, forking, (_, cold) in kinds if number % 2 == 0 else reversed(kinds):
            before = forking.cpu_s()
            await _calls(forking, cold, CPU_CALLS, pause_s=0)
            series.cpu_ms.append((forking.cpu_s() - before) / CPU_CALLS * 1000)
        plan.tell(f"{dataset}: round {number + 1} of {plan.rounds}")
    for _, waiting, forking, (warm, cold) in kinds:
        await waiting.executor.evict(warm.dataset_id)
        await forking.executor.evict(cold.dataset_id)
    return [series for series, *_ in kinds]


async def _calls(sandbox: Sandbox, source: DatasetSource, count: int, pause_s: float = PAUSE_S) -> list[float]:
    """Return the milliseconds of each call."""
    taken = []
    for _ in range(count):
        await asyncio.sleep(pause_s)
        started = time.perf_counter()
        await sandbox.call(source, TASK)
        taken.append((time.perf_counter() - started) * 1000)
    return taken


def _edges(count: int) -> pa.Table:
    random = np.random.default_rng(7)
    ids = {name: pa.array(random.integers(0, max(10, count // 10), count)) for name in ("s", "d")}
    return pa.table({**ids, "w": pa.array(random.random(count))})


_COLUMNS = (
    "walls", "dataset", "p50 ms, spare seat", "more than none", "over none", "p50 ms, forked for it", "more than none",
    "over none", "CPU ms a run", "more than none",
)  # fmt: skip


def _table(plan: Plan, series: Sequence[Series], standing: Walls) -> Table:
    rows = []
    notes = [
        f"Medians of {plan.rounds * CYCLES} calls of each kind, in turn; differences and ratios within a turn. Limits, "
        "closed descriptors, no_new_privs and dropped capabilities are part of every kind, none too.",
        "Not standing here: " + (", ".join(name for name, on in standing.to_wire().items() if not on) or "none") + ".",
    ]
    for one in series:
        (none,) = (other for other in series if other.walls == "none" and other.dataset == one.dataset)
        spare, forked, cpu = (one.over(none, name) for name in ("spare_ms", "forked_ms", "cpu_ms"))
        medians = [statistics.median(getattr(one, name)) for name in ("spare_ms", "forked_ms", "cpu_ms")]
        numbers = (medians[0], *spare, medians[1], *forked, medians[2], cpu[0])
        rows.append((one.walls, one.dataset, *figures(numbers, 2)))
        if one.walls == "all":
            verdict = "within" if spare[0] <= BUDGET_MS else "MORE than"
            notes.append(f"All walls add {spare[0]:.2f} ms to a warm call ({one.dataset}): {verdict} {BUDGET_MS:g} ms.")
    return Table("walls: what they add to a run", _COLUMNS, tuple(rows), tuple(notes), [asdict(one) for one in series])


def _steps(standing: Walls) -> Table:
    arguments = ["-m", "bench.apps.wall_steps", str(_STEP_CHILDREN), json.dumps(standing.to_wire())]
    ended = subprocess.run([sys.executable, *arguments], cwd=ROOT, capture_output=True, check=True)
    told: dict[str, list[float]] = json.loads(ended.stdout)
    rows = [(name, *figures([statistics.median(taken) / 1000], 3)) for name, taken in told.items()]
    notes = (f"Medians of {_STEP_CHILDREN} processes; off the path of a call for which a spare seat waits.",)
    return Table("walls: what each step of putting them up takes", ("step", "ms"), tuple(rows), notes, told)
