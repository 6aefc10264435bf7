import asyncio
from typing import Any

import pytest
from ray.serve._private.http_util import validate_http_proxy_callback_return
from starlette.types import Message, Receive, Scope, Send

from deployments.ingress.middleware.serve_controls import FrontMiddleware, front_middlewares

Headers = list[tuple[bytes, bytes]]
UPLOAD = "/api/v2/upload/files/0123"


def passed_on(headers: Headers, method: str = "GET", path: str = "/", **scope: Any) -> Scope:
    """The scope that reaches the application."""
    seen: list[Scope] = []

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope)

    async def receive() -> Message:
        raise AssertionError("the body is not ours to read")

    async def send(message: Message) -> None:
        raise AssertionError("nothing is ours to send")

    given = {"type": "http", "method": method, "path": path, "headers": headers, "client": ("127.0.0.1", 5), **scope}
    asyncio.run(FrontMiddleware(application)(given, receive, send))
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
    ],
)
def test_a_clients_copy_of_a_control_header_is_dropped(name: bytes) -> None:
    kept = (b"accept", b"*/*")
    assert passed_on([(name, b"1"), kept, (name, b"?1")])["headers"] == [kept]


@pytest.mark.parametrize("value", [b"abc-123_x.y", b"a", b"7" * 64])
def test_a_short_plain_request_id_is_kept(value: bytes) -> None:
    assert passed_on([(b"x-request-id", value)])["headers"] == [(b"x-request-id", value)]


@pytest.mark.parametrize("value", [b"", b"a b", b"a\x1b[31m", b"7" * 65, b"<b>", b'"}', "ü".encode()])
def test_any_other_request_id_is_dropped(value: bytes) -> None:
    assert passed_on([(b"x-request-id", value)])["headers"] == []


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
@pytest.mark.parametrize("path", [UPLOAD, UPLOAD + "/", "/api/v2/upload/datasets/0123/edges/arrow"])
def test_uploads_stream(method: str, path: str) -> None:
    headers = passed_on([(b"x-request-disconnect-disabled", b"?0")], method, path)["headers"]
    assert headers == [(b"x-request-disconnect-disabled", b"?1")]


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", UPLOAD), ("DELETE", UPLOAD), ("POST", "/api/v2/datasets/0123/python"), ("POST", "/api/v2/uploads/x")],
)
def test_other_calls_notice_a_client_that_leaves(method: str, path: str) -> None:
    assert passed_on([], method, path)["headers"] == []


@pytest.mark.parametrize(
    ("named", "peer", "client"),
    [
        ([b"192.0.2.9"], ("127.0.0.1", 5), ("192.0.2.9", 0)),
        ([b"2001:db8::9"], ("::1", 5), ("2001:db8::9", 0)),
        ([b"192.0.2.9"], ("198.51.100.1", 5), ("198.51.100.1", 5)),
        ([b"192.0.2.9", b"192.0.2.10"], ("127.0.0.1", 5), ("127.0.0.1", 5)),
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
