"""The same task on the same data, by graphside and by its peers."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import partial

from bench.client import BadAnswer, Load
from bench.harness import Driven, Measured, interleave
from bench.peers.ground import OURS, Ground, edges_file, ours
from bench.peers.roster import OUR_AFTERMATH, OUR_ISOLATION, PEERS, Peer
from bench.peers.subject import Subject, answer_of
from bench.peers.tasks import COUNT, GROUP
from bench.plan import Plan
from bench.report import Measure, Table, figures
from bench.servers import Stage, StartFailed

SUMMARY = "a trivial task and a group-by on a million edges in memory: ours beside everybody who is installed"

HOW = """\
Every peer runs the same text, `task(g)`, over the same million edges (two int64, one float64), which it has in its
memory, and returns the same JSON. Answers are compared before anything is measured. Peers that speak plain HTTP are
called by our raw client on kept-alive connections; Dask, Spark and Jupyter by their own client libraries, in a process
of their own. A peer that has worker processes or kernels has two, each with the data. All run at once and are called in
turn. `make peers` installs them; a note names the peers that are not installed."""

ROUND_S = 0.6
WARM_UP_S = 0.4
LIMIT_S = 60.0
WORKERS = 2
IDLE_S = 2.0
_AT_ONCE = 3


class PeerFailed(Exception):
    """Calls to one peer fail. The message is one line."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(reason)
        self.name = name


@dataclass(frozen=True, slots=True)
class Series:
    """Some columns of the table: one task under so many clients.

    ``with_slow`` includes peers that take seconds for a call.
    """

    task: str
    clients: int
    rounds: int
    with_slow: bool = True


@dataclass(slots=True)
class Field:
    """All subjects that have started, ours first, and the reasons why the others are not measured."""

    subjects: dict[str, Subject] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)

    def drop(self, name: str, reason: str) -> None:
        """Stop a subject and keep the reason."""
        self.absent[name] = reason
        self.subjects.pop(name).stop()


def run(stage: Stage, plan: Plan) -> list[Table]:
    """Return one table."""
    stage.stop_all(but=(OURS,))
    ground = Ground(stage.folder, edges_file(stage.folder), LIMIT_S, WORKERS, plan.tell)
    with _field(stage, ground) as started:
        _compare(started)
        plan.tell("everybody idle")
        idle = _idle_cores(started.subjects)
        found = [_measure(series, started, plan) for series in _series(plan)]
        return [_table(found, started, idle)]


def _series(plan: Plan) -> list[Series]:
    fewer = plan.rounds // 2 + 1
    return [
        Series(COUNT, 1, plan.rounds),
        Series(COUNT, 8, fewer, with_slow=plan.rounds > 5),
        Series(GROUP, 1, fewer),
    ]


@contextmanager
def _field(stage: Stage, ground: Ground) -> Iterator[Field]:
    """Start the subjects, some at a time, and stop them all at the end."""
    started = Field()
    beginning: dict[str, Future[Subject]] = {}
    try:
        ground.tell(f"starting {OURS}")
        started.subjects[OURS] = ours(stage, ground)
        ground.tell("starting peers")
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            for peer in PEERS:
                if reason := peer.lacking():
                    started.absent[peer.name] = reason
                else:
                    beginning[peer.name] = pool.submit(_begin, peer, ground)
            for name, begun in beginning.items():
                try:
                    started.subjects[name] = begun.result()
                except (BadAnswer, StartFailed) as error:
                    started.absent[name] = f"does not start: {first_line(error)}"
        yield started
    finally:
        for begun in beginning.values():
            if begun.done() and not begun.cancelled() and begun.exception() is None:
                begun.result().stop()


def _begin(peer: Peer, ground: Ground) -> Subject:
    began = time.monotonic()
    subject = peer.begin(ground)
    ground.tell(f"{peer.name} has started, {time.monotonic() - began:.1f} s")
    return subject


def _compare(started: Field) -> None:
    """Drop the peers whose answers differ from ours."""
    right = {task: answer_of(started.subjects[OURS], task) for task in (COUNT, GROUP)}
    for name, subject in list(started.subjects.items()):
        for task, answer in right.items():
            try:
                other = answer_of(subject, task)
            except BadAnswer as error:
                started.drop(name, f"does not answer: {first_line(error)}")
                break
            if other != answer:
                started.drop(name, f"answers otherwise: {str(other)[:100]}")
                break


