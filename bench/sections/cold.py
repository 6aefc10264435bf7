"""The first call on a dataset that is not in memory."""

import statistics

from bench.bare import BareProcess
from bench.datasets import Edges, forget
from bench.hosted import Hosted
from bench.plan import Plan
from bench.report import Measure, Table, figures
from bench.servers import Stage
from bench.transfer import Transfer, download

SUMMARY = "first call on 1M and 10M edges (with strings) beside mapping the file in a bare process, and read_parquet"

HOW = """\
A trivial task on a dataset that is stored but not in memory. A process is forked, put behind walls, maps the tables and
builds the frames; a second process is forked from it for the run. The server's cache has room for one of two datasets,
and calls go to them in turn, so each call evicts the other one. The comparison is a bare process that has the
libraries, maps the same Arrow file and builds the frame (`pyarrow`'s `to_pandas`, and the way that our holders do
it), and reads the same table from Parquet with `pandas.read_parquet`. A process that has only the libraries forks
once. All files are in the page cache."""

TASK = "def task(g): return len(g._edges)"
SIZES = (Edges("text", 1_000_000), Edges("text", 10_000_000))
"""The datasets. Only one fits into ``servers.SMALL_CACHE_BYTES``."""

_COLUMNS = (
    "edges", "ms, cold call", "of which seat", "ms, warm call", "ms, map + to_pandas", "ms, map as we do", "ms, fork",
    "cold over twice map + a fork", "the same, as we map", "ms, read_parquet", "read_parquet over cold",
)  # fmt: skip


def run(stage: Stage, plan: Plan) -> list[Table]:
    """Return one table."""
    (server,) = stage.running("small cache")
    rounds = max(5, plan.rounds) if plan.is_long else 5
    with BareProcess() as bare:
        calls = []
        for edges in SIZES:
            plan.tell(f"uploading {edges.rows:,} edges")
            calls.append(Hosted.of(stage, server, edges).call(TASK))
            file = edges.file(stage.folder)
            bare.do("write_table", file=str(file), into=str(file.with_suffix(".parquet")))
        cold: list[list[Transfer]] = [[] for _ in SIZES]
        warm: list[list[float]] = [[] for _ in SIZES]
        bares: list[list[dict[str, float]]] = [[] for _ in SIZES]
        for number in range(rounds + 1):
            for position, edges in enumerate(SIZES):
                first = download(calls[position])
                again = download(calls[position])
                measured = _bare(bare, stage, edges)
                if number:  # the first round warms up everything that stays warm
                    cold[position].append(first)
                    warm[position].append(again.seconds)
                    bares[position].append(measured)
            plan.tell(f"round {number} of {rounds}")
        for edges in SIZES:
            forget(edges.file(stage.folder).with_suffix(".parquet"))
    rows, measures = [], {}
    for position, edges in enumerate(SIZES):
        row, ratios = _row(edges, cold[position], warm[position], bares[position])
        rows.append(row)
        if edges.rows == 10_000_000:
            measures = {f"cold.{name}": Measure(ratio) for name, ratio in ratios.items()}
    notes = (f"Medians of {rounds}; ratios between neighbors.",)
    data = [{"cold_s": [one.seconds for one in cold[p]], "bare": bares[p]} for p in range(len(SIZES))]
    return [Table("cold: first call on a dataset", _COLUMNS, tuple(rows), notes, data, measures)]


def _bare(bare: BareProcess, stage: Stage, edges: Edges) -> dict[str, float]:
    file = edges.file(stage.folder)
    return {
        **bare.do("fork"),
        **bare.do("load", file=str(file)),
        **bare.do("read_parquet", file=str(file.with_suffix(".parquet"))),
    }


def _row(
    edges: Edges, cold: list[Transfer], warm: list[float], bares: list[dict[str, float]]
) -> tuple[tuple[str, ...], dict[str, float]]:
    """Return a row, and the ratios that targets are about."""
    pairs = list(zip(cold, bares, strict=True))
    over, over_own = (
        statistics.median(one.seconds / (2 * other[way] + other["fork"]) for one, other in pairs)
        for way in ("load", "ours")
    )
    faster = statistics.median(other["read"] / one.seconds for one, other in pairs)
    load, ours, fork, read = (
        statistics.median(one[name] for one in bares) * 1000 for name in ("load", "ours", "fork", "read")
    )
    whole = statistics.median(one.seconds for one in cold) * 1000
    seat = statistics.median(one.phases_ms["seat"] for one in cold)
    first = figures([whole, seat, statistics.median(warm) * 1000, load, ours, fork])
    row = (f"{edges.rows:,}", *first, *figures([over, over_own], 2), *figures([read]), *figures([faster], 2))
    return row, {"over_map": over, "over_own_map": over_own, "read_parquet": faster}
