"""A quiet user's calls beside another user's flood of requests."""

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any  # JSON values

from bench.apps import flood
from bench.client import Answer, BadAnswer, Call, Connection
from bench.datasets import Edges
from bench.harness import percentile
from bench.hosted import HOST, Hosted
from bench.plan import Plan
from bench.report import Measure, Table, figures
from bench.servers import ROOT, Server, Stage, StartFailed

SUMMARY = "a quiet user's run, list and upload beside another user's floods, over the same without a flood"

QUIET_S = 5.0
FLOOD_S = 10.0
PAUSE_S = 0.03
SETTLE_S = 1.5
"""The time from the beginning of a flood to the first measured call, in which its runs get to work."""

GIVE_UP_S = 8.0
CALM_S = 60.0

HOW = f"""\
One user asks for a trivial run, a list of their datasets and an upload of a hundred rows in turn, each on a new
connection, with pauses. Another user floods the same server from a process of its own, which comes last on the machine
(nice) and has a bound on its memory: {flood.LOG_INS} log-ins under made-up names at a time; {flood.STALLED:,} requests
whose bodies do not come; {flood.SLEEPING} runs that sleep for 5 s; {flood.HEAVY} runs that compute for 5 s;
{flood.UPLOADS} uploads of 80 MB in a gzip file of 350 KB, refused at their last line; {flood.LISTS} lists of
{flood.LONG_ROWS} files whose parser options are as long as the server lets them be; {flood.THREADED} runs that compute
in up to {flood.THREADS} threads. Requests that end are sent again at once, those that the server refuses for a while
(429, 503) after a second. Before each flood the quiet user's calls are measured without it; a ratio compares the two.
A call without an answer after {GIVE_UP_S:g} s counts with that time, and as refused."""

EDGES = Edges("numbers", 1_000)
TASK = "def task(g): return len(g._edges)"
ROWS = "s,d\n" + "".join(f"{number},{number + 1}\n" for number in range(100))

FLOODER = "flooder"
_PYTHON_FLAG = "flag_python_endpoint_enabled_users"
_COLUMNS = (
    "flood", "call", "calls", "p50 ms", "p99 ms", "p50 ms in quiet", "p99 ms in quiet", "p50 over quiet",
    "p99 over quiet", "refused", "what the flood heard",
)  # fmt: skip


@dataclass(slots=True)
class Calls:
    """The calls of one kind in one phase. ``refused``: those that were not answered with a 2xx."""

    seconds: list[float]
    refused: list[str]

    def ms(self, share: float) -> float:
        return percentile(self.seconds, share) * 1000


@dataclass(frozen=True, slots=True)
class Phase:
    """One flood: the quiet user's calls without and with it, by kind, and how often the flood heard each status."""

    flood: str
    quiet: Mapping[str, Calls]
    beside: Mapping[str, Calls]
    heard: Mapping[str, int]

    def over(self, kind: str, share: float) -> float:
        return self.beside[kind].ms(share) / self.quiet[kind].ms(share)


def run(stage: Stage, plan: Plan) -> list[Table]:
    """Return one table."""
    plan.tell("starting the server")
    (server,) = stage.running("graphside")
    calls = _quiet_calls(stage, server)
    flooder = _flooder(server)
    longer = 3 if plan.is_long else 1
    _alternate(calls, 2.0)
    phases = []
    for name in flood.FLOODS:
        plan.tell(f"flood: {name}")
        quiet = _alternate(calls, QUIET_S * longer)
        with _flooding(name, server.port, flooder) as heard:
            time.sleep(SETTLE_S)
            beside = _alternate(calls, FLOOD_S * longer)
        phases.append(Phase(name, quiet, beside, heard))
        _calm_down(calls, quiet)
    return [_table(phases)]


def _quiet_calls(stage: Stage, server: Server) -> dict[str, Call]:
    """Return the quiet user's calls by kind."""
    hosted = Hosted.of(stage, server, EDGES)
    with server.client() as client:
        authorization = str(client.headers["Authorization"])
    own = Hosted.empty(server)
    return {
        "run": hosted.call(TASK),
        "list": _call(server, authorization, "GET", "/api/v2/files/?limit=10"),
        "upload": _call(
            server, authorization, "POST", f"/api/v2/upload/datasets/{own.dataset_id}/edges/csv", ROWS.encode()
        ),
    }


