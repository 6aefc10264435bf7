"""Whole tables as JSON: by the result formats, and by a user's own code."""

import statistics
import subprocess
import sys
from pathlib import Path

from bench.bare import BareProcess
from bench.client import BadAnswer
from bench.datasets import Edges, forget
from bench.hosted import Hosted
from bench.plan import Plan
from bench.report import Measure, Table, figures
from bench.servers import ROOT, Stage
from bench.transfer import Transfer, download

SUMMARY = "whole graph as JSON, 100k and 1M edges, over to_dict + json.dumps; a task's own to_dict"

HOW = """\
A task returns the whole graph as JSON records (`output_type: all`, `format: json`): two columns of integers, one of
floats, one of strings. The comparison is `json.dumps` of `DataFrame.to_dict("records")` in a bare process that has
the frame. graphside's time is the whole call until the client has read it; the bare process sends nothing. Both
documents are parsed, and the section fails unless their values are equal. The second table is the same frame returned
as `to_dict(orient="records")` by the task itself, and where that time goes."""

WHOLE = "def task(g): return g"
BY_HAND = "def task(g): return {'nodes': [], 'edges': g._edges.to_dict(orient='records')}"
SIZES = (Edges("text", 100_000), Edges("text", 1_000_000))

_PHASES = ("queue", "seat", "run", "encode", "rest")
_COLUMNS = ("edges", "ms, whole call", *_PHASES, "MB", "ms, to_dict + json.dumps", "times faster")
_BY_HAND = ("edges", "ms, whole call", *_PHASES, "MB")


def run(stage: Stage, plan: Plan) -> list[Table]:
    """Return two tables. Raises ``BadAnswer`` if the values are not equal."""
    (server,) = stage.running("graphside")
    rounds = max(3, plan.rounds // 3) if plan.is_long else 2
    rows, by_hand, data = [], [], []
    measures = {}
    for edges in SIZES:
        plan.tell(f"{edges.rows:,} edges")
        hosted = Hosted.of(stage, server, edges)
        call = hosted.call(WHOLE, output_type="all", format="json")
        own = hosted.call(BY_HAND)
        ours_file, bare_file = stage.folder / "ours.json", stage.folder / "bare.json"
        with BareProcess() as bare:
            bare.do("load", file=str(edges.file(stage.folder)))
            download(call, ours_file)
            bare.do("records", rows=edges.rows, into=str(bare_file))
            _require_equal(ours_file, bare_file)
            whole, own_calls, bares = [], [], []
            for _ in range(rounds):
                whole.append(download(call))
                bares.append(bare.do("records", rows=edges.rows, into=str(bare_file))["records"])
                own_calls.append(download(own, ours_file))
            if plan.is_long or edges is SIZES[0]:  # this takes longer than all else
                _require_equal(ours_file, bare_file)
        for path in (ours_file, bare_file):
            forget(path)
        speedup = statistics.median(other / one.seconds for one, other in zip(whole, bares, strict=True))
        rows.append((f"{edges.rows:,}", *_cells(whole), *figures([statistics.median(bares) * 1000]), f"{speedup:.2f}"))
        by_hand.append((f"{edges.rows:,}", *_cells(own_calls)))
        data.append({"edges": edges.rows, "s": [one.seconds for one in whole], "bare_s": bares})
        if edges.rows == 1_000_000:
            measures["serialise.speedup"] = Measure(speedup)
    notes = (f"Medians of {rounds} calls of each, in turn. Phases in ms, from Server-Timing; equal values.",)
    return [
        Table("serialise: a graph as JSON", _COLUMNS, tuple(rows), notes, data, measures),
        Table("serialise: to_dict(orient='records') in the task", _BY_HAND, tuple(by_hand), notes),
    ]


def _cells(calls: list[Transfer]) -> tuple[str, ...]:
    phases = [statistics.median(one.phases_ms[name] for one in calls) for name in _PHASES]
    return figures([statistics.median(one.seconds for one in calls) * 1000, *phases, calls[0].byte_count / 1e6])


def _require_equal(one: Path, other: Path) -> None:
    command = [sys.executable, "-m", "bench.apps.same_json", str(one), str(other)]
    if subprocess.run(command, cwd=ROOT, check=False).returncode:
        raise BadAnswer("the document of ours and that of json.dumps differ")
