"""Where attacks are run: a live server, things of its own that no task may reach, a look at all of it afterwards."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import psutil
import pyarrow as pa

from tests.conftest import LiveServer, Person

TIMEOUT_S = 2.0
MEMORY_BYTES = 700 * 2**20
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
    person: Person
    canary: str
    outside: Path
    listeners: list[Listener]
    dataset_id: str = ""
    dataset_file: Path = Path()
    before: State | None = None
    good: Any = None
    table: list[tuple[str, str, float, str]] = field(default_factory=list)

    @classmethod
    def open(cls, server: LiveServer, canary: str, folder: Path) -> Arena:
        person = server.log_in()
        outside = folder / "outside"
        outside.mkdir()
        (outside / "file").write_text("theirs")
        outside.chmod(0o777)
        arena = cls(server, person, canary, outside, Listener.all_kinds(folder))
        known = set((server.data / "objects").rglob("*.arrow"))
        arena.dataset_id = person.upload(EDGES, source="src", destination="dst")
        (arena.dataset_file,) = set((server.data / "objects").rglob("*.arrow")) - known
        secret = server.data / "keys" / "canary"
        secret.write_text(canary)
        secret.chmod(0o600)
        arena.good = arena.run_good()
        arena.before = State.of(arena)
        return arena

    def close(self) -> None:
        for listener in self.listeners:
            listener.close()
        self.person.http.close()

    def tokens(self) -> dict[str, str]:
        """What an attack may know of the place."""
        tcp, path, abstract = self.listeners
        return {
            "@@SECRET_ENV@@": "SERVER_CANARY",
            "@@SECRET_FILE@@": str(self.server.data / "keys" / "canary"),
            "@@SERVER_PID@@": str(self.runner().pid),
            "@@LOOPBACK_PORT@@": str(tcp.address[1]),
            "@@UNIX_SOCKET@@": str(path.address),
            "@@ABSTRACT_SOCKET@@": str(abstract.address)[1:],
            "@@OUTSIDE_DIR@@": str(self.outside),
            "@@DATASET_FILE@@": str(self.dataset_file),
        }

    def runner(self) -> psutil.Process:
        """The process whose children run tasks: the server, to a task."""
        (found,) = [one for one in self.server.find("ServeReplica") if "Runner" in " ".join(one.cmdline())]
        return found

    def attack(self, code: str, **fields: Any) -> Outcome:
        """Send an attack and say how it ended."""
        for token, value in self.tokens().items():
            code = code.replace(token, value)
        started = time.monotonic()
        body = {"timeout_s": TIMEOUT_S, "memory_bytes": MEMORY_BYTES, "engine": "pandas", **fields}
        answer = self.person.run(self.dataset_id, code, **body)
        seconds = time.monotonic() - started
        return _outcome(answer, seconds)

    def run_good(self) -> Any:
        """What a well-behaved task sees."""
        answer = self.person.run(self.dataset_id, GOOD, engine="pandas")
        assert answer.status_code == 200, answer.text
        return answer.json()

    def check(self, outcome: Outcome) -> None:
        """Every invariant of the suite. Fails with the name of the first that does not hold."""
        deadline = time.monotonic() + GONE_S
        assert self.canary.encode() not in outcome.raw, "the canary is in the answer"
        assert outcome.seconds < TIMEOUT_S + 0.5 + outcome_slack(), f"the answer took {outcome.seconds:.2f} s"
        assert self.before is not None
        now = State.of(self)
        while not now.settled(self.before) and time.monotonic() < deadline:
            time.sleep(0.01)
            now = State.of(self)
        now.compare(self.before)
        assert self.run_good() == self.good, "the next request sees something else"
        for listener in self.listeners:
            assert not listener.visitors, f"somebody came to {listener.address!r}"


def outcome_slack() -> float:
    """A busy machine answers later; the bound of the suite is for a calm one."""
    return 0.5 * max(0.0, os.getloadavg()[0] - (os.cpu_count() or 1))


def _outcome(answer: httpx.Response, seconds: float) -> Outcome:
    raw = answer.content + str(answer.headers).encode()
    if answer.status_code == 200:
        text = answer.headers["content-type"].startswith("text/")
        return Outcome("ok", answer.text if text else answer.json(), None, {}, seconds, raw)
    body = answer.json()
    kind = _KINDS.get(body.get("type"), f"HTTP {answer.status_code} {body.get('type')}")
    if body.get("type") == "TaskMemoryExceeded" and body.get("exception_type"):
        kind = "memory"
    return Outcome(kind, None, body.get("exception_type"), body, seconds, raw)


@dataclass(frozen=True)
class State:
    """What must be as before after an attack."""

    server_processes: tuple[int, ...]
    strangers: tuple[str, ...]
    scratch: tuple[str, ...]
    outside: tuple[str, ...]
    dataset: str
    runner_descriptors: int
    template_descriptors: int

    @classmethod
    def of(cls, arena: Arena) -> State:
        runner = arena.runner()
        below = list(runner.children(recursive=True))
        fixed = [one for one in below if _is_fixed(one)]
        template = fixed[-1]
        return cls(
            server_processes=tuple(sorted(one.pid for one in (runner, *fixed))),
            strangers=tuple(sorted(str(one) for one in below if _name(one) not in ("python", "python3", "python3.11"))),
            scratch=tuple(sorted(_files(arena.server.data / "scratch") + _files_in_temp(arena))),
            outside=tuple(
                f"{path.name} {path.stat().st_mode:o} {path.read_text() if path.is_file() else ''}"
                for path in sorted((arena.outside, *arena.outside.iterdir()))
            ),
            dataset=hashlib.sha256(arena.dataset_file.read_bytes()).hexdigest(),
            runner_descriptors=runner.num_fds(),
            template_descriptors=template.num_fds(),
        )

    def settled(self, before: State) -> bool:
        """Whether nothing is left that ends by itself within a moment."""
        return (
            self.scratch == before.scratch
            and self.strangers == before.strangers
            and self.runner_descriptors <= before.runner_descriptors + 16
        )

    def compare(self, before: State) -> None:
        assert self.server_processes == before.server_processes, "a process of the server was replaced"
        assert self.strangers == before.strangers, "a process of the run is alive"
        assert self.scratch == before.scratch, "something is left in scratch"
        assert self.outside == before.outside, "something outside was changed"
        assert self.dataset == before.dataset, "the dataset's file was changed"
        assert self.template_descriptors <= before.template_descriptors + 2, "the template keeps descriptors"
        assert self.runner_descriptors <= before.runner_descriptors + 16, "the server keeps descriptors"


def _is_fixed(process: psutil.Process) -> bool:
    """Whether it stays from run to run: the template and what stands around it, not holders and seats."""
    with suppress(psutil.Error):
        parents = process.parents()
        depth = next(index for index, one in enumerate(parents) if "ServeReplica" in " ".join(one.cmdline()))
        return "runtime.sandbox.template" in " ".join(process.cmdline()) and depth <= _template_depth(process)
    return False


def _template_depth(process: psutil.Process) -> int:
    """0, or 2 where two processes stand around the template for the sake of its namespaces."""
    with suppress(OSError):
        own = Path(f"/proc/{process.pid}/ns/pid").readlink()
        return 2 if own != Path("/proc/self/ns/pid").readlink() else 0
    return 0


def _name(process: psutil.Process) -> str:
    with suppress(psutil.Error):
        return process.name()
    return "python"  # it ended meanwhile


def _files(folder: Path) -> list[str]:
    return [str(path) for path in folder.glob("*/*/*")]


def _files_in_temp(arena: Arena) -> list[str]:
    return [str(path) for path in Path("/tmp").glob("graphside-scratch-*/*/*")]


class Listener:
    """Stands for Ray's control store, a raylet's socket, and whatever else listens on the server's machine."""

    def __init__(self, family: int, address: Any) -> None:
        self._socket = socket.socket(family, socket.SOCK_STREAM)
        self._socket.bind(address)
        self._socket.listen()
        self.address = self._socket.getsockname()
        if isinstance(self.address, bytes):
            self.address = self.address.decode()
        self.visitors: list[Any] = []
        threading.Thread(target=self._serve, daemon=True).start()

    @classmethod
    def all_kinds(cls, folder: Path) -> list[Listener]:
        """TCP on loopback, a socket in a directory that everybody may enter, an abstract socket."""
        path = f"/tmp/attack-{uuid4().hex[:8]}.sock"
        found = [
            cls(socket.AF_INET, ("127.0.0.1", 0)),
            cls(socket.AF_UNIX, path),
            cls(socket.AF_UNIX, f"\0attack-{uuid4().hex[:8]}"),
        ]
        os.chmod(path, 0o777)
        return found

    def close(self) -> None:
        self._socket.close()
        if isinstance(self.address, str) and self.address.startswith("/"):
            Path(self.address).unlink(missing_ok=True)

    def _serve(self) -> None:
        while True:
            try:
                connection, peer = self._socket.accept()
            except OSError:
                return
            self.visitors.append(peer)
            connection.close()
