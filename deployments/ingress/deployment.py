"""The ingress deployment: authenticates, authorises, validates, dispatches, encodes errors. Holds no dataset."""

import logging
from functools import cache
from types import ModuleType
from typing import Any
from uuid import uuid4

from fastapi import FastAPI
from ray import serve
from ray.serve.handle import DeploymentHandle
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from auth.errors import AuthError
from catalog.errors import CatalogError
from deployments.calls.runner_client import RunnerClient
from deployments.ingress.errors import RequestError, build_response, error_response, status_of
from deployments.ingress.janitor import Janitor, chores
from deployments.ingress.middleware.forwarding import Forwarding
from deployments.ingress.middleware.security_headers import SecurityHeaders
from deployments.ingress.openapi.document import Family, document_of
from deployments.ingress.routes import (
    admin,
    auth,
    datasets,
    files,
    flags,
    health,
    keys,
    organizations,
    pages,
    python,
    reference,
    runs,
    shares,
    users,
)
from deployments.ingress.services import Services
from deployments.replica.start import begin_replica
from deployments.settings import Settings
from runtime.errors import RuntimeFailure
from runtime.task import EngineName

log = logging.getLogger("graphside.ingress")

MODULES = (
    auth, keys, users, organizations, files, datasets, shares, python, runs, admin, flags, health, pages, reference
)  # fmt: skip
"""All modules with routes, in the order of the document."""

_STATUS_NAMES = {404: "NotFound", 405: "MethodNotAllowed"}


@serve.ingress()
class Ingress:
    """One replica of the way in."""

    def __init__(self, settings: dict[str, Any], runners: dict[EngineName, DeploymentHandle[Any]]) -> None:
        begin_replica()
        parsed = Settings.model_validate(settings)
        self._runners = RunnerClient(runners, direct=parsed.direct_calls)
        self._runners.start()
        self._services = Services.open(parsed, self._runners)
        self._services.snapshot.start()
        self._janitor = Janitor(chores(self._services))
        self._janitor.start()

    async def __del__(self) -> None:
        await self._janitor.stop()
        self._runners.close()
        self._services.close()

    def __serve_build_asgi_app__(self) -> ASGIApp:
        return build_asgi_app(self._services)


def build_asgi_app(services: Services) -> FastAPI:
    """The HTTP app over ``services``."""
    # Routes are tried in turn, by Serve and then by the app, and nearly all requests are runs.
    routes = [
        route for module in sorted(MODULES, key=lambda module: module is not python) for route in module.routes.routes
    ]
    app = FastAPI(routes=list(routes), redirect_slashes=False, openapi_url=None)
    app.state.services = services
    families = [Family(_name_of(module), _about(module), tuple(module.routes.operations)) for module in MODULES]
    # Made when it is asked for: it takes a tenth of a second, and most apps are never asked.
    app.openapi = cache(lambda: document_of(families, services.settings))  # type: ignore[method-assign]
    for kind in (RequestError, RuntimeFailure, AuthError, CatalogError):
        app.add_exception_handler(kind, _known_error)
    app.add_exception_handler(HTTPException, _http_error)
    if services.settings.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(services.settings.cors_origins),
            allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
            allow_headers=["Authorization", "Content-Type", "X-CSRFToken"],
            expose_headers=["X-Run-Id", "X-Engine", "Server-Timing", "X-Request-Id"],
        )
    app.add_middleware(RequestIds)
    app.add_middleware(SecurityHeaders, frame_ancestors=services.settings.frame_ancestors)
    app.add_middleware(
        Forwarding, trusted=services.settings.trusted_forwarders, public_url=services.settings.public_url
    )
    return app


class RequestIds:
    """Gives each request an id and each response the same; an error that nobody expected becomes a 500 with it."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        given, request_id = _request_id(scope)
        scope.setdefault("state", {})["request_id"] = request_id
        started = False

        async def send_with_id(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                if not given:  # else Serve, which gave it, answers with it
                    message["headers"] = [*message.get("headers", []), (b"x-request-id", request_id.encode())]
            await send(message)

        try:
            await self.app(scope, receive, send_with_id)
        except Exception:
            log.exception("request.failed request_id=%s path=%r", request_id, scope["path"])
            if started:
                raise
            text = f"the server failed on this request; its operator finds the reason in the log under {request_id}"
            response = build_response(500, "InternalError", text, {}, path=scope["path"], request_id=request_id)
            await response(scope, receive, send_with_id)


async def _known_error(request: Request, error: Exception) -> Response:
    if status_of(error) == 500:
        raise error
    return error_response(error, path=request.url.path, request_id=request.state.request_id)


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    name = _STATUS_NAMES.get(error.status_code, "InvalidRequest")
    text = f"{request.method} {request.url.path}: {error.detail}"
    response = build_response(error.status_code, name, text, {}, path=request.url.path, request_id=_id_of(request))
    response.headers.update(error.headers or {})
    if error.status_code == 405:
        response.headers["Allow"] = ", ".join(sorted(_methods(request)))
    return response


def _methods(request: Request) -> set[str]:
    """What the path takes: each method has a route of its own, and the router's error names only the first one's."""
    routes = [route for route in request.app.routes if isinstance(route, Route)]
    path = next(route.path for route in routes if route.matches(request.scope)[0] is not Match.NONE)
    return {method for route in routes if route.path == path for method in route.methods or ()}


def _name_of(module: ModuleType) -> str:
    return module.__name__.rpartition(".")[2]


def _about(module: ModuleType) -> str:
    return (module.__doc__ or "").strip().partition("\n\n")[0]


def _id_of(request: Request) -> str:
    return str(request.state.request_id)


def _request_id(scope: Scope) -> tuple[bool, str]:
    """Whether the request came with an id (under Serve every one does: the client's, if it was safe, or a new one)."""
    for name, value in scope["headers"]:
        if name == b"x-request-id":
            return True, str(value.decode("latin-1"))
    return False, uuid4().hex
