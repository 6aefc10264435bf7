"""Request ids: each request has one, each response names it, and so does the log of a request that failed."""

import logging
from uuid import uuid4

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from deployments.ingress.error_answers import error_response
from deployments.ingress.errors import InternalError

log = logging.getLogger("graphside.ingress")


class RequestIds:
    """Plain ASGI: sets ``state.request_id`` and ``X-Request-Id``. An unexpected error becomes a 500 with the id."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        is_given, request_id = _request_id_of(scope)
        scope.setdefault("state", {})["request_id"] = request_id
        started = False

        async def send_with_id(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                if not is_given:  # Serve, which gave the id, adds the header by itself
                    message["headers"] = [*message.get("headers", []), (b"x-request-id", request_id.encode())]
            await send(message)

        try:
            await self._app(scope, receive, send_with_id)
        except Exception:
            log.exception("request.failed request_id=%s path=%r", request_id, scope["path"][:200])
            if started:
                raise
            text = f"the server failed on this request; its operator finds the reason in the log under {request_id}"
            response = error_response(InternalError(text), path=scope["path"], request_id=request_id)
            await response(scope, receive, send_with_id)


def _request_id_of(scope: Scope) -> tuple[bool, str]:
    """Return if the request came with an id, and its id.

    Under Serve every request comes with one: the client's, if it was safe, or a new one.
    """
    for name, value in scope["headers"]:
        if name == b"x-request-id":
            return True, str(value.decode("latin-1"))
    return False, uuid4().hex
