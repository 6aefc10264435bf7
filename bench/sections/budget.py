"""More datasets than the cache has room for."""

import os
import statistics

from bench.datasets import Edges
from bench.hosted import Hosted
from bench.plan import Plan
from bench.processes import below, mapped_files, proportional_private_bytes, replica
from bench.report import Table, figures
from bench.servers import SMALL_CACHE_BYTES, Stage
from bench.transfer import Transfer, download

SUMMARY = "ten datasets of 95 MB under a cache that holds four: hits, misses, memory"

HOW = """\
A trivial task runs on each of ten datasets in turn. The cache has room for four and evicts the dataset that was used
least recently, so every call misses. Then the task runs on four of the datasets in turn, so every call hits. In a third
pattern, four of five calls go to one dataset. After each call the section measures the size of all stored files that
any process below the runner maps, and how much other memory these processes have (`Pss_Anon`, which counts pages that a
fork shares once) above what they had before the first call."""

TASK = "def task(g): return len(g._edges)"
EDGES = Edges.of_bytes("numbers", 95_000_000)
DATASETS = 10
HELD = 4


def run(stage: Stage, plan: Plan) -> list[Table]:
    """Return one table."""
    (server,) = stage.running("small cache")
    runner = replica(server, "Runner")
    calls = []
    for number in range(DATASETS):
        plan.tell(f"uploading dataset {number + 1} of {DATASETS}")
        calls.append(Hosted.of(stage, server, EDGES, number).call(TASK))
    rounds = plan.rounds if plan.is_long else 2
    ten = list(range(DATASETS))
    patterns = {
        "ten in turn: all miss": ten * rounds,
        "four in turn: all hit": ten[:HELD] * rounds * 3,
        "one hot, nine cold": [one for number in ten[1:] for one in (0, 0, 0, 0, number)] * rounds,
    }
    rows, data = [], {}
    may_look = os.geteuid() == 0
    before = proportional_private_bytes(below(runner)) if may_look else 0
    for name, order in patterns.items():
        plan.tell(name)
        for position in dict.fromkeys(order if "hit" in name else ()):
            download(calls[position])
        taken: list[Transfer] = []
        mapped, private = [], []
        for position in order:
            taken.append(download(calls[position]))
            if not may_look:
                continue
            processes = below(runner)
            files = [mapped_files(one, server.data / "objects") for one in processes]
            mapped.append(sum(dict(pair for one in files for pair in one.items()).values()))
            private.append(proportional_private_bytes(processes) - before)
        ms = [one.seconds * 1000 for one in taken]
        numbers = (statistics.median(ms), max(ms), statistics.median(one.phases_ms["seat"] for one in taken))
        memory = figures([max(mapped) / 1e6, max(private) / 1e6]) if may_look else ("", "")
        rows.append((name, *figures(numbers), *memory))
        data[name] = {"ms": ms, "mapped": mapped, "private": private}
    columns = ("calls", "p50 ms", "most ms", "of which seat", "most MB mapped", "most MB private")
    notes = [f"The cache's budget is {SMALL_CACHE_BYTES / 1e6:.0f} MB."]
    if not may_look:
        notes.append("Memory is left out: only root may look at that of others' processes.")
    return [Table("budget: ten datasets, room for four", columns, tuple(rows), tuple(notes), data)]
