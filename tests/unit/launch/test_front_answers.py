"""What the front answers by itself, asked over a socket: HAProxy with our configuration, before a small server."""

import json
import os
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from http.client import HTTPResponse, RemoteDisconnected, parse_headers
from io import BytesIO
from pathlib import Path
from typing import Any, NamedTuple

import jsonschema_rs
import pytest

from deployments.ingress.error_answers import FAMILIES
from deployments.launch import front, haproxy_config
from deployments.launch.haproxy_config import FrontOptions
from tests.document import openapi
from tests.free_ports import free_port
from tests.unit.launch.test_front import rendered
from tests.waiting import WITHIN_S, eventually

Serving = Callable[[bytes], bytes]
SECRET = "5" * 64
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
HOST = b" HTTP/1.1\r\nHost: a\r\n"


class Answer(NamedTuple):
    """A response. ``json`` is None if the body is none."""

    status: int
    headers: Any
    json: Any


class Front:
    """A running front. ``seen`` has the requests that reached the server behind it."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.seen: list[bytes] = []

    def connect(self, address: str = "127.0.0.1") -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=WITHIN_S, source_address=(address, 0))

    def ask(self, request: bytes) -> Answer:
        with closing(self.connect()) as connection:
            connection.sendall(request)
            return answer_on(connection)


def answer_on(connection: socket.socket) -> Answer:
    response = HTTPResponse(connection)
    response.begin()
    body = response.read()
    is_json = response.headers["Content-Type"] == "application/json"
    return Answer(response.status, response.headers, json.loads(body) if is_json else None)


def assert_error(answer: Answer, status: int, kind: str) -> None:
    assert answer.json is not None, answer
    assert (answer.status, answer.json["type"]) == (status, kind)
    assert answer.json["request_id"] == answer.headers["X-Request-Id"]
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert jsonschema_rs.is_valid(openapi()["components"]["schemas"]["Error"], answer.json)
    for family in FAMILIES:  # the front does not look at paths
        told = family.fields(answer.json["error"])
        assert answer.json | told == answer.json, family.name


@contextmanager
def replica(serve: Serving, seen: list[bytes]) -> Iterator[int]:
    """Yield the port of a server that is healthy and answers a request's first bytes with what ``serve`` makes."""

    def handle(connection: socket.socket) -> None:
        with connection, suppress(OSError):  # HAProxy may leave first
            request = connection.recv(65536)
            if b"/-/healthz" in request:
                connection.sendall(OK)
            else:
                seen.append(request)
                connection.sendall(serve(request))

    def accept(listener: socket.socket) -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=handle, args=(connection,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=accept, args=(listener,))
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


@contextmanager
def running(
    folder: Path,
    serve: Serving | None = None,
    *,
    with_app: bool = True,
    change: tuple[str, str] = ("", ""),
    **options: Any,
) -> Iterator[Front]:
    """Yield a front before ``serve``; before a port where nobody listens if there is none."""
    found = Front(free_port())
    with replica(serve or (lambda _: b""), found.seen) as behind:
        configuration = rendered(
            folder, with_app, port=found.port, replica=behind if serve else free_port(),
            metrics=free_port(), stats=free_port(),
        )  # fmt: skip
        corrected = haproxy_config.corrected(configuration, FrontOptions(has_secret=True, **options))
        (folder / "h.cfg").write_text(corrected.replace(*change) if change[0] else corrected)
        haproxy = subprocess.Popen(
            [front._haproxy(), "-db", "-f", str(folder / "h.cfg")],
            stderr=subprocess.DEVNULL, env={**os.environ, haproxy_config.SECRET: SECRET},
        )  # fmt: skip
        try:
            eventually(lambda: _listens(found.port))
            yield found
        finally:
            haproxy.kill()
            haproxy.wait()


def _listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


@pytest.fixture(scope="module")
def before_a_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Front]:
    with running(tmp_path_factory.mktemp("front"), lambda _: OK) as found:
        yield found


@pytest.mark.parametrize(
    ("with_app", "serve", "status", "kind"),
    [
        (False, None, 503, "Overloaded"),
        (True, None, 503, "Overloaded"),
        (True, lambda _: b"", 500, "InternalError"),
    ],
    ids=["no app", "unreachable", "silent"],
)
def test_without_an_answer_from_below_the_error_is_as_the_document_has_it(
    with_app: bool, serve: Serving | None, status: int, kind: str, tmp_path: Path
) -> None:
    with running(tmp_path, serve, with_app=with_app) as found:
        answer = found.ask(b"GET /api/v2/files/" + HOST + b"\r\n")
    assert_error(answer, status, kind)
    assert answer.headers["Retry-After"] == ("1" if status == 503 else None)


