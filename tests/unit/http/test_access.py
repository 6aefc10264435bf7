"""Routes enforce what they declare: the caller is decided before a handler, the body or the catalog is looked at."""

from __future__ import annotations

import re
from typing import Any, cast

import pytest
from starlette.types import ASGIApp, Message

from auth.principal import Principal
from deployments.ingress.app import MODULES, build_asgi_app
from deployments.ingress.routing.routes import Operation
from deployments.ingress.services import Services
from deployments.settings import Settings

pytestmark = pytest.mark.anyio

OPERATIONS = [operation for module in MODULES for operation in module.routes.operations]
CLOSED = [operation for operation in OPERATIONS if operation.access in ("user", "admin")]
ADMINS = [operation for operation in OPERATIONS if operation.access == "admin"]


class Untouched:
    """Services that fail on every use but those that a test allows."""

    def __init__(self, **allowed: Any) -> None:
        vars(self).update(allowed, settings=Settings(), noted=[])

    def note(self, _request: object, _actor: object, action: str, _target: str, outcome: str, **_: Any) -> None:
        cast(Any, self).noted.append((action, outcome))


class OneUser:
    """Credentials that take every token for a token of ann, who is not an administrator."""

    async def claims_of(self, token: str) -> str:
        return token

    async def principal_for(self, _claims: str) -> Principal:
        return Principal(1, "ann", "", "", is_admin=False)


async def answer(app: ASGIApp, operation: Operation, *headers: tuple[bytes, bytes]) -> tuple[int, bytes]:
    """Return the status and the body of the answer to a request whose body must not be read."""

    sent: list[Message] = []
    path = re.sub(r"\{\w+\}", "nothing", operation.path)
    scope = {
        "type": "http", "method": operation.method, "path": path, "raw_path": path.encode(), "query_string": b"",
        "root_path": "", "scheme": "http", "client": ("203.0.113.9", 1), "server": ("test", 80),
        "http_version": "1.1", "headers": [(b"host", b"test"), (b"content-length", b"999999999999"), *headers],
    }  # fmt: skip

    async def receive() -> Message:
        raise AssertionError("the body was read")

    async def send(message: Message) -> None:
        sent.append(message)

    await app(scope, receive, send)
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent[1:])


def named(operation: Operation) -> str:
    return f"{operation.method} {operation.path}"


@pytest.mark.parametrize("operation", CLOSED, ids=named)
async def test_without_credentials_a_route_that_is_not_public_answers_401_before_it_looks_at_anything(
    operation: Operation,
) -> None:
    status, body = await answer(build_asgi_app(cast(Services, Untouched())), operation)
    assert (status, b'"Unauthenticated"' in body) == (401, True), body


@pytest.mark.parametrize("operation", ADMINS, ids=named)
async def test_a_user_is_refused_by_a_route_for_administrators_before_it_looks_at_anything(
    operation: Operation,
) -> None:
    services = Untouched(credentials=OneUser())
    app = build_asgi_app(cast(Services, services))
    status, body = await answer(app, operation, (b"authorization", b"Bearer x"))
    assert (status, b'"Forbidden"' in body) == (403, True), body
    assert cast(Any, services).noted == [("admin", "refused")]


def test_what_is_public_is_a_short_list() -> None:
    """A route is closed unless it says otherwise; a route that becomes public is added here."""
    assert {named(operation) for operation in OPERATIONS if operation.access not in ("user", "admin")} == {
        "POST /api-token-auth",
        "POST /api/v2/auth/token/generate",
        "GET /api/v2/auth/pkey/jwt",
        "POST /api/v2/auth/pkey/jwt",
        "POST /api/v2/auth/token/refresh",
        "POST /api-token-refresh",
        "POST /api-token-verify",
        "GET /healthz",
        "GET /ht",
        "GET /healthcheck",
        "GET /caddy/health",
        "GET /readyz",
        "GET /",
        "GET /login",
        "POST /login",
        "POST /logout",
        "GET /api/v1/csrfmiddlewaretoken",
        "GET /graph/graph.html",
        "GET /static/{name}",
        "GET /docs",
        "GET /openapi.json",
    }
