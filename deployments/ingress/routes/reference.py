"""The description of this API: as a document for tools, and as a page."""

from starlette.responses import JSONResponse, Response

from catalog.errors import CatalogUnavailable
from deployments.ingress.callers.call import OpenCall, OptionalCall
from deployments.ingress.routing.declarations import json_answer, page_answer
from deployments.ingress.routing.routes import Routes
from deployments.ingress.web.pages import page
from deployments.ingress.web.reference import credentials_of, groups_of

routes = Routes()


@routes.on("GET", "/docs", access="optional", answers={200: page_answer("The page.")}, errors=(CatalogUnavailable,))
async def docs(call: OptionalCall[None]) -> Response:
    """Show the API reference, which is made from ``/openapi.json``."""
    document = call.request.app.state.document()
    groups, credentials = groups_of(document), credentials_of(document)
    return page(call.request, "docs.html", reader=call.principal, groups=groups, credentials=credentials)


@routes.on("GET", "/openapi.json", access="open", answers={200: json_answer({"type": "object"}, "The document.")})
async def openapi(call: OpenCall[None]) -> Response:
    """Get this description of the API, an OpenAPI 3.1 document."""
    return JSONResponse(call.request.app.state.document())
