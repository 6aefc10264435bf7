"""The upload of an Arrow file, beside a copy of the file."""

import os
import shutil
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bench.datasets import Edges, NoRoom, forget, require_disk, require_memory
from bench.hosted import Hosted
from bench.plan import Plan
from bench.processes import PrivateGrowth, replica
from bench.report import Measure, Table, figures
from bench.servers import Server, Stage

SUMMARY = "upload of an Arrow file (short: 200 MB, long: 1 GB) over copying it; 8 at once; ingress's memory"

HOW = """\
The time runs from the first byte sent to the answer. Meanwhile the file is received, checked value by value in a
process of its own, stored in the form that is mapped later, synced to disk and entered in the catalog. The comparison
is a copy of the file in the same directory, once without a sync and once with one. The file is in the page cache before
each. The private memory of the ingress (`RssAnon`) is sampled every 5 ms."""

AT_ONCE = 8
_COLUMNS = ("upload", "s", "MB/s", "s, copy", "s, copy and sync", "over copy", "over copy and sync", "ingress, MB more")


def run(stage: Stage, plan: Plan) -> list[Table]:
    """Return one table."""
    (server,) = stage.running("graphside")
    one = Edges.of_bytes("numbers", 1_000_000_000 if plan.is_long else 200_000_000)
    each = one if plan.is_long else Edges.of_bytes("numbers", 50_000_000)
    rounds = 5 if plan.is_long else 3
    rows, measures = [], {}
    notes = [f"Medians of {rounds}, in turn; {AT_ONCE} at once: once, beside as many copies one after the other."]
    row, ratios, grown = _alone(stage, server, one, rounds, plan)
    rows.append(row)
    at = "" if plan.is_long else f"{one.byte_count / 1e6:.0f} MB"
    measures = {
        "upload.over_copy": Measure(ratios[0], at),
        "upload.over_synced": Measure(ratios[1], at),
        "upload.ingress": Measure(grown, at),
    }
    try:
        require_disk(stage.folder, 3 * AT_ONCE * each.byte_count)
        require_memory(AT_ONCE * each.byte_count)
        row, grown = _together(stage, server, each, plan)
        rows.append(row)
        at = "" if plan.is_long else f"{each.byte_count / 1e6:.0f} MB each"
        measures["upload.ingress_of_8"] = Measure(grown, at)
    except NoRoom as reason:
        notes.append(f"{AT_ONCE} at once: left out, {reason}.")
    return [Table("upload: Arrow", _COLUMNS, tuple(rows), tuple(notes), measures=measures)]


def _alone(
    stage: Stage, server: Server, edges: Edges, rounds: int, plan: Plan
) -> tuple[tuple[str, ...], list[float], float]:
    plan.tell(f"{edges.byte_count / 1e6:.0f} MB")
    file = edges.file(stage.folder)
    sent, copied, synced = [], [], []
    Hosted.empty(server).delete()  # the first log-in takes 64 MiB
    with PrivateGrowth(replica(server, "Ingress")) as growth:
        for _ in range(rounds):
            _read(file)
            hosted = Hosted.empty(server)
            sent.append(hosted.upload(stage, edges).seconds)
            hosted.delete()
            copied.append(_copy(file, sync=False))
            synced.append(_copy(file, sync=True))
    ratios = [
        statistics.median(own / other for own, other in zip(sent, others, strict=True)) for others in (copied, synced)
    ]
    grown = growth.bytes / 1e6
    row = _row(f"{edges.byte_count / 1e6:.0f} MB", edges.byte_count, [sent, copied, synced], ratios, grown)
    return row, ratios, grown


def _together(stage: Stage, server: Server, edges: Edges, plan: Plan) -> tuple[tuple[str, ...], float]:
    plan.tell(f"{AT_ONCE} of {edges.byte_count / 1e6:.0f} MB at once")
    file = edges.file(stage.folder)
    _read(file)
    hosted = [Hosted.empty(server) for _ in range(AT_ONCE)]
    with PrivateGrowth(replica(server, "Ingress")) as growth, ThreadPoolExecutor(AT_ONCE) as pool:
        began = time.perf_counter()
        list(pool.map(lambda one: one.upload(stage, edges), hosted))
        sent = time.perf_counter() - began
    copied, synced = (sum(_copy(file, sync) for _ in hosted) for sync in (False, True))
    for one in hosted:
        one.delete()
    grown = growth.bytes / 1e6
    name = f"{AT_ONCE} of {edges.byte_count / 1e6:.0f} MB"
    series = [[sent], [copied], [synced]]
    return _row(name, AT_ONCE * edges.byte_count, series, [sent / copied, sent / synced], grown), grown


def _row(name: str, byte_count: int, series: list[list[float]], ratios: list[float], grown: float) -> tuple[str, ...]:
    sent, copied, synced = map(statistics.median, series)
    return (
        name,
        *figures([sent], 2),
        *figures([byte_count / 1e6 / sent], 0),
        *figures([copied, synced, *ratios, grown], 2),
    )


def _copy(file: Path, sync: bool) -> float:
    """Copy the file beside itself, as ``cp`` does. Return the seconds."""
    copy = file.with_suffix(".copy")
    forget(copy)
    began = time.perf_counter()
    shutil.copyfile(file, copy)
    if sync:
        with copy.open("rb") as written:
            os.fsync(written.fileno())
    taken = time.perf_counter() - began
    forget(copy)
    return taken


def _read(file: Path) -> None:
    with file.open("rb") as reading:
        while reading.read(1 << 22):
            pass
