"""A trivial task on a cached dataset of a million edges, beside two hops that do nothing."""

from collections.abc import Sequence
from dataclasses import asdict
from functools import partial

from bench.client import Call, Load, drive, once
from bench.datasets import Edges
from bench.harness import Driven, Measured, Target, interleave
from bench.hosted import HOST, Hosted
from bench.plan import Plan
from bench.report import Measure, Table, figures
from bench.servers import Stage

SUMMARY = "warm call (trivial task, million-edge dataset) beside a two-hop no-op app; 1, 8 and 32 clients"

HOW = """\
The task returns 200 bytes and does not look at its dataset, which has a million edges and is in memory. The *no-op* is
an app of two Serve deployments, an ingress that passes the body to a worker that returns 200 bytes, under the same
launcher, flags and front. Each client sends its next call when it has the answer to the last one. Clients use raw
sockets, so that no HTTP library is measured. graphside checks token, flags and access, runs the task in a new process
that it then kills, and writes a receipt.

Without a pause between calls, a call waits for the work that the server does after the previous answer: it removes one
process and forks the next. With a pause of 50 ms (*at leisure*) a call finds a process that is ready."""

OURS = {"isolated": "graphside", "reused": "graphside, reused seats"}
"""Our servers, by their names in targets."""

OURS_BY_SERVER = {server: name for name, server in OURS.items()}

PAUSE_S = 0.05
EDGES = Edges("text", 1_000_000)
CLIENTS = (1, 8, 32)
JUDGED_CLIENTS = {"p50_ms": 1, "p99_ms": 1, "calls_per_s": 8}
WARM_UP_S = 0.7
TASK = "def task(g): return {'answer': 'x' * 187}"
"""A task whose answer is as long as the no-op's."""

_FIGURES = ("p50_ms", "p99_ms", "calls_per_s")
_COLUMNS = (
    "clients", "app", "p50 ms", "p99 ms", "calls/s", "p50 over no-op", "p99 over no-op", "calls/s over no-op",
)  # fmt: skip


def run(stage: Stage, plan: Plan) -> list[Table]:
    """Return two tables."""
    plan.tell("starting servers")
    noop, *ours = stage.running("no-op", *OURS.values())
    plan.tell(f"uploading {EDGES.rows:,} edges")
    targets = [Target(server_name, Hosted.of(stage, server, EDGES).call(TASK)) for server_name, server in
               zip(OURS.values(), ours, strict=True)]  # fmt: skip
    targets.append(Target("no-op", Call.post(HOST, noop.port, "/run", {})))
    for target in targets:
        once(target.call)
        for clients in CLIENTS:
            drive(target.call, clients, WARM_UP_S)
    measured = [interleave(targets, clients, plan.rounds, plan.seconds, plan.tell) for clients in CLIENTS]
    leisurely = [Driven(target.name, partial(_at_leisure, target.call)) for target in targets]
    return [
        _table(plan, measured),
        _leisurely(interleave(leisurely, 1, plan.rounds, plan.seconds, plan.tell)),
    ]


def _at_leisure(call: Call, clients: int, seconds: float) -> Load:
    return drive(call, clients, seconds, PAUSE_S)


def _leisurely(measured: Sequence[Measured]) -> Table:
    *ours, noop = measured
    figures_of = ("p50_ms", "p99_ms")
    rows = [
        (
            item.target,
            *figures([item.median(figure) for figure in figures_of]),
            *figures([item.over(noop, figure) for figure in figures_of], 2),
        )
        for item in (*ours, noop)
    ]
    measures = {f"warm.{OURS_BY_SERVER[item.target]}.leisure": Measure(item.over(noop, "p50_ms")) for item in ours}
    columns = ("app", "p50 ms", "p99 ms", "p50 over no-op", "p99 over no-op")
    notes = (f"One client, {PAUSE_S * 1000:g} ms between an answer and the next call; rounds as above.",)
    return Table("warm: the same at leisure", columns, tuple(rows), notes, list(map(asdict, measured)), measures)


def _table(plan: Plan, measured: Sequence[Sequence[Measured]]) -> Table:
    rows = []
    notes = [f"Medians of {plan.rounds} rounds of {plan.seconds:g} s, interleaved; ratios within a round."]
    measures = {}
    for *ours, noop in measured:
        for item in (*ours, noop):
            ratios = {figure: item.over(noop, figure) for figure in _FIGURES}
            numbers = figures([item.median(figure) for figure in _FIGURES])
            rows.append((str(item.clients), item.target, *numbers, *figures(list(ratios.values()), 2)))
            if item is noop:
                continue
            for figure, clients in JUDGED_CLIENTS.items():
                if item.clients == clients:
                    key = f"warm.{OURS_BY_SERVER[item.target]}.{figure.removesuffix('_ms')}"
                    measures[key] = Measure(ratios[figure])
            phases = ", ".join(f"{name} {value:.1f}" for name, value in item.phases_ms.items())
            notes.append(f"Of which, {item.target} with {item.clients} client(s), in the runner (median ms): {phases}.")
    data = [asdict(item) for items in measured for item in items]
    return Table("warm: a trivial task beside a million edges", _COLUMNS, tuple(rows), tuple(notes), data, measures)
