"""Health checks, without authentication."""

import asyncio
from typing import Final

from starlette.responses import Response

from deployments.ingress.callers.call import OpenCall
from deployments.ingress.json_answers import JsonAnswer
from deployments.ingress.routes.shapes.base import Done
from deployments.ingress.routing.routes import Routes
from runtime.errors import Overloaded, RuntimeFailure

routes = Routes()

READY_WITHIN_S: Final = 5.0


@routes.on(
    "GET", "/healthz", "/ht", "/healthcheck", "/caddy/health", access="open", answers={200: Done},
    answers_at_once=True,
)  # fmt: skip
async def alive(_: OpenCall[None]) -> Response:
    """Check that the ingress answers."""
    return JsonAnswer({"success": True})


@routes.on("GET", "/readyz", access="open", answers={200: Done}, errors=(Overloaded,))
async def ready(call: OpenCall[None]) -> Response:
    """Check that the catalog answers and that a runner can run tasks."""
    try:
        async with asyncio.timeout(READY_WITHIN_S):
            await call.services.ask(call.services.catalog.version)
            await call.services.runners.ready()
    except (RuntimeFailure, TimeoutError):
        raise Overloaded("no runner is ready yet; try again in a moment", retry_after_s=1) from None
    return JsonAnswer({"success": True})
