"""Where attacks are run: a live server, things of its own that no task may reach, a look at all of it afterwards."""

from __future__ import annotations

import json
import os
import re
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil
import pyarrow as pa

from runtime.sandbox.guest.seat import CHANNEL_FD
from tests.attacks.listeners import Listener
from tests.attacks.modes import Mode
from tests.attacks.report import Ended
from tests.attacks.state import Place, State, kept_by
from tests.conftest import LiveServer, Person
from tests.waiting import SLOW_S, eventually, settled

TIMEOUT_S = 2.0
MEMORY_BYTES = 700 * 2**20
BODY = {"memory_bytes": MEMORY_BYTES, "engine": "pandas"}
"""What all runs ask for, also those between attacks: a rewound seat has one limit of memory."""

TRIES = 5
"""A rewound seat that is ready may not be in the server's list yet: then another serves."""

_READ = "0"  # the number of the system call

GONE_S = 0.25
"""How soon after the answer nothing of a run may be alive or lie about."""

EDGES = pa.table(
    {
        "src": [f"n{number % 97}" for number in range(1000)],
        "dst": [f"n{number % 89}" for number in range(1000)],
        "w": [float(number) for number in range(1000)],
        "k": list(range(1000)),
    }
)

GOOD = """
import json, os, time
import pandas as pd
def task(g):
    edges = g._edges
    return {
        'rows': len(edges), 'columns': list(edges.columns), 'sums': [float(edges['w'].sum()), int(edges['k'].sum())],
        'text': edges['src'].str.upper().iloc[0], 'json': json.loads(json.dumps({'a': [1.5, None, 'ä']})),
        'pandas': pd.DataFrame({'x': [1, 2, 2]}).groupby('x').size().tolist(), 'zone': time.tzname[0],
        'scratch': os.listdir('.'), 'home': os.environ['HOME'] == os.getcwd(), 'text_of_float': str(0.1 + 0.2),
    }
"""


@dataclass(frozen=True)
class Outcome:
    """How an attack ended, in the words of the suite: ok, error, timeout, memory, crash, toolarge, scratch."""

    kind: str
    result: Any
    exception: str | None
    body: dict[str, Any]
    seconds: float
    raw: bytes

    @property
    def stopped_by(self) -> str:
        """What ended it, for the table."""
        if self.kind == "ok":
            return "harmless: " + json.dumps(self.result)[:60]
        named = self.body.get("limit_name") or self.body.get("signal") or self.exception or self.body.get("exit_code")
        return f"{self.body.get('type')} {named}"


_KINDS = {
    "TaskError": "error", "InvalidSource": "error", "ResultNotSerializable": "error", "TaskTimeout": "timeout",
    "TaskMemoryExceeded": "memory", "TaskCrashed": "crash", "ResultTooLarge": "toolarge",
    "TaskScratchExceeded": "scratch",
}  # fmt: skip


@dataclass
class Arena:
    """One server under attack. ``open`` makes it; ``check`` raises where an attack left a trace."""

    server: LiveServer
    mode: Mode
    person: Person
    canary: str
    place: Place
    listeners: list[Listener]
    dataset_id: str
    walls_line: str
    before: State
    good: Any
    rewound: bool = False
    """Whether each attack is the second run, or a later one, on a seat that is rewound."""

    table: list[Ended] = field(default_factory=list)

    @classmethod
    def open(
        cls, server: LiveServer, person: Person, mode: Mode, canary: str, folder: Path, *, rewound: bool = False
    ) -> Arena:
        """``folder`` belongs to the server's user."""
        outside = folder / "outside"
        outside.mkdir()
        (outside / "file").write_text("theirs")
        outside.chmod(0o777)
        known = set((server.data / "objects").rglob("*.arrow"))
        dataset_id = person.upload(EDGES, source="src", destination="dst")
        (dataset_file,) = set((server.data / "objects").rglob("*.arrow")) - known
        secret = server.data / "keys" / "canary"
        secret.write_text(canary)
        secret.chmod(0o600)
        if mode.uid != os.geteuid():
            os.chown(secret, mode.uid, mode.uid)
        (runner,) = [one for one in server.find("ServeReplica") if "Runner" in " ".join(one.cmdline())]
        place = Place.of(runner, outside, dataset_file)
        good = run_good(person, dataset_id)
        if rewound:
            second_run(person, dataset_id, place)
        before = _calm(place)
        listeners = Listener.all_kinds()
        line = _walls_line(server)
        return cls(server, mode, person, canary, place, listeners, dataset_id, line, before, good, rewound)

    def close(self) -> None:
        for listener in self.listeners:
            listener.close()

    def tokens(self) -> dict[str, str]:
        """What an attack may know of the place."""
        tcp, path, abstract, _ = self.listeners
        return {
            "@@SECRET_ENV@@": "SERVER_CANARY",
            "@@SECRET_FILE@@": str(self.server.data / "keys" / "canary"),
            "@@SERVER_PID@@": str(self.place.runner.pid),
            "@@LOOPBACK_PORT@@": str(tcp.address[1]),
            "@@UNIX_SOCKET@@": str(path.address),
            "@@ABSTRACT_SOCKET@@": str(abstract.address)[1:],
            "@@OUTSIDE_DIR@@": str(self.place.outside),
            "@@DATASET_FILE@@": str(self.place.dataset_file),
        }

    def attack(self, code: str, **fields: Any) -> Outcome:
        """Send an attack and say how it ended."""
        code = self.filled_in(code)
        body = {"timeout_s": TIMEOUT_S, **BODY, **fields}
        for _ in range(TRIES):
            seat = second_run(self.person, self.dataset_id, self.place) if self.rewound else None
            started = time.monotonic()
            answer = self.person.run(self.dataset_id, code, **body)
            seconds = time.monotonic() - started
            if seat is None or seat.has_served():
                return _outcome(answer, seconds)
        raise AssertionError("the attack was run by another seat")

    def filled_in(self, code: str) -> str:
        """An attack with what it may know of the place in place of its tokens."""
        for token, value in self.tokens().items():
            code = code.replace(token, value)
        return code

    def run_good(self) -> Any:
        """What a well-behaved task sees."""
        return run_good(self.person, self.dataset_id)

    def check(self, outcome: Outcome) -> None:
        """Check every invariant of the suite; fail with the name of the first that does not hold."""
        deadline = time.monotonic() + GONE_S + SLOW_S
        assert self.canary.encode() not in outcome.raw, "the canary is in the answer"
        assert outcome.seconds < TIMEOUT_S + 0.5 + SLOW_S, f"the answer took {outcome.seconds:.2f} s"
        left_s = deadline - time.monotonic()
        now = settled(lambda: State.of(self.place), lambda state: state.settled(self.before), left_s)
        now.compare(self.before)
        assert self.run_good() == self.good, "the next request sees something else"
        for listener in self.listeners:
            assert not listener.visitors, f"somebody came to {listener.address!r}"


