"""A closed-loop HTTP/1.1 client on raw sockets: every connection sends its next call when the last one was answered.

It uses no HTTP library, because a library takes 0.5-5 ms a call of the cores that the measured server runs on. One
thread serves all connections, so that no wait for the interpreter's lock counts as latency.
"""

import json
import selectors
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

_ANSWER_S = 60.0
_RECEIVE_BYTES = 256 * 1024
_HEAD_BYTES = 64 * 1024


class BadAnswer(Exception):
    """A measured server did not answer as it should. The message is one line."""


@dataclass(frozen=True, slots=True)
class Call:
    """A request that can be sent to ``host:port`` repeatedly."""

    host: str
    port: int
    payload: bytes = field(repr=False)

    @classmethod
    def post(cls, host: str, port: int, path: str, body: object, headers: Mapping[str, str] | None = None) -> "Call":
        """Return a POST of a JSON body."""
        content = json.dumps(body).encode()
        fields = {
            "Host": f"{host}:{port}",
            "Content-Type": "application/json",
            "Content-Length": str(len(content)),
            **(headers or {}),
        }
        head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
        return cls(host, port, f"POST {path} HTTP/1.1\r\n{head}\r\n".encode() + content)


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer. ``head`` is everything before the body, as it came."""

    status: int
    head: bytes
    body: bytes

    def header(self, name: str) -> str | None:
        """Return the first header of that name."""
        for line in self.head.split(b"\r\n")[1:]:
            key, _, value = line.partition(b":")
            if key.strip().lower() == name.lower().encode():
                return value.strip().decode("latin-1")
        return None


@dataclass(slots=True)
class Load:
    """The times of one stretch of calls.

    ``latencies_s`` are in order of completion. ``wall_s`` is the time from the first send to the last answer.
    """

    latencies_s: list[float] = field(default_factory=list)
    wall_s: float = 0.0
    timings: list[str] = field(default_factory=list)
    """The ``Server-Timing`` headers, of servers that send them."""

    @property
    def calls_per_s(self) -> float:
        return len(self.latencies_s) / self.wall_s


class Connection:
    """One keep-alive connection."""

    def __init__(self, call: Call) -> None:
        self.socket = socket.create_connection((call.host, call.port), timeout=_ANSWER_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._payload = call.payload
        self._data = bytearray()
        self.sent = 0.0

    def send(self) -> None:
        """Send the call again."""
        self.sent = time.perf_counter()
        self.socket.sendall(self._payload)

    def receive(self) -> Answer | None:
        """Read what has come.

        Return the answer once it is whole. Raises ``BadAnswer`` if the connection ends before that.
        """
        data = self.socket.recv(_RECEIVE_BYTES)
        if not data:
            raise BadAnswer("the server closed the connection in the middle of an answer")
        self._data += data
        end = self._data.find(b"\r\n\r\n")
        if end < 0:
            if len(self._data) > _HEAD_BYTES:
                raise BadAnswer("an answer with headers without end")
            return None
        head = Answer(int(self._data[9:12]), bytes(self._data[:end]), b"")
        length = head.header("content-length")
        if length is None:
            raise BadAnswer(f"HTTP {head.status} without Content-Length: {head.head[:200]!r}")
        if len(self._data) < end + 4 + int(length):
            return None
        body = bytes(self._data[end + 4 :])
        self._data.clear()
        return Answer(head.status, head.head, body)


def once(call: Call) -> Answer:
    """Send one call on a new connection. Raises ``BadAnswer`` unless the answer is a 200."""
    connection = Connection(call)
    try:
        connection.send()
        while (answer := connection.receive()) is None:
            pass
        return _good(answer)
    finally:
        connection.socket.close()


def drive(call: Call, clients: int, seconds: float, pause_s: float = 0.0) -> Load:
    """Send calls over ``clients`` connections for about ``seconds``. Raises ``BadAnswer`` for any answer but a 200.

    ``pause_s``: the pause between an answer and the next call; for one client only.
    """
    load = Load()
    connections = [Connection(call) for _ in range(clients)]
    with selectors.DefaultSelector() as selector:
        try:
            for connection in connections:
                selector.register(connection.socket, selectors.EVENT_READ, connection)
            began = time.perf_counter()
            for connection in connections:
                connection.send()
            _serve(selector, load, clients, began + seconds, pause_s)
            load.wall_s = time.perf_counter() - began
        finally:
            for connection in connections:
                connection.socket.close()
    return load


def _serve(selector: selectors.BaseSelector, load: Load, busy: int, until: float, pause_s: float) -> None:
    while busy:
        ready = selector.select(_ANSWER_S)
        if not ready:
            raise BadAnswer(f"no answer within {_ANSWER_S:g} s")
        for key, _ in ready:
            connection: Connection = key.data
            answer = connection.receive()
            if answer is None:
                continue
            now = time.perf_counter()
            load.latencies_s.append(now - connection.sent)
            if timing := _good(answer).header("server-timing"):
                load.timings.append(timing)
            if now < until:
                if pause_s:
                    time.sleep(pause_s)
                connection.send()
            else:
                busy -= 1


def _good(answer: Answer) -> Answer:
    if answer.status != 200:
        raise BadAnswer(f"HTTP {answer.status}: {answer.body[:300].decode('utf-8', 'replace')}")
    return answer
