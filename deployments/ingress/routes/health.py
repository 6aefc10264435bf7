"""Health checks, without authentication (protocol 7)."""

import asyncio

from starlette.responses import JSONResponse, Response

from deployments.ingress.callers.call import OpenCall
from deployments.ingress.errors import build_response
from deployments.ingress.routes.shapes.base import Done
from deployments.ingress.routing.routes import Routes
from runtime.errors import Overloaded, RuntimeFailure

routes = Routes()


@routes.on("GET", "/healthz", "/ht", "/healthcheck", "/caddy/health", access="open", answers={200: Done})
async def alive(_: OpenCall[None]) -> Response:
    """The ingress answers."""
    return JSONResponse({"success": True})


@routes.on("GET", "/readyz", access="open", answers={200: Done}, errors=(Overloaded,))
async def ready(call: OpenCall[None]) -> Response:
    """The catalog answers, and a runner can run tasks."""
    try:
        await asyncio.to_thread(call.services.catalog.version)
        async with asyncio.timeout(5):
            await call.services.runners.ready()
    except (RuntimeFailure, TimeoutError):
        text = "no runner is ready yet; try again in a moment"
        fields = {"retry_after_s": 1}
        return build_response(
            503, "Overloaded", text, fields, path=call.request.url.path, request_id=call.request.state.request_id
        )
    return JSONResponse({"success": True})
