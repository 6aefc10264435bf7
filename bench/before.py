"""``python -m bench.before CHECKOUT``: what calls and uploads cost, over what they cost in another checkout.

The other checkout has its environment installed (``make install``). Servers of both run at the same time and are
measured in turn, so that a machine that becomes busy changes both numbers of a ratio.
"""

import argparse
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from bench.client import BadAnswer, Load, drive
from bench.datasets import Edges
from bench.harness import percentile
from bench.hosted import HOST, Hosted
from bench.report import Report, Table, figures
from bench.sections.warm import TASK, WARM_UP_S
from bench.servers import ROOT, Server, Stage, StartFailed
from bench.transfer import download, upload

SECONDS = 2.0
PAUSE_S = 0.05
CLIENTS = 8
LARGE = Edges("text", 1_000_000)
SMALL = Edges("numbers", 1_000)
CSV = {"csv, 100 rows": 100, "csv, 200,000 rows": 200_000}
_COLUMNS = ("what", "before", "now", "now over before", "least ratio", "most ratio")


@dataclass(slots=True)
class Figures:
    """Everything measured, by name: a list of pairs (before, now), one a round."""

    pairs: dict[str, list[tuple[float, float]]] = field(default_factory=dict)

    def measure(self, servers: Sequence[Server], rounds: int, one: Callable[[Server], dict[str, float]]) -> None:
        """Call ``one`` for each of two servers in turn, the order reversed in every other round."""
        for number in range(rounds):
            order = (0, 1) if number % 2 == 0 else (1, 0)
            found = {position: one(servers[position]) for position in order}
            for name, before in found[0].items():
                self.pairs.setdefault(name, []).append((before, found[1][name]))

    def table(self) -> Table:
        rows = []
        for name, pairs in self.pairs.items():
            ratios = [now / before for before, now in pairs]
            before, now = (statistics.median(side) for side in zip(*pairs, strict=True))
            rows.append(
                (name, *figures([before, now], 2), *figures([statistics.median(ratios), min(ratios), max(ratios)], 3))
            )
        return Table("cost beside another checkout", _COLUMNS, tuple(rows), ("Medians; ratios within a round.",))


def main(arguments: list[str]) -> int:
    """Measure both checkouts, and print a table. Return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m bench.before", description=__doc__)
    parser.add_argument("checkout", type=Path, help="the checkout to compare with, with its .venv")
    parser.add_argument("--rounds", type=int, default=9, help="rounds of each figure (%(default)s)")
    options = parser.parse_args(arguments)
    began = time.monotonic()
    report = Report(f"python -m bench.before {options.checkout.name}", "short")
    try:
        with tempfile.TemporaryDirectory(prefix="graphside-bench-") as folder, Stage(Path(folder)) as stage:
            figures_of = _measure(stage, options.checkout.resolve(), options.rounds)
    except (BadAnswer, StartFailed) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    report.wall_s = time.monotonic() - began
    report.load_after = os.getloadavg()[0]
    report.tables.append(figures_of.table())
    print(report.to_markdown())
    return 0


def _measure(stage: Stage, checkout: Path, rounds: int) -> Figures:
    found = Figures()
    for kind, settings in {"isolated": {}, "reused": {"reused_seats": 8}}.items():
        names = []
        for name, root in {f"{kind} before": checkout, kind: ROOT}.items():
            stage.ours(name, root, **settings)
            names.append(name)
        print(f"bench: {kind}: starting both servers", file=sys.stderr)
        servers = stage.running(*names)
        print(f"bench: {kind}: measuring", file=sys.stderr)
        _warm(stage, servers, kind, rounds, found)
        if kind == "isolated":
            _first(stage, servers, rounds, found)
            _uploads(stage, servers, rounds, found)
    return found


def _warm(stage: Stage, servers: Sequence[Server], kind: str, rounds: int, found: Figures) -> None:
    calls = {server.port: Hosted.of(stage, server, LARGE).call(TASK) for server in servers}
    for call in calls.values():
        download(call)
        drive(call, CLIENTS, WARM_UP_S)

    def one(server: Server) -> dict[str, float]:
        call = calls[server.port]
        alone = drive(call, 1, SECONDS)
        leisurely = drive(call, 1, SECONDS, PAUSE_S)
        used = _cpu_s(server)
        many = drive(call, CLIENTS, SECONDS)
        used = _cpu_s(server) - used
        return {
            f"warm, {kind}: p50 ms, 1 client": _p50_ms(alone),
            f"warm, {kind}: p50 ms, at leisure": _p50_ms(leisurely),
            f"warm, {kind}: p50 ms, {CLIENTS} clients": _p50_ms(many),
            f"warm, {kind}: CPU ms a call": used * 1000 / len(many.latencies_s),
        }

    found.measure(servers, rounds, one)


def _first(stage: Stage, servers: Sequence[Server], rounds: int, found: Figures) -> None:
    def one(server: Server) -> dict[str, float]:
        answer = {}
        for edges in (SMALL, LARGE):
            hosted = Hosted.empty(server)
            answer[f"upload, arrow, {edges.rows:,} rows: ms"] = hosted.upload(stage, edges).seconds * 1000
            answer[f"first call, {edges.rows:,} rows: ms"] = download(hosted.call(TASK)).seconds * 1000
            hosted.delete()
        return answer

    for server in servers:
        one(server)
    found.measure(servers, rounds, one)


def _uploads(stage: Stage, servers: Sequence[Server], rounds: int, found: Figures) -> None:
    files = {}
    for name, rows in CSV.items():
        files[name] = stage.folder / f"{rows}.csv"
        files[name].write_text("s,d,w\n" + "".join(f"{row},n{row % 977},{row}.5\n" for row in range(rows)))

    def one(server: Server) -> dict[str, float]:
        answer = {}
        for name, file in files.items():
            hosted = Hosted.empty(server)
            path = f"/api/v2/upload/datasets/{hosted.dataset_id}/edges/csv"
            with server.client() as client:
                headers = {"Authorization": str(client.headers["Authorization"]), "Content-Type": "text/csv"}
            answer[f"upload, {name}: ms"] = upload(HOST, server.port, path, file, headers).seconds * 1000
            hosted.delete()
        return answer

    for server in servers:
        one(server)
    found.measure(servers, rounds, one)


def _p50_ms(load: Load) -> float:
    return percentile(load.latencies_s, 0.5) * 1000


def _cpu_s(server: Server) -> float:
    """Return the CPU seconds of all processes of a server, also of those that have ended and were waited for."""
    total = 0.0
    top = psutil.Process(server.pid)
    for process in (top, *top.children(recursive=True)):
        with suppress(psutil.Error):
            total += sum(process.cpu_times()[:4])
    return total


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
