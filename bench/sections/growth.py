"""The cost of a call as one thing grows: the dataset, the clients, the cached datasets or the result."""

import statistics
from collections.abc import Callable

import psutil

from bench.client import Call, drive, once
from bench.datasets import Edges, NoRoom, require_memory
from bench.harness import percentile
from bench.hosted import Hosted
from bench.plan import Plan
from bench.plots import Curve, Plot
from bench.processes import below, proportional_bytes, replica
from bench.report import Table, figures
from bench.servers import Server, Stage
from bench.transfer import download

SUMMARY = "cost of a call against dataset size, concurrency, number of cached datasets, result size; plotted"

HOW = """\
One thing grows and everything else stays the same: a trivial task on a dataset of a million edges, and one client. The
dataset grows to 4 GB (in short runs 100 MB). The clients grow to 64. The cached datasets, of a thousand edges each,
grow to 500 (short: 40); calls go to each in turn, and for most of them no spare process waits. The result grows from a
kilobyte to 500 MB of text (short: 50 MB), which the client reads and drops."""

TASK = "def task(g): return len(g._edges)"
EDGES = Edges("text", 1_000_000)
TINY = Edges("numbers", 1_000)
CLIENTS = (1, 2, 4, 8, 16, 32, 64)

_DATASET_MB = (1, 10, 100, 1000, 4000)
_RESULT_BYTES = (10**3, 10**4, 10**5, 10**6, 10**7, 5 * 10**7, 10**8, 5 * 10**8)
_CACHED = (1, 10, 40, 100, 200, 500)


def run(stage: Stage, plan: Plan) -> list[Table]:
    """Return four tables, each with a plot."""
    (server,) = stage.running("graphside")
    parts: tuple[Callable[[Stage, Plan, Server], Table], ...] = (_datasets, _clients, _results, _cached)
    return [part(stage, plan, server) for part in parts]


def _datasets(stage: Stage, plan: Plan, server: Server) -> Table:
    rows, points, notes = [], [], []
    for megabytes in _DATASET_MB if plan.is_long else _DATASET_MB[:3]:
        plan.tell(f"dataset of {megabytes} MB")
        edges = Edges.of_bytes("numbers", megabytes * 10**6)
        try:
            require_memory(2 * edges.byte_count)
            call = Hosted.of(stage, server, edges).call(TASK)
        except NoRoom as reason:
            notes.append(f"{megabytes} MB: left out, {reason}.")
            continue
        once(call)
        drive(call, 1, plan.seconds / 2)
        latencies = drive(call, 1, 2 * plan.seconds).latencies_s
        p50, p99 = (percentile(latencies, share) * 1000 for share in (0.5, 0.99))
        rows.append((f"{megabytes:,}", *figures([p50, p99])))
        points.append((float(megabytes), p50))
    plot = Plot(
        "growth-dataset", "Warm call against size of the dataset", "MB", "p50 ms", (Curve("p50", tuple(points)),), "x"
    )
    return Table("growth: size of the dataset", ("MB", "p50 ms", "p99 ms"), tuple(rows), tuple(notes), plots=(plot,))


def _clients(stage: Stage, plan: Plan, server: Server) -> Table:
    call = Hosted.of(stage, server, EDGES).call(TASK)
    once(call)
    rows, latency, rate = [], [], []
    for clients in CLIENTS:
        plan.tell(f"{clients} clients")
        load = drive(call, clients, 2 * plan.seconds)
        p50, p99 = (percentile(load.latencies_s, share) * 1000 for share in (0.5, 0.99))
        rows.append((str(clients), *figures([p50, p99, load.calls_per_s])))
        latency.append((float(clients), p50))
        rate.append((float(clients), load.calls_per_s))
    plots = (
        Plot("growth-clients", "Latency against clients", "clients", "p50 ms", (Curve("p50", tuple(latency)),), "xy"),
        Plot("growth-rate", "Throughput against clients", "clients", "calls/s", (Curve("calls/s", tuple(rate)),), "x"),
    )
    return Table("growth: clients", ("clients", "p50 ms", "p99 ms", "calls/s"), tuple(rows), plots=plots)


def _results(stage: Stage, plan: Plan, server: Server) -> Table:
    hosted = Hosted.of(stage, server, EDGES)
    rows, points = [], []
    for byte_count in _RESULT_BYTES if plan.is_long else _RESULT_BYTES[:6]:
        plan.tell(f"result of {byte_count:,} bytes")
        call = hosted.call(f"def task(g): return 'x' * {byte_count}")
        download(call)
        rounds = 20 if byte_count <= 10**6 else 3
        ms = statistics.median(download(call).seconds for _ in range(rounds)) * 1000
        rows.append((f"{byte_count:,}", *figures([ms, byte_count / 1e6 / (ms / 1000)])))
        points.append((float(byte_count), ms))
    plot = Plot(
        "growth-result", "Call against size of the result", "bytes", "ms", (Curve("whole call", tuple(points)),), "xy"
    )
    return Table("growth: size of the result", ("bytes of text", "ms, whole call", "MB/s"), tuple(rows), plots=(plot,))


def _cached(stage: Stage, plan: Plan, server: Server) -> Table:
    runner = replica(server, "Runner")
    calls: list[Call] = []
    rows, first_points, again_points = [], [], []
    for count in _CACHED if plan.is_long else _CACHED[:3]:
        plan.tell(f"{count} cached datasets")
        first = []
        while len(calls) < count:
            calls.append(Hosted.of(stage, server, TINY, len(calls)).call(TASK))
            first.append(download(calls[-1]).seconds * 1000)
        again = [download(call).seconds * 1000 for call in (calls * 20)[: max(20, count)]]
        hot = percentile(drive(calls[0], 1, plan.seconds).latencies_s, 0.5) * 1000
        memory = _memory_mb(runner)
        numbers = figures([statistics.median(first), statistics.median(again), hot])
        rows.append((str(count), *numbers, "" if memory is None else f"{memory:.0f}"))
        first_points.append((float(count), statistics.median(first)))
        again_points.append((float(count), statistics.median(again)))
    curves = (Curve("first call", tuple(first_points)), Curve("each in turn", tuple(again_points)))
    plot = Plot("growth-cached", "Call against number of cached datasets", "cached datasets", "p50 ms", curves, "x")
    columns = (
        "cached datasets",
        "ms, first call",
        "ms, each in turn",
        "ms, one again and again",
        "MB of all processes",
    )
    return Table("growth: cached datasets", columns, tuple(rows), plots=(plot,))


def _memory_mb(runner: psutil.Process) -> float | None:
    """Return the memory of everything below the runner, with shared pages counted once; None if only root may look."""
    try:
        return proportional_bytes(below(runner)) / 1e6
    except PermissionError:
        return None
