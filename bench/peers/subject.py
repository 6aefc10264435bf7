"""The interface of everything that is compared: it takes a text and answers with JSON."""

import json
import select
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, Protocol  # Any: JSON values

from bench.client import BadAnswer, Call, Load, drive
from bench.peers.attempts import Attempt, attempt
from bench.peers.held import Held, Leavings, tree_cpu_s
from bench.servers import ROOT

_ANSWER_S = 240.0


class Subject(Protocol):
    """A peer, or our server, that has started and has the data."""

    name: str

    def drive(self, task: str, clients: int, seconds: float) -> Load:
        """Send calls in a closed loop. Raises ``BadAnswer``."""

    def attempt(self, task: str, clients: int, patience_s: float) -> list[Attempt]:
        """Send one call from each of so many new clients, at once. All have left when this returns."""

    def ask(self, task: str) -> Attempt:
        """Send one call, from a client that stays if the subject has such clients."""

    def cpu_s(self) -> float:
        """Return the CPU seconds that all its processes have used."""

    def stop(self) -> Leavings: ...


@dataclass(slots=True)
class Plain:
    """A subject that speaks plain HTTP, so our raw client calls it. ``call`` makes the call that sends a task."""

    name: str
    call: Callable[[str], Call]
    pid: int
    end: Callable[[], Leavings]

    def drive(self, task: str, clients: int, seconds: float) -> Load:
        return drive(self.call(task), clients, seconds)

    def attempt(self, task: str, clients: int, patience_s: float) -> list[Attempt]:
        return attempt(self.call(task), clients, patience_s)

    def ask(self, task: str) -> Attempt:
        return self.attempt(task, 1, _ANSWER_S)[0]

    def cpu_s(self) -> float:
        return tree_cpu_s(self.pid)

    def stop(self) -> Leavings:
        return self.end()


@dataclass(slots=True)
class Driven:
    """A subject with a protocol of its own. Its client library calls it, in a process in its environment."""

    name: str
    server: Held
    command: Sequence[str]
    environment: Mapping[str, str]
    log: Path
    _driver: "Driver | None" = field(default=None, repr=False)

    def prepare(self) -> None:
        """Give it the data. Raises ``BadAnswer``."""
        self._own().order({"do": "prepare"}, _ANSWER_S)

    def drive(self, task: str, clients: int, seconds: float) -> Load:
        order = {"do": "drive", "task": task, "clients": clients, "seconds": seconds}
        told = self._own().order(order, seconds + _ANSWER_S)
        return Load(latencies_s=told["latencies_s"], wall_s=told["wall_s"])

    def attempt(self, task: str, clients: int, patience_s: float) -> list[Attempt]:
        """Send the calls from a new process, which is killed at the end, so that the clients leave."""
        driver = Driver(self.command, self.environment, self.log)
        try:
            return _attempt(driver, task, clients, patience_s)
        finally:
            driver.kill()

    def ask(self, task: str) -> Attempt:
        return _attempt(self._own(), task, 1, _ANSWER_S)[0]

    def cpu_s(self) -> float:
        return tree_cpu_s(self.server.pid)

    def stop(self) -> Leavings:
        if self._driver is not None:
            self._driver.kill()
        return self.server.stop()

    def _own(self) -> "Driver":
        if self._driver is None:
            self._driver = Driver(self.command, self.environment, self.log)
        return self._driver


class Driver:
    """A process of ``bench.peers.apps.driver``: an order in, an answer out."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], log: Path) -> None:
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=output, cwd=ROOT, env=dict(environment),
                start_new_session=True,
            )  # fmt: skip

    def order(self, order: Mapping[str, object], within_s: float) -> dict[str, Any]:
        """Send an order and return the answer.

        Raises ``BadAnswer`` for an error, a dead driver or no answer in time.
        """
        orders, answers = self._process.stdin, self._process.stdout
        assert orders is not None and answers is not None
        try:
            orders.write(json.dumps(order).encode() + b"\n")
            orders.flush()
        except BrokenPipeError:
            raise BadAnswer("its client has ended") from None
        told: dict[str, Any] = json.loads(_line(answers, within_s))
        if "error" in told:
            raise BadAnswer(str(told["error"]))
        return told

    def kill(self) -> None:
        """Kill the process, so that the peer finds its connections closed."""
        self._process.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        self._process.wait()


def _line(answers: IO[bytes], within_s: float) -> bytes:
    deadline = time.monotonic() + within_s
    if not select.select([answers], [], [], max(0.0, deadline - time.monotonic()))[0]:
        raise BadAnswer(f"its client said nothing within {within_s:g} s")
    line = answers.readline()
    if not line:
        raise BadAnswer("its client has ended")
    return line


def _attempt(driver: Driver, task: str, clients: int, patience_s: float) -> list[Attempt]:
    order = {"do": "attempt", "task": task, "clients": clients, "patience_s": patience_s}
    try:
        told = driver.order(order, patience_s + _ANSWER_S)
    except BadAnswer as error:
        return [Attempt(said=f"no connection: {error}")] * clients
    return [Attempt.of_driver(one) for one in told["attempts"]]


def answer_of(subject: Subject, task: str) -> Any:
    """Return the subject's answer to a task, as a JSON value. Raises ``BadAnswer``."""
    answer = subject.ask(task)
    if not answer.good:
        raise BadAnswer(f"{subject.name}: {answer.said}")
    return json.loads(answer.body)