@pytest.mark.parametrize("status", [400, 408, 500, 503])
def test_plain_text_of_the_http_server_below_becomes_our_shape(status: int, tmp_path: Path) -> None:
    text = b"HTTP/1.1 %d X\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 3\r\n\r\nno!" % status
    with running(tmp_path, lambda _: text) as found:
        answer = found.ask(b"GET /" + HOST + b"\r\n")
    kinds = {400: "InvalidRequest", 408: "BodyTooSlow", 500: "InternalError", 503: "Overloaded"}
    assert_error(answer, status, kinds[status])


@pytest.mark.parametrize(
    ("request_", "status", "kind"),
    [
        (b"BREW /" + HOST + b"\r\n", 405, "MethodNotAllowed"),
        (b"get /" + HOST + b"\r\n", 405, "MethodNotAllowed"),
        (b"CONNECT a:80" + HOST + b"\r\n", 405, "MethodNotAllowed"),
        (b"PROPFIND /" + HOST + b"\r\n", 405, "MethodNotAllowed"),
        (b"OPTIONS *" + HOST + b"\r\n", 400, "InvalidRequest"),
        (b"GET /" + HOST + b"X: " + b"a" * 60_000 + b"\r\n\r\n", 431, "InvalidRequest"),
        (b"GET /" + HOST + b"Cookie: " + b"a" * 17_000 + b"\r\n\r\n", 431, "InvalidRequest"),
        (b"GET /" + HOST + b"".join(b"x%d: 1\r\n" % n for n in range(150)) + b"\r\n", 431, "InvalidRequest"),
        (b"GET /?" + b"a" * 9_000 + HOST + b"\r\n", 414, "UrlTooLong"),
        (b"POST /" + HOST + b"Content-Length: 1" + b"0" * 18 + b"\r\n\r\n", 413, "TooLarge"),
        (b"POST /" + HOST + b"Content-Length: 18446744073709551616\r\n\r\n", 413, "TooLarge"),
    ],
)  # fmt: skip
def test_what_no_route_takes_is_refused_in_our_shape(
    request_: bytes, status: int, kind: str, before_a_server: Front
) -> None:
    before = len(before_a_server.seen)
    answer = before_a_server.ask(request_)
    assert_error(answer, status, kind)
    assert len(before_a_server.seen) == before
    if status == 405:
        assert answer.headers["Allow"] == "DELETE, GET, HEAD, OPTIONS, PATCH, POST, PUT"


def test_what_comes_after_the_proof_is_no_header_of_the_client(before_a_server: Front) -> None:
    """Trailers come last of all, where the app would take them for headers."""
    chunked = b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nx-graphside-peer: 9.9.9.9\r\n\r\n"
    own = b"X-Own: 1\r\nX-Graphside-Front: 1\r\n"
    assert before_a_server.ask(b"POST /trailers" + HOST + own + chunked).status == 200
    head = before_a_server.seen[-1].lower().partition(b"\r\n\r\n")[0]
    names = [line.partition(b":")[0] for line in head.split(b"\r\n")[1:]]
    proof = names.index(b"x-graphside-front")
    assert names.index(b"x-own") < names.index(b"x-graphside-peer") < proof
    assert set(names[proof + 1 :]) <= {b"x-request-id"}


def test_values_between_commas_are_no_headers(before_a_server: Front) -> None:
    many = b"Accept-Language: " + b",".join([b"en"] * 300) + b"\r\n\r\n"
    assert before_a_server.ask(b"GET /commas" + HOST + many).status == 200


@pytest.mark.parametrize("length", [2**31 - 1, 2**31, 2**32, 2**32 + 5, 2**33 + 1, 10**17 - 1])
def test_a_huge_body_is_announced_to_the_app_at_once_which_refuses_it(length: int, before_a_server: Front) -> None:
    assert before_a_server.ask(b"POST /huge" + HOST + b"Content-Length: %d\r\n\r\n" % length).status == 200
    assert b"content-length: %d\r\n" % length in before_a_server.seen[-1].lower()