def _idle_cores(subjects: Mapping[str, Subject]) -> dict[str, float]:
    before = {name: subject.cpu_s() for name, subject in subjects.items()}
    time.sleep(IDLE_S)
    return {name: (subject.cpu_s() - before[name]) / IDLE_S for name, subject in subjects.items()}


def _measure(series: Series, started: Field, plan: Plan) -> dict[str, Measured]:
    """Measure the subjects. Drop those that fail."""
    slow = {peer.name for peer in PEERS if peer.slow}
    while True:
        targets = [
            Driven(name, partial(_drive, name, subject.drive, series.task))
            for name, subject in started.subjects.items()
            if series.with_slow or name not in slow
        ]
        try:
            for target in targets:
                target.drive(series.clients, WARM_UP_S)
            measured = interleave(targets, series.clients, series.rounds, ROUND_S, plan.tell)
            return {one.target: one for one in measured}
        except PeerFailed as error:
            plan.tell(f"{error.name} fails: {error}")
            if error.name == OURS:
                raise BadAnswer(str(error)) from error
            started.drop(error.name, f"fails under {series.clients} client(s): {error}")


def _drive(name: str, drive: Callable[[str, int, float], Load], task: str, clients: int, seconds: float) -> Load:
    try:
        return drive(task, clients, seconds)
    except (BadAnswer, OSError) as error:
        raise PeerFailed(name, first_line(error)) from error


_COLUMNS = (
    "who", "isolates a call", "p50 ms", "over ours", "p99 ms", "calls/s, 8 clients", "over ours", "p50 ms, group-by",
    "over ours", "after tasks that never end",
)  # fmt: skip


def first_line(error: Exception) -> str:
    """Return the first line of an error's message, as a cell or a note shows it."""
    return str(error).partition("\n")[0][:200]


def _table(found: Sequence[Mapping[str, Measured]], started: Field, idle: Mapping[str, float]) -> Table:
    count, many, group = found
    cells: dict[str, tuple[str, str]] = {peer.name: (peer.isolates, peer.aftermath) for peer in PEERS}
    cells[OURS] = (OUR_ISOLATION, OUR_AFTERMATH)
    rows = []
    for name in started.subjects:
        isolates, aftermath = cells[name]
        numbers = (
            *_pair(count, name, "p50_ms", 2),
            *figures([count[name].median("p99_ms")], 2),
            *_pair(many, name, "calls_per_s", 1),
            *_pair(group, name, "p50_ms", 1),
        )
        rows.append((name, isolates, *numbers, aftermath))
    told = [f"{name}: {reason}" for name, reason in started.absent.items()]
    notes = [
        f"Medians of {len(count[OURS].rounds)} rounds of {ROUND_S:g} s, interleaved ({len(many[OURS].rounds)} for 8 "
        "clients and for group-by); ratios within a round. A p50 over 1 is slower than ours, calls/s over 1 are more.",
        f"Everybody idle together takes {sum(idle.values()):.2f} cores, ours {idle[OURS]:.2f} of them.",
        *(["Not measured: " + "; ".join(told) + "."] if told else []),
        "nsjail, and snekbox which is built on it, are neither on PyPI nor in Debian 12.",
    ]
    data = {
        "measured": [asdict(one) for each in found for one in each.values()],
        "absent": started.absent,
        "idle_cores": dict(idle),
    }
    measures = _measures(count)
    return Table("peers: the same task on the same data", _COLUMNS, tuple(rows), tuple(notes), data, measures)


def _pair(measured: Mapping[str, Measured], name: str, figure: str, digits: int) -> tuple[str, str]:
    """Return a number and its ratio to ours, or empty cells if it was not measured."""
    if name not in measured:
        return "", ""
    own = measured[name]
    return f"{own.median(figure):.{digits}f}", f"{own.over(measured[OURS], figure):.2f}"


def _measures(count: Mapping[str, Measured]) -> dict[str, Measure]:
    """Return ours over the fastest peer that isolates less, and over the fastest that does not isolate at all."""
    own = count[OURS]
    measures = {}
    for key, isolation in (("peers.over_best", "less"), ("peers.over_exec", "none")):
        names = [peer.name for peer in PEERS if peer.isolation == isolation and peer.name in count]
        if names:
            best = min(names, key=lambda name: count[name].median("p50_ms"))
            measures[key] = Measure(own.over(count[best], "p50_ms"), at=best)
    return measures
