"""Clients that wait for a limited time report answers, failures and silence."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from bench.client import Call
from bench.peers.attempts import Attempt, attempt

ANSWERS = {
    "good": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}",
    "failure": b"HTTP/1.1 504 Gateway Timeout\r\nContent-Length: 4\r\n\r\nlate",
    "cut": b"HTTP/1.1 200 OK\r\nContent-Length: 200\r\n\r\n{}",
    "silence": None,
}


@pytest.fixture
def port() -> Iterator[int]:
    """Return the port of a server that answers ``POST /<name of an answer>`` and keeps silent connections open."""
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        threading.Thread(target=_serve, args=(listening,), daemon=True).start()
        yield listening.getsockname()[1]


def _serve(listening: socket.socket) -> None:
    silent = []
    while True:
        try:
            connection, _ = listening.accept()
        except OSError:
            return
        answer = ANSWERS[connection.recv(4096).split()[1].decode().strip("/")]
        if answer is None:
            silent.append(connection)
            continue
        with connection:
            connection.sendall(answer)


def one(port: int, path: str, patience_s: float = 30.0) -> Attempt:
    (only,) = attempt(Call.post("127.0.0.1", port, f"/{path}", {}), 1, patience_s)
    return only


def test_an_answer_is_good_and_has_its_body(port: int) -> None:
    told = one(port, "good")
    assert (told.good, told.body) == (True, "{}")
    assert told.seconds is not None


def test_a_failure_is_told_with_its_time(port: int) -> None:
    told = one(port, "failure")
    assert (told.good, told.said) == (False, "HTTP 504: late")
    assert told.seconds is not None


def test_a_connection_that_is_cut_is_a_failure(port: int) -> None:
    told = one(port, "cut")
    assert not told.good
    assert told.said == "the server closed the connection in the middle of an answer"


def test_silence_ends_with_patience(port: int) -> None:
    began = time.monotonic()
    told = attempt(Call.post("127.0.0.1", port, "/silence", {}), 3, 0.2)
    assert told == [Attempt()] * 3
    assert 0.2 <= time.monotonic() - began < 10


def test_nobody_listening_is_told() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as listening:
        port = listening.getsockname()[1]
    told = one(port, "good")
    assert not told.good
    assert told.said.startswith("no connection: ")
