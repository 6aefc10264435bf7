"""One large body, sent or received without holding it: ``client`` measures calls, this measures bytes."""

import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from bench.client import Answer, BadAnswer, Call

_ANSWER_S = 600.0
_BLOCK_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Transfer:
    """The time and size of one transfer.

    ``seconds``: from the first byte sent to the last one received. ``byte_count``: the size of the body that was moved.
    ``body``: the answer's body, if it was asked for.
    """

    seconds: float
    byte_count: int
    answer: Answer

    @property
    def phases_ms(self) -> dict[str, float]:
        """The parts of ``Server-Timing``, and ``rest``: what the server does not name, with the network's time."""
        timing = self.answer.header("server-timing") or ""
        phases = {}
        for metric in filter(None, timing.split(",")):
            name, _, duration = metric.strip().partition(";dur=")
            phases[name] = float(duration)
        return {**phases, "rest": self.seconds * 1000 - sum(phases.values())}


def download(call: Call, into: Path | None = None) -> Transfer:
    """Make one call whose answer is read as it comes, and dropped or written to a file. Raises ``BadAnswer``."""
    with _connected(call.host, call.port) as connection:
        began = time.perf_counter()
        connection.sendall(call.payload)
        if into is None:
            return _receive(connection, began, None)
        with into.open("wb") as file:
            return _receive(connection, began, file)


def upload(host: str, port: int, path: str, file: Path, headers: Mapping[str, str]) -> Transfer:
    """POST a file's bytes, which the kernel sends. Raises ``BadAnswer``."""
    byte_count = file.stat().st_size
    fields = {"Host": f"{host}:{port}", "Content-Length": str(byte_count), **headers}
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    with _connected(host, port) as connection, file.open("rb") as body:
        began = time.perf_counter()
        connection.sendall(f"POST {path} HTTP/1.1\r\n{head}\r\n".encode())
        connection.sendfile(body)
        answered = _receive(connection, began, None)
    return Transfer(answered.seconds, byte_count, answered.answer)


def _connected(host: str, port: int) -> socket.socket:
    connection = socket.create_connection((host, port), timeout=_ANSWER_S)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def _receive(connection: socket.socket, began: float, file: BinaryIO | None) -> Transfer:
    data = bytearray()
    while (end := data.find(b"\r\n\r\n")) < 0:
        data += _some(connection)
    head = Answer(int(data[9:12]), bytes(data[:end]), b"")
    length = head.header("content-length")
    if length is None:
        raise BadAnswer(f"an answer without Content-Length: {head.head[:200]!r}")
    body = data[end + 4 :]
    if head.status != 200:
        while len(body) < int(length):
            body += _some(connection)
        raise BadAnswer(f"HTTP {head.status}: {body[:300].decode('utf-8', 'replace')}")
    _rest(connection, body, int(length), file)
    return Transfer(time.perf_counter() - began, int(length), head)


def _rest(connection: socket.socket, first: bytearray, length: int, file: BinaryIO | None) -> None:
    if file is not None:
        file.write(first)
    received = len(first)
    block = memoryview(bytearray(_BLOCK_BYTES))
    while received < length:
        count = connection.recv_into(block)
        if count == 0:
            raise BadAnswer("the server closed the connection in the middle of an answer")
        if file is not None:
            file.write(block[:count])
        received += count


def _some(connection: socket.socket) -> bytes:
    data = connection.recv(_BLOCK_BYTES)
    if not data:
        raise BadAnswer("the server closed the connection in the middle of an answer")
    return data