@pytest.mark.parametrize(
    "request_",
    [
        b"POST /" + HOST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
        b"POST /" + HOST + b"Content-Length: +5\r\n\r\nabcde",
        b"POST /" + HOST + b"Content-Length: -5\r\n\r\nabcde",
        b"POST /" + HOST + b"Content-Length: 0x10\r\n\r\nabcde",
        b"POST /" + HOST + b"Content-Length: 5, 6\r\n\r\nabcdef",
        b"POST /" + HOST + b"Content-Length: 5\r\nContent-Length : 5\r\n\r\nabcde",
        b"POST /" + HOST + b"Transfer-Encoding: gzip, chunked\r\n\r\n5\r\nabcde\r\n0\r\n\r\n",
        b"POST /" + HOST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nabcde\r\n0\r\n\r\n",
        b"GARBAGE\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ],
)
def test_bytes_that_are_not_http_1_never_reach_a_replica(request_: bytes, before_a_server: Front) -> None:
    before = len(before_a_server.seen)
    assert 400 <= before_a_server.ask(request_).status < 500
    assert len(before_a_server.seen) == before


def test_an_upgrade_to_http_2_is_ignored(before_a_server: Front) -> None:
    asked = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n\r\n"
    assert before_a_server.ask(b"GET /h2c" + HOST + asked).status == 200


def test_a_request_with_a_length_and_chunks_has_its_chunks_only(before_a_server: Front) -> None:
    asked = b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n5;name=value\r\nabcde\r\n0\r\n\r\n"
    assert before_a_server.ask(b"POST /both" + HOST + asked).status == 200
    seen = before_a_server.seen[-1].lower()
    assert b"content-length" not in seen
    assert b"name=value" not in seen


def test_replicas_get_the_secret_and_the_peer_and_no_copy_of_the_clients(before_a_server: Front) -> None:
    forged = b"X-Graphside-Front: forged\r\nx-graphside-front: again\r\nX-Graphside-Peer: 192.0.2.1\r\n\r\n"
    assert before_a_server.ask(b"GET /forged" + HOST + forged).status == 200
    head = before_a_server.seen[-1].partition(b"\r\n")[2]
    headers = parse_headers(BytesIO(head))
    assert headers.get_all("x-graphside-front") == [SECRET]
    assert headers.get_all("x-graphside-peer") == ["127.0.0.1"]


SHORT_WAIT = ("wait-for-body time 15s", "wait-for-body time 300ms")


@pytest.mark.parametrize(
    "head",
    [
        b"Content-Length: 10\r\n\r\n12345",
        b"Content-Length: 16384\r\n\r\n",
        b"Content-Length: 100000\r\n\r\n" + b"a" * 1000,
        b"Transfer-Encoding: chunked\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n",
    ],
)
def test_a_body_that_does_not_come_takes_no_place_at_a_replica(head: bytes, tmp_path: Path) -> None:
    with running(tmp_path, lambda _: OK, change=SHORT_WAIT) as found:
        assert_error(found.ask(b"POST /" + HOST + head), 408, "BodyTooSlow")
        assert found.seen == []


def test_a_large_body_is_handed_on_once_it_has_begun(tmp_path: Path) -> None:
    with running(tmp_path, lambda _: OK) as found:
        asked = b"POST /" + HOST + b"Content-Length: 100000\r\n\r\n" + b"a" * 20_000
        assert found.ask(asked).status == 200


def test_an_answer_may_take_longer_than_a_client_may_be_idle(tmp_path: Path) -> None:
    def slow(_: bytes) -> bytes:
        time.sleep(2.5)
        return OK

    with running(tmp_path, slow, change=("timeout client 120s", "timeout client 1s")) as found:
        assert found.ask(b"POST /" + HOST + b"Content-Length: 2\r\n\r\nab").status == 200


def test_an_address_has_so_many_connections_and_others_have_theirs(tmp_path: Path) -> None:
    with running(tmp_path, lambda _: OK, connections_per_address=3) as found:
        held: list[socket.socket] = []

        def one_more() -> Answer:
            held.append(found.connect())
            held[-1].sendall(b"GET /" + HOST + b"\r\n")
            return answer_on(held[-1])

        try:
            assert [one_more().status for _ in range(3)] == [200, 200, 200]
            refused = one_more()
            with closing(found.connect("127.0.0.2")) as other:
                other.sendall(b"GET /" + HOST + b"\r\n")
                assert answer_on(other).status == 200
            with pytest.raises((ConnectionError, RemoteDisconnected)):  # past twice the limit nothing is accepted
                for _ in range(6):
                    held.append(found.connect())
                one_more()
        finally:
            for connection in held:
                connection.close()
    assert_error(refused, 429, "TooManyRequests")
    assert refused.headers["Retry-After"] == "1"


def test_a_trusted_forwarder_has_no_limit(tmp_path: Path) -> None:
    trusted = ("127.0.0.0/8",)
    with running(tmp_path, lambda _: OK, connections_per_address=1, trusted_forwarders=trusted) as found:
        held = [found.connect() for _ in range(4)]
        held[3].sendall(b"GET /" + HOST + b"\r\n")
        assert answer_on(held[3]).status == 200
        for connection in held:
            connection.close()
