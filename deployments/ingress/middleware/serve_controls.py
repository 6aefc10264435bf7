"""Runs before Serve sees a request: ``RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH`` names ``front_middlewares``.

Some request headers control Serve. From a client, ``x-request-timeout-seconds: 0`` would switch the server's timeout
off, ``x-request-disconnect-disabled`` would stop it from noticing that the client is gone, and ``x-session-id`` and
``serve_multiplexed_model_id`` would choose the replica. So this drops them, in every spelling that Serve reads.

For uploads it then sets one of them itself. Serve reads a body ahead, without limit, to notice a client that leaves.
With ``x-request-disconnect-disabled: ?1`` it gives the socket's own ``receive`` to the application, so that a body is
read only as fast as it is stored and costs no memory. The application notices by reading that the client is gone.
"""

import re
from functools import lru_cache
from ipaddress import ip_address

from starlette.middleware import Middleware
from starlette.types import ASGIApp, Receive, Scope, Send

PEER_HEADER = b"x-graphside-peer"
"""The client's address as seen by HAProxy, which stands in front of us (``deployments/launch/front.py``)."""

_SERVE_CONTROLS = frozenset(
    (
        b"x-request-timeout-seconds",
        b"x-request-disconnect-disabled",
        b"x-session-id",
        b"serve-multiplexed-model-id",
    )
)
_SAFE_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_UPLOAD_PREFIX = "/api/v2/upload/"
_UPLOAD_METHODS = ("POST", "PUT", "PATCH")


class FrontMiddleware:
    """Plain ASGI. Changes the scope only: no body passes through it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket"):
            scope = {**scope, "headers": _kept(scope["headers"]), "client": _client(scope)}
            if _streams(scope):
                scope["headers"].append((b"x-request-disconnect-disabled", b"?1"))
        await self._app(scope, receive, send)


def front_middlewares() -> list[Middleware]:
    """Return the middleware for replicas that answer HTTP themselves and for Serve's fallback proxy."""
    return [Middleware(FrontMiddleware)]


def _kept(headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """Return the headers without Serve's controls, our peer header, and request ids that are unsafe in logs."""
    kept = []
    for name, value in headers:
        spelled = name.lower().replace(b"_", b"-")
        if spelled in _SERVE_CONTROLS or spelled == PEER_HEADER:
            continue
        if spelled == b"x-request-id" and (name != b"x-request-id" or not _SAFE_REQUEST_ID.fullmatch(value)):
            continue
        kept.append((name, value))
    return kept


def _client(scope: Scope) -> tuple[str, int] | None:
    """Return the peer that HAProxy names, if the connection is a loopback one; else the socket's own peer."""
    client: tuple[str, int] | None = scope.get("client")
    named = [value for name, value in scope["headers"] if name.lower() == PEER_HEADER]
    if client is None or len(named) != 1:
        return client
    believed = _believed(client[0], named[0])
    return client if believed is None else (believed, 0)


@lru_cache(maxsize=1024)
def _believed(peer: str, named: bytes) -> str | None:
    try:
        return str(ip_address(named.decode("ascii"))) if ip_address(peer).is_loopback else None
    except (ValueError, UnicodeDecodeError):
        return None


def _streams(scope: Scope) -> bool:
    return scope["type"] == "http" and scope["method"] in _UPLOAD_METHODS and scope["path"].startswith(_UPLOAD_PREFIX)
