"""Runs before Serve sees a request: ``RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH`` names ``front_middlewares``.

Only the front may send requests here (``deployments/replica/front_headers.py``). Anybody else on the machine could
connect to this port, past the front's limits, and say that the request came from any address.

Some request headers control Serve. From a client, ``x-request-timeout-seconds: 0`` would switch the server's timeout
off, ``x-request-disconnect-disabled`` would stop it from noticing that the client is gone, and ``x-session-id`` and
``serve_multiplexed_model_id`` would choose the replica. So this drops them, in every spelling that Serve reads.

It then sets one of them itself. Serve reads a body ahead, without limit and before anybody has asked who sends it, to
notice a client that leaves. With ``x-request-disconnect-disabled: ?1`` it gives the socket's own ``receive`` to the
application, so that a body is read only as fast as it is used. ``transfers.py`` notices that the client is gone.
"""

import hmac
import logging
import os
import re
import time
from functools import lru_cache
from ipaddress import ip_address
from typing import Final, Literal
from uuid import uuid4

from starlette.middleware import Middleware
from starlette.types import ASGIApp, Receive, Scope, Send

from auth.errors import Forbidden
from deployments.ingress.error_answers import error_response
from deployments.replica.front_headers import FRONT_HEADER, PEER_HEADER, front_secret

log = logging.getLogger("graphside.front")

Headers = list[tuple[bytes, bytes]]

_FRONT: Final = FRONT_HEADER.encode()
_PEER: Final = PEER_HEADER.encode()
_REQUEST_ID: Final = b"x-request-id"
_OPEN_PATHS: Final = ("/-/healthz", "/-/routes")
"""Serve answers these by itself, for health checks. They say which applications there are."""

_REFUSAL: Final = (
    "this port answers the server's own front only; send the request to the address that the server's start printed"
)
_LOG_EVERY_S: Final = 60.0
_SERVE_CONTROLS = frozenset(
    (
        b"x-request-timeout-seconds",
        b"x-request-disconnect-disabled",
        b"x-session-id",
        b"serve-multiplexed-model-id",
    )
)
_USUAL_CHARACTERS: Final = 64
"""Longer names of headers are not remembered. All that have a meaning here are shorter."""

_SAFE_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,64}")


class FrontMiddleware:
    """Plain ASGI. Refuses what did not come through the front, and changes the scope. No body passes through it.

    ``secret`` is the front's; None lets everybody in, because the server was started without one.
    """

    def __init__(self, app: ASGIApp, secret: str | None = None) -> None:
        self._app = app
        self._secret = None if secret is None else secret.encode()
        self._refused = 0
        self._logged = -_LOG_EVERY_S

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket"):
            if not self._is_from_the_front(scope):
                await self._refuse(scope, receive, send)
                return
            head = self._head(scope["headers"])
            scope = {**scope, "headers": _kept(head), "client": self._client(scope.get("client"), head)}
            if scope["type"] == "http":
                scope["headers"].append((b"x-request-disconnect-disabled", b"?1"))
        await self._app(scope, receive, send)

    def _is_from_the_front(self, scope: Scope) -> bool:
        if self._secret is None:
            return True
        proofs = [value for name, value in scope["headers"] if name == _FRONT]
        if len(proofs) == 1 and hmac.compare_digest(proofs[0], self._secret):
            return True
        return scope["type"] == "http" and scope["path"] in _OPEN_PATHS

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._refused += 1
        if time.monotonic() - self._logged >= _LOG_EVERY_S:  # anybody on the machine can cause this line
            peer = (scope.get("client") or ("unknown",))[0]
            log.warning(
                "front.bypassed refused=%d last_peer=%s hint=%s",
                self._refused,
                peer,
                "if this is the front itself, its node has another secret: all nodes need the same file of Ray's token",
            )
            self._logged, self._refused = time.monotonic(), 0
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        request_id = uuid4().hex
        answer = error_response(Forbidden(_REFUSAL), path=scope["path"], request_id=request_id)
        answer.headers.update({"Cache-Control": "no-store", "X-Request-Id": request_id})
        await answer(scope, receive, send)

    def _head(self, headers: Headers) -> Headers:
        """Return the headers without the trailers of a chunked body, which uvicorn adds to them if they have come.

        The front's proof is the last header of the head, but for a request id that the front made.
        """
        proof = next((place for place, (name, _) in enumerate(headers) if name == _FRONT), None)
        if self._secret is None or proof is None:
            return headers
        return [*headers[:proof], *(header for header in headers[proof + 1 :] if header[0] == _REQUEST_ID)]

    def _client(self, client: tuple[str, int] | None, head: Headers) -> tuple[str, int] | None:
        """Return the peer that the front names, else the socket's own peer.

        The front's own header is the first of its name: it replaces the client's, and trailers come later. Without a
        secret, the front is believed to be whoever connects from this machine.
        """
        named = [value for name, value in head if name == _PEER]
        if client is None or not named or (self._secret is None and not _is_loopback(client[0])):
            return client
        believed = _address(named[0])
        return client if believed is None else (believed, 0)


def front_middlewares() -> list[Middleware]:
    """Return the middleware for replicas that answer HTTP themselves and for Serve's fallback proxy.

    Raises ``OSError`` or ``ValueError`` if the front's secret cannot be had: then nobody may be let in.
    """
    return [Middleware(FrontMiddleware, secret=front_secret(os.environ))]


def _kept(headers: Headers) -> Headers:
    """Return the headers without Serve's controls, the front's own, and request ids that are unsafe in logs."""
    kept = []
    for header in headers:
        use = _use_of(header[0]) if len(header[0]) <= _USUAL_CHARACTERS else "any"
        if use == "any" or (use == "id" and _SAFE_REQUEST_ID.fullmatch(header[1])):
            kept.append(header)
    return kept


@lru_cache(maxsize=1024)
def _use_of(name: bytes) -> Literal["any", "id", "none"]:
    """Return which values of a header pass: any, those that are safe request ids, or none."""
    spelled = name.lower().replace(b"_", b"-")
    if spelled == _REQUEST_ID:
        return "id" if name == spelled else "none"
    return "none" if spelled in _SERVE_CONTROLS or spelled in (_PEER, _FRONT) else "any"


@lru_cache(maxsize=1024)
def _address(named: bytes) -> str | None:
    try:
        return str(ip_address(named.decode("ascii")))
    except (ValueError, UnicodeDecodeError):
        return None


@lru_cache(maxsize=64)
def _is_loopback(peer: str) -> bool:
    try:
        return ip_address(peer).is_loopback
    except ValueError:
        return False
