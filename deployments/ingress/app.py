"""The HTTP app: all routes, the middleware around them, and the answers for errors."""

from functools import cache
from types import ModuleType
from typing import Final

import orjson
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route

from auth.errors import AuthError
from catalog.errors import CatalogError
from deployments.ingress.absent_routes import instead_of
from deployments.ingress.error_answers import error_response
from deployments.ingress.errors import (
    InternalError,
    InvalidRequest,
    MethodNotAllowed,
    NotFound,
    RequestError,
    status_of,
)
from deployments.ingress.middleware.admission import Admission
from deployments.ingress.middleware.compression import Compression
from deployments.ingress.middleware.cors import CrossOrigin
from deployments.ingress.middleware.forwarding import Forwarding
from deployments.ingress.middleware.request_ids import RequestIds
from deployments.ingress.middleware.security_headers import SecurityHeaders
from deployments.ingress.middleware.transfers import Transfers
from deployments.ingress.openapi.document import Tag, document_of
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
from deployments.ingress.texts import published
from deployments.ingress.web.reference import reference_of
from deployments.settings import Settings
from runtime.errors import RuntimeFailure

MODULES: Final = (
    auth, keys, users, organizations, files, datasets, shares, python, runs, admin, flags, health, pages, reference
)  # fmt: skip
"""All modules with routes, in the order of the document."""

_PATH_CHARACTERS: Final = 200

_BY_STATUS: Final = {404: NotFound, 405: MethodNotAllowed}
"""The errors that Starlette's router raises."""


def build_asgi_app(services: Services) -> Starlette:
    """Return the HTTP app over ``services``."""
    # The router tries routes one by one, and nearly all requests are runs.
    routes = [
        route for module in sorted(MODULES, key=lambda module: module is not python) for route in module.routes.routes
    ]
    app = Starlette(
        routes=routes,
        middleware=_middleware(services.settings),
        exception_handlers={
            HTTPException: _answer_http_error,
            **dict.fromkeys((RequestError, RuntimeFailure, AuthError, CatalogError), _answer_known_error),
        },
    )
    app.router.redirect_slashes = False
    app.state.services = services
    # Made on the first demand: each takes a tenth of a second, and most apps are never asked for them.
    app.state.document = cache(lambda: document_of(tags(), services.settings))
    app.state.document_json = cache(lambda: orjson.dumps(app.state.document()))
    app.state.reference = cache(lambda: reference_of(app.state.document()))
    return app


def tags() -> list[Tag]:
    """Return all operations under the tags of the document: one tag a module."""
    return [Tag(_name_of(module), _about(module), tuple(module.routes.operations)) for module in MODULES]


def _middleware(settings: Settings) -> list[Middleware]:
    """Return the middleware, outermost first."""
    middleware = [
        Middleware(Forwarding, trusted=settings.trusted_forwarders, public_url=settings.public_url),
        Middleware(SecurityHeaders, frame_ancestors=settings.frame_ancestors),
        Middleware(RequestIds),
        Middleware(Admission, most=settings.traffic.requests),
        Middleware(Transfers, traffic=settings.traffic),
        Middleware(Compression, over_bytes=settings.compress_over_bytes),
    ]
    if settings.cors_origins:
        cors = Middleware(
            CrossOrigin,
            allow_origins=list(settings.cors_origins),
            allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
            allow_headers=["Authorization", "Content-Type", "X-CSRFToken"],
            expose_headers=["X-Run-Id", "X-Engine", "X-Result-Note", "Server-Timing", "X-Request-Id"],
        )
        middleware.append(cors)
    return middleware


async def _answer_known_error(request: Request, error: Exception) -> Response:
    if status_of(type(error)) == InternalError.status:
        raise error
    return error_response(error, path=request.url.path, request_id=request.state.request_id)


async def _answer_http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    kind = _BY_STATUS.get(error.status_code, InvalidRequest)
    instead = instead_of(request.url.path) if kind is NotFound else None
    known = kind(instead or f"{request.method} {request.url.path[:_PATH_CHARACTERS]}: {error.detail}")
    response = error_response(known, path=request.url.path, request_id=request.state.request_id)
    response.headers.update(error.headers or {})
    if kind is MethodNotAllowed:
        response.headers["Allow"] = ", ".join(sorted(_methods(request)))
    return response


def _methods(request: Request) -> set[str]:
    """Return the methods that the path takes: each has a route, and the router's error names those of one route."""
    routes = [route for route in request.app.routes if isinstance(route, Route)]
    path = next(route.path for route in routes if route.matches(request.scope)[0] is not Match.NONE)
    return {method for route in routes if route.path == path for method in route.methods or ()}


def _name_of(module: ModuleType) -> str:
    return module.__name__.rpartition(".")[2]


def _about(module: ModuleType) -> str:
    return published((module.__doc__ or "").strip().partition("\n\n")[0])