def run_good(person: Person, dataset_id: str) -> Any:
    answer = person.run(dataset_id, GOOD, **BODY)
    assert answer.status_code == 200, answer.text
    return answer.json()


@dataclass(frozen=True)
class RewoundSeat:
    """A seat that has served before and waits for a run, seen from outside. ``cpu_ns``: what it has used so far."""

    process: psutil.Process
    cpu_ns: int

    @classmethod
    def waiting(cls, place: Place) -> RewoundSeat | None:
        """The one that waits; None if there is none."""
        for keeper in (seat for holder in place.template.children() for seat in holder.children()):
            for seat in kept_by(keeper)[:1]:
                if _reads_its_channel(seat):
                    return cls(seat, _cpu_ns(seat))
        return None

    def has_served(self) -> bool:
        """Whether it has run since, or has ended."""
        return _cpu_ns(self.process) != self.cpu_ns


def second_run(person: Person, dataset_id: str, place: Place) -> RewoundSeat:
    """Have a seat serve a run, be rewound, and wait for the next. A seat that has ended is made anew."""

    def served() -> RewoundSeat | None:
        before = RewoundSeat.waiting(place)
        assert person.run(dataset_id, "def task(g): return 1", **BODY).status_code == 200
        if before is None or not before.has_served():
            return None
        return settled(lambda: RewoundSeat.waiting(place), lambda now: now is not None, GONE_S + SLOW_S)

    return eventually(served, explain=lambda: "no run is served by a rewound seat")


def _reads_its_channel(seat: psutil.Process) -> bool:
    """Whether it waits for a request: the only read of its channel."""
    with suppress(OSError):
        return Path(f"/proc/{seat.pid}/syscall").read_text().split()[:2] == [_READ, hex(CHANNEL_FD)]
    return False


def _cpu_ns(process: psutil.Process) -> int:
    """Its CPU time; 0 once it has ended."""
    with suppress(OSError):
        return int(Path(f"/proc/{process.pid}/schedstat").read_text().split()[0])
    return 0


def _calm(place: Place) -> State:
    """Return the state once spare seats stand ready and two looks agree."""
    seen: list[State] = []

    def is_calm() -> bool:
        seen.append(State.of(place))
        now = seen[-1]
        return len(seen) > 1 and now.seats == seen[-2].seats >= 2 and not now.zombies and not now.strangers

    eventually(is_calm, poll_s=0.3, explain=lambda: f"the server does not come to rest: {seen[-1]}")
    return seen[-1]


def _walls_line(server: LiveServer) -> str:
    """What the server logged of its walls when it started."""
    for log in sorted((server.data / "logs").rglob("*")):
        if log.is_file() and (found := re.search(r"isolation \w+: .*", log.read_text(errors="replace"))):
            return found.group()
    return ""


def kind_of(answer: httpx.Response) -> str:
    """How a run ended, in the words of the suite, or what else was answered."""
    if answer.status_code == 200:
        return "ok"
    type_ = answer.json().get("type")
    return _KINDS.get(type_, f"HTTP {answer.status_code} {type_}")


def _outcome(answer: httpx.Response, seconds: float) -> Outcome:
    raw = answer.content + str(answer.headers).encode()
    if answer.status_code == 200:
        text = answer.headers["content-type"].startswith("text/")
        return Outcome("ok", answer.text if text else answer.json(), None, {}, seconds, raw)
    body = answer.json()
    return Outcome(kind_of(answer), None, body.get("exception_type"), body, seconds, raw)
