"""Large results: Parquet and CSV through HTTP, beside writing the same file."""

import statistics
from pathlib import Path

from bench.bare import BareProcess
from bench.client import Call
from bench.datasets import Edges, forget
from bench.hosted import Hosted
from bench.plan import Plan
from bench.processes import PrivateGrowth, replica
from bench.report import Measure, Table, figures
from bench.servers import Stage
from bench.transfer import Transfer, download

SUMMARY = "parquet and csv results of 1M x 4; 100 MB of parquet over writing it to a local file"

HOW = """\
A task returns its frame or its graph; the client reads the answer and drops it. The comparison is a bare process that
has the same frame and writes the same format to a local file, without syncing it: Parquet by
`DataFrame.to_parquet`, CSV by pyarrow, which is what ours uses (pandas' own is in the last column). The second table
shows a result of 100 MB that no format can compress, and how far the private memory of the ingress (`RssAnon`, sampled
every 5 ms) rose while the result passed through."""

TABLE = "def task(g): return g._edges"
GRAPH = "def task(g): return g"
EDGES = Edges("text", 1_000_000)
LARGE = Edges.of_bytes("noise", 100_000_000)
KINDS = {
    "parquet, table": ("write_parquet", TABLE, "table", "parquet"),
    "parquet, all": ("write_parquet", GRAPH, "all", "parquet"),
    "csv, table": ("write_csv", TABLE, "table", "csv"),
    "csv, all": ("write_csv", GRAPH, "all", "csv"),
}

_PHASES = ("queue", "seat", "run", "encode", "rest")
_COLUMNS = ("result", "ms, whole call", *_PHASES, "MB", "ms, local file", "call over file", "ms, pandas' own")
_LARGE = ("result", "ms, whole call", *_PHASES, "MB", "ms, local file", "call over file", "ingress, MB more")


def run(stage: Stage, plan: Plan) -> list[Table]:
    """Return two tables."""
    (server,) = stage.running("graphside")
    rounds = max(3, plan.rounds // 3) if plan.is_long else 3
    notes = (f"Medians of {rounds} of each, in turn. Phases in ms, from Server-Timing.",)
    hosted = Hosted.of(stage, server, EDGES)
    file = stage.folder / "result"
    rows, data = [], []
    with BareProcess() as bare:
        bare.do("load", file=str(EDGES.file(stage.folder)))
        for name, (step, task, output_type, kind) in KINDS.items():
            plan.tell(name)
            call = hosted.call(task, output_type=output_type, format=kind)
            calls, files = _in_turn(call, bare, step, file, rounds)
            written = [one.get("arrow", one["write"]) for one in files]
            cells, ratio = _cells(calls, written)
            pandas = f"{statistics.median(one['write'] for one in files) * 1000:.1f}" if kind == "csv" else ""
            rows.append((name, *cells, *figures([ratio], 2), pandas))
            data.append({"result": name, "s": [one.seconds for one in calls], "file": files})
        plan.tell("100 MB of parquet")
        large = Hosted.of(stage, server, LARGE)
        call = large.call(TABLE, output_type="table", format="parquet")
        bare.do("load", file=str(LARGE.file(stage.folder)))
        with PrivateGrowth(replica(server, "Ingress")) as growth:
            calls, files = _in_turn(call, bare, "write_parquet", file, rounds)
        forget(file)
    cells, ratio = _cells(calls, [one["write"] for one in files])
    grown = growth.bytes / 1e6
    row = ("parquet, table", *cells, *figures([ratio], 2), *figures([grown]))
    measures = {"results.over_file": Measure(ratio), "results.ingress": Measure(grown)}
    return [
        Table("results: 1M rows of 4 columns", _COLUMNS, tuple(rows), notes, data),
        Table("results: 100 MB", _LARGE, (row,), notes, [one.seconds for one in calls], measures),
    ]


def _in_turn(
    call: Call, bare: BareProcess, step: str, file: Path, rounds: int
) -> tuple[list[Transfer], list[dict[str, float]]]:
    """Measure a download and the same file written by the bare process in turn. The first pair does not count."""
    pairs = [(download(call), bare.do(step, into=str(file))) for _ in range(rounds + 1)][1:]
    return [one for one, _ in pairs], [other for _, other in pairs]


def _cells(calls: list[Transfer], written_s: list[float]) -> tuple[tuple[str, ...], float]:
    phases = [statistics.median(one.phases_ms[name] for one in calls) for name in _PHASES]
    whole = statistics.median(one.seconds for one in calls) * 1000
    ratio = statistics.median(one.seconds / other for one, other in zip(calls, written_s, strict=True))
    return figures([whole, *phases, calls[0].byte_count / 1e6, statistics.median(written_s) * 1000]), ratio
