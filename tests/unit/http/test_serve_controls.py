import asyncio
import json
import logging
from pathlib import Path
from typing import Any

import pytest
from ray.serve._private.http_util import validate_http_proxy_callback_return
from starlette.types import Message, Receive, Scope, Send

from deployments.ingress.middleware.serve_controls import FrontMiddleware, front_middlewares
from deployments.replica.front_headers import SECRET_FILE, front_secret

Headers = list[tuple[bytes, bytes]]
SECRET = "5" * 64
PROOF = (b"x-graphside-front", SECRET.encode())
UPLOAD = "/api/v2/upload/files/0123"


UNWATCHED = (b"x-request-disconnect-disabled", b"?1")
"""What we add to every request."""


def passed_on(headers: Headers, method: str = "GET", path: str = "/", secret: str | None = None, **scope: Any) -> Scope:
    """The scope that reaches the application."""
    seen: list[Scope] = []

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope)

    async def receive() -> Message:
        raise AssertionError("the body is not ours to read")

    async def send(message: Message) -> None:
        raise AssertionError("nothing is ours to send")

    given = {"type": "http", "method": method, "path": path, "headers": headers, "client": ("127.0.0.1", 5), **scope}
    asyncio.run(FrontMiddleware(application, secret)(given, receive, send))
    assert given["headers"] is headers
    return seen[0]


def test_serve_accepts_the_callback() -> None:
    (middleware,) = validate_http_proxy_callback_return(front_middlewares())
    assert middleware.cls is FrontMiddleware  # type: ignore[comparison-overlap]


@pytest.mark.parametrize(
    "name",
    [
        b"x-request-timeout-seconds",
        b"X-Request-Timeout-Seconds",
        b"x_request_timeout_seconds",
        b"x-request-disconnect-disabled",
        b"X-Request_Disconnect-Disabled",
        b"x-session-id",
        b"x_session_id",
        b"serve_multiplexed_model_id",
        b"serve-multiplexed-model-id",
        b"Serve-Multiplexed_Model-Id",
        b"x-graphside-peer",
        b"x_graphside_peer",
        b"x-graphside-front",
        b"X_Graphside-Front",
    ],
)
def test_a_clients_copy_of_a_control_header_is_dropped(name: bytes) -> None:
    kept = (b"accept", b"*/*")
    assert passed_on([(name, b"1"), kept, (name, b"?1")])["headers"] == [kept, UNWATCHED]


@pytest.mark.parametrize("value", [b"abc-123_x.y", b"a", b"7" * 64])
def test_a_short_plain_request_id_is_kept(value: bytes) -> None:
    assert passed_on([(b"x-request-id", value)])["headers"] == [(b"x-request-id", value), UNWATCHED]


@pytest.mark.parametrize("value", [b"", b"a b", b"a\x1b[31m", b"7" * 65, b"<b>", b'"}', "ü".encode()])
def test_any_other_request_id_is_dropped(value: bytes) -> None:
    assert passed_on([(b"x-request-id", value)])["headers"] == [UNWATCHED]


@pytest.mark.parametrize(("method", "path"), [("POST", UPLOAD), ("POST", "/api-token-auth"), ("GET", "/api/v2/runs")])
def test_serve_reads_no_body_ahead(method: str, path: str) -> None:
    headers = passed_on([(b"x-request-disconnect-disabled", b"?0")], method, path)["headers"]
    assert headers == [UNWATCHED]


@pytest.mark.parametrize(
    ("named", "peer", "client"),
    [
        ([b"192.0.2.9"], ("127.0.0.1", 5), ("192.0.2.9", 0)),
        ([b"2001:db8::9"], ("::1", 5), ("2001:db8::9", 0)),
        ([b"192.0.2.9"], ("198.51.100.1", 5), ("198.51.100.1", 5)),
        ([b"192.0.2.9", b"192.0.2.10"], ("127.0.0.1", 5), ("192.0.2.9", 0)),
        ([b"somebody"], ("127.0.0.1", 5), ("127.0.0.1", 5)),
        ([b"\xff"], ("127.0.0.1", 5), ("127.0.0.1", 5)),
        ([b"192.0.2.9"], ("testclient", 5), ("testclient", 5)),
        ([b"192.0.2.9"], None, None),
        ([], ("127.0.0.1", 5), ("127.0.0.1", 5)),
    ],
)
def test_the_client_is_whom_haproxy_names_where_haproxy_it_is(
    named: list[bytes], peer: tuple[str, int] | None, client: tuple[str, int] | None
) -> None:
    assert passed_on([(b"x-graphside-peer", value) for value in named], client=peer)["client"] == client


def test_a_lifespan_passes_untouched() -> None:
    assert passed_on([], type="lifespan")["client"] == ("127.0.0.1", 5)