def _call(server: Server, authorization: str, method: str, path: str, body: bytes = b"") -> Call:
    head = (
        f"{method} {path} HTTP/1.1\r\nHost: {HOST}:{server.port}\r\nAuthorization: {authorization}\r\n"
        f"Content-Type: text/csv\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return Call(HOST, server.port, head.encode() + body)


def _flooder(server: Server) -> dict[str, str]:
    """Add the user who floods. Return their token and a dataset of theirs."""
    password = {"username": FLOODER, "password": server.password}
    with server.client() as client:
        client.post("/api/v2/admin/users/", json=password).raise_for_status()
        client.put(f"/api/v2/admin/flags/{_PYTHON_FLAG}/", json={"value": True, "user": FLOODER}).raise_for_status()
        token = client.post("/api-token-auth/", json=password).raise_for_status().json()["token"]
        own = {"Authorization": f"Bearer {token}"}
        described = {"name": FLOODER, "edge_encodings": {"bindings": {"source": "s", "destination": "d"}}}
        created = client.post("/api/v2/upload/datasets/", json=described, headers=own).raise_for_status().json()
        dataset_id = created["data"]["dataset_id"]
        path = f"/api/v2/upload/datasets/{dataset_id}/edges/csv"
        client.post(path, content=ROWS, headers=own).raise_for_status()
    return {"token": token, "dataset_id": dataset_id}


@contextmanager
def _flooding(name: str, port: int, flooder: Mapping[str, str]) -> Iterator[dict[str, int]]:
    """Flood while the block lasts. The yielded dict then has what the flood heard. Raise ``StartFailed``."""
    heard: dict[str, int] = {}
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.apps.flood", name],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT,
    )  # fmt: skip
    assert process.stdin is not None and process.stdout is not None
    try:
        process.stdin.write(json.dumps({"port": port, **flooder}) + "\n")
        process.stdin.flush()
        if process.stdout.readline() != "going\n":
            raise StartFailed(f"the flood of {name} did not begin; what it said is above")
        yield heard
        process.stdin.close()
        heard.update(json.loads(process.stdout.readline() or "{}"))
    finally:
        process.kill()
        process.wait()


def _alternate(calls: Mapping[str, Call], seconds: float) -> dict[str, Calls]:
    """Make one call of each kind after the other for so long, at least once."""
    made = {kind: Calls([], []) for kind in calls}
    until = time.perf_counter() + seconds
    while True:
        for kind, call in calls.items():
            began = time.perf_counter()
            said = _said(call)
            made[kind].seconds.append(time.perf_counter() - began)
            if not said.startswith("2"):
                made[kind].refused.append(said)
            time.sleep(PAUSE_S)
        if time.perf_counter() > until:
            return made


def _said(call: Call) -> str:
    """Return the status of the answer to a call on a new connection, or why there is none."""
    try:
        connection = Connection(call)
        connection.socket.settimeout(GIVE_UP_S)
        try:
            connection.send()
            answer: Answer | None = None
            while answer is None:
                answer = connection.receive()
        finally:
            connection.socket.close()
    except (BadAnswer, OSError) as error:
        return f"no answer ({type(error).__name__})"
    return str(answer.status)


def _calm_down(calls: Mapping[str, Call], quiet: Mapping[str, Calls]) -> None:
    """Wait until the server has got over a flood. Raise ``BadAnswer`` if it does not."""
    until = time.perf_counter() + CALM_S
    while time.perf_counter() < until:
        now = _alternate(calls, 0.5)
        if all(not now[kind].refused and now[kind].ms(0.5) < 2 * quiet[kind].ms(0.5) for kind in calls):
            return
    raise BadAnswer(f"the server is not well {CALM_S:g} s after a flood")


def _table(phases: Sequence[Phase]) -> Table:
    rows, measures = [], {}
    for phase in phases:
        for kind, beside in phase.beside.items():
            numbers = (beside.ms(0.5), beside.ms(0.99), phase.quiet[kind].ms(0.5), phase.quiet[kind].ms(0.99))
            ratios = (phase.over(kind, 0.5), phase.over(kind, 0.99))
            rows.append(
                (
                    phase.flood, kind, str(len(beside.seconds)), *figures(numbers), *figures(ratios, 2),
                    _counted(beside.refused), ", ".join(f"{n} x {said}" for said, n in sorted(phase.heard.items())),
                )
            )  # fmt: skip
        for name, share in (("p50", 0.5), ("p99", 0.99)):
            ratio, kind = max((phase.over(kind, share), kind) for kind in phase.beside)
            measures[f"fairness.{phase.flood.replace(' ', '_')}.{name}"] = Measure(ratio, kind)
    refused = sum(len(calls.refused) for phase in phases for calls in phase.beside.values())
    measures["fairness.refused"] = Measure(refused)
    loops = statistics.median(len(calls.seconds) for phase in phases for calls in phase.quiet.values())
    notes = (f"In quiet {loops:g} calls of each kind before each flood; the p99 of so few is about their longest.",)
    data: list[Any] = [asdict(phase) for phase in phases]
    return Table("fairness: a quiet user beside a flood", _COLUMNS, tuple(rows), notes, data, measures)


def _counted(refused: Sequence[str]) -> str:
    return ", ".join(f"{refused.count(said)} x {said}" for said in dict.fromkeys(refused)) or "0"
