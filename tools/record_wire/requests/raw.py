"""Requests that no client library sends: written to a socket as they are."""

import socket
from typing import Final

from tools.record_wire.asking import NOBODY, Body, Request
from tools.record_wire.cast import Cast, made_up
from tools.record_wire.coverage import operations_of
from tools.record_wire.exchange import Header
from tools.record_wire.wire import Wire

_WAIT_S: Final = 20.0
_LARGE: Final = 2**30 + 1
"""More than any body may have."""


def ask(wire: Wire, cast: Cast) -> None:
    """The first line is what is told of each in the recording."""
    wire.section = "raw"
    token = f"Authorization: Bearer {cast.ann.token}\r\n"
    host = "Host: x\r\n"
    run = f"/api/v2/datasets/{cast.people}/python"
    upload = f"/api/v2/upload/datasets/{cast.people}/edges/arrow"
    for name, text in {
        "no HTTP": "GARBAGE\r\n\r\n",
        "no host": "GET /healthz HTTP/1.1\r\n\r\n",
        "HTTP/1.0": "GET /healthz HTTP/1.0\r\n\r\n",
        "whole address": f"GET http://x/healthz HTTP/1.1\r\n{host}\r\n",
        "small letters": f"get /healthz HTTP/1.1\r\n{host}\r\n",
        "a long head": f"GET /healthz HTTP/1.1\r\n{host}X-Long: {'x' * 20_000}\r\n\r\n",
        "a long address": f"GET /{'x' * 9_000} HTTP/1.1\r\n{host}\r\n",
        "blank in the address": f"GET /health z HTTP/1.1\r\n{host}\r\n",
        "two lengths": f"POST /login HTTP/1.1\r\n{host}Content-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        "no length": f"POST /login HTTP/1.1\r\n{host}Content-Length: x\r\n\r\n",
        "run of an announced length": f"POST {run} HTTP/1.1\r\n{host}{token}Content-Length: {_LARGE}\r\n\r\n",
        "upload of an announced length": f"POST {upload} HTTP/1.1\r\n{host}{token}Content-Length: {_LARGE}\r\n\r\n",
        "foreign host": "GET /api/v2/users/me HTTP/1.1\r\nHost: evil.example\r\n\r\n",
        "two tokens": f"GET /api/v2/users/me HTTP/1.1\r\n{host}{token}Authorization: Bearer a.b.c\r\n\r\n",
        "null in a header": f"GET /healthz HTTP/1.1\r\n{host}X-A: a\0b\r\n\r\n",
    }.items():
        method, _, rest = text.partition("\r\n")[0].partition(" ")
        shown = rest.replace(cast.people, "people")[:100]
        status, headers, content = _asked(wire.server.port, text.encode())
        wire.keep_raw(name, Request(method, shown, NOBODY, body=Body(b"as it is")), status, headers, content)
    for (method, path), described in operations_of(wire.document).items():
        if "application/json" in described.get("requestBody", {}).get("content", {}):
            _announce(wire, cast, method, path)


def _announce(wire: Wire, cast: Cast, method: str, path: str) -> None:
    """A body that is too large, and of which nothing comes."""
    request = Request(method, path, cast.admin, made_up(path), headers={"Content-Length": str(_LARGE)})
    lines = [f"{method} {request.url} HTTP/1.1", "Host: x"]
    lines += [f"{name}: {value}" for name, value in request.sent_headers.items()]
    answer = _asked(wire.server.port, "\r\n".join((*lines, "", "")).encode())
    wire.keep_raw(f"{method} {path} of an announced length", request, *answer)


def _asked(port: int, content: bytes) -> tuple[int, list[Header], bytes]:
    """Status, headers and body of the answer; status 0 where there is none."""
    received = b""
    with socket.create_connection(("127.0.0.1", port), timeout=_WAIT_S) as connection:
        connection.sendall(content)
        try:
            while not _is_whole(received) and (piece := connection.recv(65_536)):
                received += piece
        except (TimeoutError, ConnectionResetError):
            pass
    head, _, body = received.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    if not first.startswith("HTTP/"):
        return 0, [], received
    pairs = (line.partition(":") for line in lines)
    return int(first.split()[1]), [(name.lower(), value.strip()) for name, _, value in pairs], body


def _is_whole(received: bytes) -> bool:
    head, gap, body = received.partition(b"\r\n\r\n")
    lengths = [line.partition(b":")[2] for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
    return bool(gap) and bool(lengths) and len(body) >= int(lengths[0])