def refusal(headers: Headers, middleware: FrontMiddleware | None = None, **scope: Any) -> list[Message]:
    """What is sent to a caller who does not reach the application."""
    sent: list[Message] = []

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        raise AssertionError("the application was reached")

    async def receive() -> Message:
        raise AssertionError("the body is not ours to read")

    async def send(message: Message) -> None:
        sent.append(message)

    given = {"type": "http", "method": "GET", "path": "/", "headers": headers, "client": ("127.0.0.1", 5), **scope}
    asyncio.run((middleware or FrontMiddleware(application, SECRET))(given, receive, send))
    return sent


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [(b"x-graphside-peer", b"192.0.2.9")],
        [(b"x-graphside-front", b"")],
        [(b"x-graphside-front", b"6" * 64)],
        [(b"x-graphside-front", SECRET[:-1].encode())],
        [(b"x-graphside-front", SECRET.encode() + b" ")],
        [(b"x-graphside-front", b"\xff")],
        [PROOF, PROOF],
        [(b"x-graphside-front", b"6" * 64), PROOF],
        [(b"x_graphside_front", SECRET.encode())],
    ],
)
def test_a_caller_who_is_not_the_front_is_refused_in_our_shape(headers: Headers) -> None:
    start, body = refusal(headers, path="/api/v2/datasets/")
    answer = json.loads(body["body"])
    assert (start["status"], answer["type"]) == (403, "Forbidden")
    assert "send the request to the address" in answer["error"]
    assert dict(start["headers"])[b"x-request-id"].decode() == answer["request_id"]


@pytest.mark.parametrize("path", ["/-/healthz/", "/-/healthz/../api", "/healthz", "/-/routes/x", "/-/"])
def test_no_path_but_serves_own_is_open_to_others(path: str) -> None:
    assert refusal([], path=path)[0]["status"] == 403


@pytest.mark.parametrize("path", ["/-/healthz", "/-/routes"])
def test_serves_health_checks_pass_without_the_secret(path: str) -> None:
    assert passed_on([], path=path, secret=SECRET)["path"] == path


def test_a_web_socket_of_somebody_else_is_closed() -> None:
    assert refusal([], type="websocket") == [{"type": "websocket.close", "code": 1008}]


def test_the_front_is_let_in_and_its_secret_goes_no_further() -> None:
    assert passed_on([(b"accept", b"*/*"), PROOF], secret=SECRET)["headers"] == [(b"accept", b"*/*"), UNWATCHED]


@pytest.mark.parametrize("peer", ["127.0.0.1", "10.0.0.7"])
def test_with_a_secret_the_front_names_the_client_from_any_node(peer: str) -> None:
    named = (b"x-graphside-peer", b"192.0.2.9")
    assert passed_on([named, PROOF], secret=SECRET, client=(peer, 5))["client"] == ("192.0.2.9", 0)


@pytest.mark.parametrize(
    "trailer",
    [(b"x-graphside-peer", b"9.9.9.9"), (b"x-forwarded-for", b"9.9.9.9"), (b"authorization", b"Bearer x")],
)
def test_trailers_of_a_body_are_no_headers(trailer: tuple[bytes, bytes]) -> None:
    made = (b"x-request-id", b"made-by-the-front")
    named = (b"x-graphside-peer", b"192.0.2.9")
    scope = passed_on([(b"accept", b"*/*"), named, PROOF, made, trailer], secret=SECRET)
    assert scope["client"] == ("192.0.2.9", 0)
    assert scope["headers"] == [(b"accept", b"*/*"), made, UNWATCHED]


def test_many_refusals_are_one_line_of_the_log(caplog: pytest.LogCaptureFixture) -> None:
    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        raise AssertionError("the application was reached")

    middleware = FrontMiddleware(application, SECRET)
    with caplog.at_level(logging.WARNING, "graphside.front"):
        for _ in range(100):
            refusal([(b"x-graphside-front", b"a guess")], middleware)
    (line,) = caplog.messages
    assert line.startswith("front.bypassed refused=1 last_peer=127.0.0.1")
    assert "a guess" not in line
    assert SECRET not in line


def test_the_secret_is_made_from_the_file_and_does_not_tell_it(tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text("k" * 64 + "\n")
    secret = front_secret({SECRET_FILE: str(key)})
    assert secret == front_secret({SECRET_FILE: str(key)})
    assert secret is not None
    assert "k" * 8 not in secret
    key.write_text("l" * 64 + "\n")
    assert front_secret({SECRET_FILE: str(key)}) != secret


@pytest.mark.parametrize("content", [None, "", "short\n"])
def test_without_a_secret_in_the_file_nothing_starts(
    content: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = tmp_path / "key"
    if content is not None:
        key.write_text(content)
    monkeypatch.setenv(SECRET_FILE, str(key))
    with pytest.raises((OSError, ValueError), match="key"):
        front_middlewares()
