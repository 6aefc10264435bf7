"""Three tasks that never end, sent to graphside and to every peer, one server after the other."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from bench.client import BadAnswer
from bench.peers.attempts import Attempt
from bench.peers.ground import OURS, Ground, edges_file, ours
from bench.peers.held import Leavings
from bench.peers.roster import OUR_AFTERMATH, OUR_LIMIT, PEERS, Aftermath, Peer
from bench.peers.runaway import BURNING_CORES, CALLS, RECOVERY_S, WINDOW_S, Ordeal, endure
from bench.peers.subject import Subject
from bench.plan import Plan
from bench.report import Measure, Table
from bench.sections.peers import WORKERS, first_line
from bench.servers import Stage, StartFailed

SUMMARY = "three tasks that never end: answer, next call, CPU burnt after their clients left; ours and every peer"

HOW = """\
Each server is started afresh and gets three calls of `while True: pass` at once, with its own time limit if it has one.
The clients wait some seconds, then close their connections. A new client sends a good call at once. CPU is the
processor time of all processes of the server from two seconds after the clients left, less their idle time."""

LIMIT_S = 2.0
PATIENCE_S = 5.0
SLOW_LIMIT_S = 10.0
SLOW_PATIENCE_S = 25.0
"""For peers that take seconds for a good call."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row. ``said``: what the roster says is left."""

    name: str
    limit: str
    said: Aftermath
    ordeal: Ordeal
    leavings: Leavings


def run(stage: Stage, plan: Plan) -> list[Table]:
    """Return one table. No other server of ours runs meanwhile."""
    stage.stop_all()
    edges = edges_file(stage.folder)
    rows: list[Row] = []
    absent: dict[str, str] = {}

    def one(name: str, limit: str, said: Aftermath, start: Callable[[], Subject], patience_s: float) -> None:
        plan.tell(f"starting {name}")
        try:
            subject = start()
            try:
                plan.tell(f"{name}: tasks that never end")
                ordeal = endure(subject, patience_s)
            finally:
                leavings = subject.stop()
            rows.append(Row(name, limit, said, ordeal, leavings))
        except (BadAnswer, StartFailed, OSError) as error:
            absent[name] = first_line(error)

    ground = _ground(stage.folder, edges, LIMIT_S, plan)
    one(OURS, OUR_LIMIT, OUR_AFTERMATH, lambda: ours(stage, ground), PATIENCE_S)
    for peer in PEERS:
        if reason := peer.lacking():
            absent[peer.name] = reason
            continue
        limit_s, patience_s = (SLOW_LIMIT_S, SLOW_PATIENCE_S) if peer.slow else (LIMIT_S, PATIENCE_S)
        one(
            peer.name, peer.limit, peer.aftermath, _start(peer, _ground(stage.folder, edges, limit_s, plan)), patience_s
        )
    return [_table(rows, absent)]


def _ground(folder: Path, edges: Path, limit_s: float, plan: Plan) -> Ground:
    return Ground(folder, edges, limit_s, WORKERS, plan.tell)


def _start(peer: Peer, ground: Ground) -> Callable[[], Subject]:
    return lambda: peer.begin(ground)


_COLUMNS = (
    "who", "its own limit", "what the three hear", "next good call", "CPU burnt, cores", "well again", "is left",
    "processes that its stop leaves",
)  # fmt: skip


def _table(rows: list[Row], absent: dict[str, str]) -> Table:
    cells = [
        (
            row.name,
            row.limit,
            _heard(row.ordeal.attempts),
            _following(row.ordeal),
            f"{row.ordeal.burnt_s / WINDOW_S:.2f}",
            _recovery(row.ordeal),
            row.ordeal.aftermath if row.ordeal.aftermath == row.said else f"{row.ordeal.aftermath} (NOT {row.said})",
            str(row.leavings.left) if row.leavings.ended else f"does not stop; {row.leavings.left}",
        )
        for row in rows
    ]
    notes = [
        f"Limit {LIMIT_S:g} s, patience {PATIENCE_S:g} s; of peers that take seconds for a good call {SLOW_LIMIT_S:g} "
        f"and {SLOW_PATIENCE_S:g} s. Well again: a good call is answered and less than {BURNING_CORES:g} cores burn "
        "(less on a busy machine).",
        *([f"Not measured: {'; '.join(f'{name}: {why}' for name, why in absent.items())}."] if absent else []),
    ]
    data = {"rows": [asdict(row) for row in rows], "absent": absent}
    return Table(f"runaway: {CALLS} tasks that never end", _COLUMNS, tuple(cells), tuple(notes), data, _measures(rows))


def _heard(attempts: tuple[Attempt, ...]) -> str:
    """Return what the callers heard and when, with equal answers told once."""
    came: dict[str, list[float]] = {}
    for attempt in attempts:
        seconds = came.setdefault(attempt.said.partition(":")[0][:60], [])
        if attempt.seconds is not None:
            seconds.append(attempt.seconds)
    counts = Counter(attempt.said.partition(":")[0][:60] for attempt in attempts)
    return ", ".join(f"{counts[said]} x {said}{_when(seconds)}" for said, seconds in came.items())


def _when(seconds: Sequence[float]) -> str:
    if not seconds:
        return ""
    first, last = f"{min(seconds):.1f}", f"{max(seconds):.1f}"
    return f" after {first} s" if first == last else f" after {first} to {last} s"


def _following(ordeal: Ordeal) -> str:
    following = ordeal.following
    if following.good and following.seconds is not None:
        return f"{following.seconds * 1000:.0f} ms (before: {ordeal.before_s * 1000:.0f})"
    return following.said[:60]


def _recovery(ordeal: Ordeal) -> str:
    if ordeal.recovered_s is None:
        return f"not within {RECOVERY_S:g} s"
    return "at once" if ordeal.recovered_s == 0 else f"after {ordeal.recovered_s:.0f} s"


def _measures(rows: list[Row]) -> dict[str, Measure]:
    for row in rows:
        if row.name == OURS and row.ordeal.following.seconds is not None:
            next_call = row.ordeal.following.seconds / row.ordeal.before_s
            return {"runaway.cpu_after": Measure(row.ordeal.burnt_s), "runaway.next_call": Measure(next_call)}
    return {}
