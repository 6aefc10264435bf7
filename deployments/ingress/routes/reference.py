"""The description of this API: as a document for tools, and as a page."""

from starlette.responses import Response

from catalog.errors import CatalogUnavailable
from deployments.ingress.callers.call import OpenCall, OptionalCall
from deployments.ingress.routing.declarations import json_answer, page_answer
from deployments.ingress.routing.routes import Routes
from deployments.ingress.web.pages import page

routes = Routes()


@routes.on("GET", "/docs", access="optional", answers={200: page_answer("The page.")}, errors=(CatalogUnavailable,))
async def docs(call: OptionalCall[None]) -> Response:
    """Show the API reference, which is made from ``/openapi.json``."""
    return page(call.request, "docs.html", reader=call.principal, part=call.request.app.state.reference())


@routes.on("GET", "/openapi.json", access="open", answers={200: json_answer({"type": "object"}, "The document.")})
async def openapi(call: OpenCall[None]) -> Response:
    """Get this description of the API, an OpenAPI 3.1 document."""
    return Response(call.request.app.state.document_json(), media_type="application/json")
