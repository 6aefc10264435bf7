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

SUMMARY = "warm calls on a million edges, by kind of seat, beside a two-hop no-op app; 1, 8 and 32 clients"

HOW = """\
The task returns 200 bytes and does not look at its dataset, which has a million edges and is in memory. The *no-op* is
an app of two Serve deployments, an ingress that passes the body to a worker that returns 200 bytes, under the same
launcher, flags and front. Each client sends its next call when it has the answer to the last one. Clients use raw
sockets, so that no HTTP library is measured. graphside checks token, flags and access, runs the task, and writes a
receipt. Four servers of ours differ in the process that runs the task, its *seat*: *forked* when the call comes and
killed after it; forked before, so that it *waits* for the call, and killed after it; *rewound*, which is restored byte
for byte after the run and serves the user's next one; *reused*, which serves the user's next run as it is. All but the
last isolate runs from each other. Two servers of ours run at a time, beside a no-op of their own.

Without a pause between calls, a call waits for the work that the server does after the previous answer: it removes one
process and forks the next, or restores one. With a pause of 50 ms (*at leisure*) a call finds a process that is
ready."""

OURS = {
    "rewound": "graphside, rewound seats",
    "reused": "graphside, reused seats",
    "isolated": "graphside, forked seats that wait",
    "forked": "graphside, forked seats",
}
"""Our servers, by their names in targets."""

OURS_BY_SERVER = {server: name for name, server in OURS.items()}

TOGETHER = (("rewound", "reused"), ("isolated", "forked"))
"""The servers that run at the same time. More of them would disturb each other."""

PAUSE_S = 0.05
EDGES = Edges("text", 1_000_000)
CLIENTS = (1, 8, 32)
JUDGED = {
    "p50": ("p50_ms", 1),
    "p99": ("p99_ms", 1),
    "calls_per_s": ("calls_per_s", 8),
    "calls_per_s_32": ("calls_per_s", 32),
}
"""The figures that targets are about, by their names there, each with its number of clients."""

WARM_UP_S = 0.7
TASK = "def task(g): return {'answer': 'x' * 187}"
"""A task whose answer is as long as the no-op's."""

LONGER = {
    "group-by": "def task(g): return g._edges.groupby('s')['w'].sum().nlargest(10).to_dict()",
    "100 MB": "import numpy as np\ndef task(g): return float(np.ones(13_107_200).sum())",
}
"""Tasks that take longer: one reads a million edges, one allocates 100 MiB."""

_LATENCIES = ("p50_ms", "p99_ms")
_FIGURES = (*_LATENCIES, "calls_per_s")
_COLUMNS = (
    "clients", "app", "p50 ms", "p99 ms", "calls/s", "p50 over no-op", "p99 over no-op", "calls/s over no-op",
)  # fmt: skip


def run(stage: Stage, plan: Plan) -> list[Table]:
    """Return three tables."""
    trivial: list[list[Measured]] = []
    leisurely: list[list[Measured]] = []
    longer: list[tuple[str, list[Measured]]] = []
    for names in TOGETHER:
        plan.tell(f"starting servers: {' and '.join(names)}")
        noop, *ours = stage.running("no-op", *(OURS[name] for name in names))
        plan.tell(f"uploading {EDGES.rows:,} edges")
        hosted = {OURS[name]: Hosted.of(stage, server, EDGES) for name, server in zip(names, ours, strict=True)}
        empty = Target("no-op", Call.post(HOST, noop.port, "/run", {}))
        targets = [*(Target(name, one.call(TASK)) for name, one in hosted.items()), empty]
        for target in targets:
            _warm_up(target, CLIENTS)
        trivial += [interleave(targets, clients, plan.rounds, plan.seconds, plan.tell) for clients in CLIENTS]
        paused = [Driven(target.name, partial(_at_leisure, target.call)) for target in targets]
        leisurely.append(interleave(paused, 1, plan.rounds, plan.seconds, plan.tell))
        for task, code in LONGER.items():
            targets = [*(Target(name, one.call(code)) for name, one in hosted.items()), empty]
            for target in targets:
                _warm_up(target, (1,))
            longer.append((task, interleave(targets, 1, plan.rounds, plan.seconds, plan.tell)))
    trivial.sort(key=lambda measured: measured[0].clients)
    longer.sort(key=lambda measured: list(LONGER).index(measured[0]))
    return [_table(plan, trivial), _leisurely(leisurely), _longer(longer)]


def _warm_up(target: Target, clients: Sequence[int]) -> None:
    once(target.call)
    for number in clients:
        drive(target.call, number, WARM_UP_S)


def _at_leisure(call: Call, clients: int, seconds: float) -> Load:
    return drive(call, clients, seconds, PAUSE_S)


def _leisurely(measured: Sequence[Sequence[Measured]]) -> Table:
    rows: list[tuple[str, ...]] = []
    measures: dict[str, Measure] = {}
    for *ours, noop in measured:
        for item in (*ours, noop):
            rows.append(
                (
                    item.target,
                    *figures([item.median(figure) for figure in _LATENCIES]),
                    *figures([item.over(noop, figure) for figure in _LATENCIES], 2),
                )
            )
        measures |= {f"warm.{OURS_BY_SERVER[item.target]}.leisure": Measure(item.over(noop, "p50_ms")) for item in ours}
    columns = ("app", "p50 ms", "p99 ms", "p50 over no-op", "p99 over no-op")
    notes = (f"One client, {PAUSE_S * 1000:g} ms between an answer and the next call; rounds as above.",)
    data = [asdict(item) for items in measured for item in items]
    return Table("warm: the same at leisure", columns, tuple(rows), notes, data, measures)


def _longer(measured: Sequence[tuple[str, Sequence[Measured]]]) -> Table:
    rows = [
        (task, item.target, *figures([item.median(figure) for figure in _LATENCIES]))
        for task, (*ours, _) in measured
        for item in ours
    ]
    data = [{"task": task, **asdict(item)} for task, items in measured for item in items]
    notes = ("One client without a pause.",)
    return Table("warm: longer tasks by kind of seat", ("task", "app", "p50 ms", "p99 ms"), tuple(rows), notes, data)


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
            for name, (figure, clients) in JUDGED.items():
                if item.clients == clients:
                    measures[f"warm.{OURS_BY_SERVER[item.target]}.{name}"] = Measure(ratios[figure])
            phases = ", ".join(f"{name} {value:.1f}" for name, value in item.phases_ms.items())
            notes.append(f"Of which, {item.target} with {item.clients} client(s), in the runner (median ms): {phases}.")
    data = [asdict(item) for items in measured for item in items]
    return Table("warm: a trivial task beside a million edges", _COLUMNS, tuple(rows), tuple(notes), data, measures)
