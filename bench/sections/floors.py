"""Lower bounds: answers and processes that do nothing."""

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from itertools import chain
from pathlib import Path

import numpy as np
import pyarrow as pa

from bench.client import BadAnswer, Call, drive, once
from bench.harness import Measured, Target, interleave, percentile
from bench.peers.held import Held
from bench.plan import Plan
from bench.report import Table, figures
from bench.servers import ROOT, Stage
from deployments.launch.machine.ports import pick
from runtime.datasets.tables import canonical, write_canonical
from runtime.sandbox.host.environment import template_environment

SUMMARY = "a no-op by uvicorn, by one and by two hops of Ray Serve; fork and exit of processes like ours"

HOW = """\
Three apps return 200 bytes: FastAPI under uvicorn in one process; a Ray Serve ingress that answers by itself; an
ingress that asks a second deployment. The Serve apps run under our server's flags, behind the same HAProxy.
The table of processes shows the time from fork until the child, which ends at once, is reaped: for an interpreter
that has imported nothing, for our template (all libraries imported, its heap on huge pages), and for a process forked
from it that holds 1 GB of edges."""

CLIENTS = (1, 8)
ROUND_S = 0.6
WARM_UP_S = 0.5
KINDS = ("bare", "template", "holder")
HOLDER_EDGES = 41_700_000
"""Rows of two int64 and a float64 that fill 1 GB."""

CHILDREN = 40
"""Children in a round."""

_NAMES = {"bare": "an interpreter", "template": "template", "holder": "holder of 1 GB"}
_START_S = 60.0
_FIGURES = ("p50_ms", "p99_ms", "calls_per_s")


def run(stage: Stage, plan: Plan) -> list[Table]:
    """Return two tables. Forks are measured while no server runs."""
    stage.stop_all()
    forks = _forks(stage.folder, plan)
    return [_no_ops(stage, plan), forks]


def _no_ops(stage: Stage, plan: Plan) -> Table:
    plan.tell("starting no-ops")
    port = pick()
    app = ["-m", "uvicorn", "bench.apps.noop_uvicorn:api", "--host", "127.0.0.1", "--port", str(port)]
    command = [sys.executable, *app, "--log-level", "warning"]
    with ExitStack() as stack:
        bare = Held.start(command, {}, stage.folder / "uvicorn.log")
        stack.callback(bare.stop)
        one, two = stage.running("one-hop no-op", "no-op")
        ports = {"uvicorn": port, "Ray Serve, one hop": one.port, "Ray Serve, two hops": two.port}
        targets = [Target(name, Call.post("127.0.0.1", port, "/run", {})) for name, port in ports.items()]
        bare.wait(lambda: _answers(targets[0].call), _START_S)
        for target in targets:
            once(target.call)
            for clients in CLIENTS:
                drive(target.call, clients, WARM_UP_S)
        measured = [interleave(targets, clients, plan.rounds, ROUND_S, plan.tell) for clients in CLIENTS]
    rows = []
    for items in measured:
        for item in items:
            numbers = figures([item.median(name) for name in _FIGURES], 2)
            ratios = figures([item.over(items[0], name) for name in _FIGURES], 2)
            rows.append((str(item.clients), item.target, *numbers, *ratios))
    notes = (f"Medians of {plan.rounds} rounds of {ROUND_S:g} s, interleaved; ratios within a round.",)
    columns = (
        "clients", "no-op", "p50 ms", "p99 ms", "calls/s", "p50 over uvicorn", "p99 over uvicorn",
        "calls/s over uvicorn",
    )  # fmt: skip
    return Table("floors: answers that do nothing", columns, tuple(rows), notes, _data(measured))


def _data(measured: Sequence[Sequence[Measured]]) -> list[object]:
    return [asdict(item) for items in measured for item in items]


def _answers(call: Call) -> bool:
    try:
        once(call)
    except (OSError, BadAnswer):
        return False
    return True


@dataclass(slots=True)
class Forked:
    """Children of one kind of process, in microseconds, in the order of rounds."""

    kind: str
    wall_us: list[list[float]] = field(default_factory=list)
    cpu_us: list[list[float]] = field(default_factory=list)
    page_table_kb: int = 0

    def over(self, reference: "Forked") -> float:
        """Return the median of the ratios of each round's median to the reference's beside it."""
        pairs = zip(self.wall_us, reference.wall_us, strict=True)
        return statistics.median(statistics.median(own) / statistics.median(other) for own, other in pairs)


def _forks(folder: Path, plan: Plan) -> Table:
    plan.tell("starting processes that fork")
    table = folder / "holder.arrow"
    _write_edges(table, HOLDER_EDGES)
    series = [Forked(kind) for kind in KINDS]
    try:
        with ExitStack() as stack:
            processes = [stack.enter_context(_forking(kind, table)) for kind in KINDS]
            for process in processes:
                _line(process)  # ready
            pairs = list(zip(series, processes, strict=True))
            for number in range(plan.rounds):
                for one, process in pairs if number % 2 == 0 else reversed(pairs):
                    assert process.stdin is not None
                    process.stdin.write(f"{CHILDREN}\n".encode())
                    process.stdin.flush()
                    told = _line(process)
                    one.wall_us.append(told["wall_us"])
                    one.cpu_us.append(told["cpu_us"])
                    one.page_table_kb = told["page_table_kb"]
                plan.tell(f"forks: round {number + 1} of {plan.rounds}")
    finally:
        table.unlink()
    return _fork_table(series, plan)


@contextmanager
def _forking(kind: str, table: Path) -> Iterator[subprocess.Popen[bytes]]:
    environment = {**template_environment(), "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [sys.executable, "-m", "bench.apps.forks", kind, str(table)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT, env=environment,
    ) as process:  # fmt: skip
        yield process  # it ends when its input does


def _line(process: subprocess.Popen[bytes]) -> dict:  # type: ignore[type-arg]
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise BadAnswer("a process that forks has ended; what it said is above")
    return dict(json.loads(line))


def _fork_table(series: Sequence[Forked], plan: Plan) -> Table:
    rows = []
    for one in series:
        wall, cpu = (list(chain.from_iterable(rounds)) for rounds in (one.wall_us, one.cpu_us))
        numbers = [percentile(wall, 0.5) / 1000, percentile(wall, 0.99) / 1000, statistics.mean(cpu) / 1000]
        ratio = figures([one.over(series[1])], 2)
        rows.append((_NAMES[one.kind], *figures(numbers, 2), *ratio, str(one.page_table_kb)))
    notes = (f"{plan.rounds * CHILDREN} children each, in turns of {CHILDREN}; CPU is the parent's and the child's.",)
    columns = ("process", "p50 ms", "p99 ms", "CPU ms", "p50 over template", "its page tables, kB")
    data = [asdict(one) for one in series]
    return Table("floors: fork and exit", columns, tuple(rows), notes, data)


def _write_edges(path: Path, count: int) -> None:
    """Write edges as a stored table has them."""
    random = np.random.default_rng(7)
    ids = {name: pa.array(random.integers(0, count // 10, count)) for name in ("s", "d")}
    table = pa.table({**ids, "w": pa.array(random.random(count))})
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        write_canonical(canonical(table), descriptor)
    finally:
        os.close(descriptor)
