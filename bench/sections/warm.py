"""A trivial task on a cached dataset of a million edges, beside two hops that do nothing."""

from dataclasses import asdict

import numpy as np
import pyarrow as pa

from bench.client import Call, drive, once
from bench.harness import Measured, Target, interleave
from bench.plan import Plan
from bench.report import Table, figures
from bench.servers import Server, Stage

SUMMARY = "warm call (trivial task, million-edge dataset) beside a two-hop no-op app; 1 and 8 clients"

EDGES = 1_000_000
NODES = 100_000
CLIENTS = (1, 8)
WARM_UP_S = 2.0
TASK = "def task(g): return {'answer': 'x' * 187}"
"""Its answer is as long as the no-op's."""

_COLUMNS = (
    "clients", "app", "p50 ms", "p99 ms", "calls/s", "p50 over no-op", "p99 over no-op", "calls/s over no-op",
)  # fmt: skip


def run(stage: Stage, plan: Plan) -> list[Table]:
    """One table."""
    plan.tell("starting both servers")
    ours, noop = stage.running("graphside", "no-op")
    plan.tell(f"uploading {EDGES:,} edges")
    targets = (Target("graphside", _our_call(ours)), Target("no-op", Call.post("127.0.0.1", noop.port, "/run", {})))
    for target in targets:
        once(target.call)
        for clients in CLIENTS:
            drive(target.call, clients, WARM_UP_S)
    measured = [interleave(targets, clients, plan.rounds, plan.seconds, plan.tell) for clients in CLIENTS]
    return [_table(plan, measured)]


def edges() -> pa.Table:
    """Columns ``s``, ``d`` (int64), ``w`` (float64): 24 MB."""
    random = np.random.default_rng(7)
    columns = {name: pa.array(random.integers(0, NODES, EDGES)) for name in ("s", "d")}
    return pa.table({**columns, "w": pa.array(random.random(EDGES))})


def _our_call(server: Server) -> Call:
    with server.client() as client:
        body = {
            "name": "bench",
            "metadata": {},
            "node_encodings": {"bindings": {}},
            "edge_encodings": {"bindings": {"source": "s", "destination": "d"}},
        }
        created = client.post("/api/v2/upload/datasets/", json=body).raise_for_status().json()
        dataset_id = created["data"]["dataset_id"]
        sink = pa.BufferOutputStream()
        table = edges()
        with pa.ipc.new_file(sink, table.schema) as writer:
            writer.write_table(table)
        path = f"/api/v2/upload/datasets/{dataset_id}/edges/arrow"
        client.post(path, content=sink.getvalue().to_pybytes()).raise_for_status()
        token = client.headers["Authorization"]
    run_path = f"/api/v2/datasets/{dataset_id}/python"
    return Call.post("127.0.0.1", server.port, run_path, {"execute": TASK}, {"Authorization": token})


def _table(plan: Plan, measured: list[list[Measured]]) -> Table:
    rows = []
    notes = [f"Medians of {plan.rounds} rounds of {plan.seconds:g} s, interleaved; ratios within a round."]
    for ours, noop in measured:
        for item in (ours, noop):
            numbers = figures([item.median(name) for name in ("p50_ms", "p99_ms", "calls_per_s")])
            ratios = figures([item.over(noop, name) for name in ("p50_ms", "p99_ms", "calls_per_s")], 2)
            rows.append((str(item.clients), item.target, *numbers, *ratios))
        phases = ", ".join(f"{name} {value:.1f}" for name, value in ours.phases_ms.items())
        notes.append(f"Of which, with {ours.clients} client(s), in the runner (median ms): {phases}.")
    data = [asdict(item) for pair in measured for item in pair]
    return Table("warm: a trivial task beside a million edges", _COLUMNS, tuple(rows), tuple(notes), data)
