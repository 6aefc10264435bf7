"""Health checks, without authentication."""

import asyncio

from starlette.responses import JSONResponse, Response

from deployments.ingress.callers.call import OpenCall
from deployments.ingress.routes.shapes.base import Done
from deployments.ingress.routing.routes import Routes
from runtime.errors import Overloaded, RuntimeFailure

routes = Routes()


@routes.on("GET", "/healthz", "/ht", "/healthcheck", "/caddy/health", access="open", answers={200: Done})
async def alive(_: OpenCall[None]) -> Response:
    """Check that the ingress answers."""
    return JSONResponse({"success": True})


@routes.on("GET", "/readyz", access="open", answers={200: Done}, errors=(Overloaded,))
async def ready(call: OpenCall[None]) -> Response:
    """Check that the catalog answers and that a runner can run tasks."""
    try:
        await call.services.ask(call.services.catalog.version)
        async with asyncio.timeout(5):
            await call.services.runners.ready()
    except (RuntimeFailure, TimeoutError):
        raise Overloaded("no runner is ready yet; try again in a moment", retry_after_s=1) from None
    return JSONResponse({"success": True})
