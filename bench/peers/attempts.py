"""Single calls from clients that wait for a limited time and then leave."""

import contextlib
import selectors
import time
from dataclasses import dataclass
from typing import Any  # JSON values

from bench.client import BadAnswer, Call, Connection

NOTHING = "no answer"
_SAID_BYTES = 160


@dataclass(frozen=True, slots=True)
class Attempt:
    """One call's outcome.

    ``seconds``: until an answer of any kind came, or None if none came. ``said``: the failure, or that nothing came.
    """

    good: bool = False
    seconds: float | None = None
    said: str = NOTHING
    body: str = ""

    @classmethod
    def of_driver(cls, told: dict[str, Any]) -> "Attempt":
        """Return the attempt that a peer's own client reports (``bench.peers.apps.driver``)."""
        if "answer" in told:
            return cls(True, told["seconds"], "answered", told["answer"])
        return cls(False, told.get("seconds"), told.get("error", NOTHING))


def attempt(call: Call, clients: int, patience_s: float) -> list[Attempt]:
    """Send the call over so many new connections at once. All are closed when this returns."""
    began = time.perf_counter()
    attempts: dict[int, Attempt] = {}
    with selectors.DefaultSelector() as selector, contextlib.ExitStack() as stack:
        for number in range(clients):
            try:
                connection = Connection(call)
                stack.callback(connection.socket.close)
                connection.send()
            except OSError as error:
                attempts[number] = Attempt(said=f"no connection: {error}")
                continue
            selector.register(connection.socket, selectors.EVENT_READ, (number, connection))
        while len(attempts) < clients and (left := began + patience_s - time.perf_counter()) > 0:
            for key, _ in selector.select(left):
                number, connection = key.data
                came = _receive(connection, began)
                if came is not None:
                    attempts[number] = came
                    selector.unregister(connection.socket)
    return [attempts.get(number, Attempt()) for number in range(clients)]


def _receive(connection: Connection, began: float) -> Attempt | None:
    try:
        answer = connection.receive()
    except (BadAnswer, OSError) as error:
        return Attempt(seconds=time.perf_counter() - began, said=str(error))
    if answer is None:
        return None
    seconds = time.perf_counter() - began
    body = answer.body.decode("utf-8", "replace")
    if answer.status != 200:
        return Attempt(seconds=seconds, said=f"HTTP {answer.status}: {body[:_SAID_BYTES]}")
    return Attempt(True, seconds, "answered", body)
