"""Large bodies over a raw socket, against a server that answers what it is told."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bench.client import BadAnswer, Call
from bench.transfer import download, upload
from tests.waiting import WITHIN_S


@contextmanager
def answering(answer: bytes, took: list[bytes] | None = None) -> Iterator[int]:
    """A port that answers one request so and closes the connection."""

    def serve(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            data = b""
            while b"\r\n\r\n" not in data:
                data += connection.recv(65536)
            head, _, body = data.partition(b"\r\n\r\n")
            (length,) = (int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.startswith(b"Content-Length"))
            while len(body) < length:
                body += connection.recv(65536)
            if took is not None:
                took.append(body)
            connection.sendall(answer)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        yield listener.getsockname()[1]
        thread.join(WITHIN_S)


def answer_of(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    lines = (f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers)
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def test_an_answer_is_read_to_its_end_and_kept_where_asked(tmp_path: Path) -> None:
    body = b"0123456789" * 300_000
    into = tmp_path / "answer"
    with answering(answer_of(body, "Server-Timing: run;dur=1.50, encode;dur=2")) as port:
        moved = download(Call.post("127.0.0.1", port, "/", {}), into)
    assert into.read_bytes() == body
    assert moved.byte_count == len(body)
    assert moved.phases_ms["run"] == 1.5
    assert moved.phases_ms["rest"] == pytest.approx(moved.seconds * 1000 - 3.5)


def test_a_file_is_sent_whole(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"abc" * 1_000_000)
    took: list[bytes] = []
    with answering(answer_of(b"{}"), took) as port:
        moved = upload("127.0.0.1", port, "/upload", file, {})
    assert took == [file.read_bytes()]
    assert moved.byte_count == 3_000_000


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (answer_of(b"no such thing", status="404 Not Found"), "HTTP 404: no such thing"),
        (answer_of(b"whole")[:-2], "in the middle of an answer"),
        (b"HTTP/1.1 200 OK\r\n\r\nendless", "without Content-Length"),
        (b"HTTP/1.1 200 OK\r\nContent-Le", "in the middle of an answer"),
    ],
)
def test_what_is_no_good_answer_is_an_error(answer: bytes, says: str) -> None:
    with answering(answer) as port, pytest.raises(BadAnswer, match=says):
        download(Call.post("127.0.0.1", port, "/", {}))
