"""What this API is: a document for machines, and the same as a page."""

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from catalog.errors import CatalogUnavailable
from deployments.ingress.callers.session import reader
from deployments.ingress.routing.declarations import json_answer, page_answer
from deployments.ingress.routing.routes import Routes
from deployments.ingress.services import services_of
from deployments.ingress.web.pages import page
from deployments.ingress.web.reference import credentials_of, groups_of

routes = Routes()


@routes.on("GET", "/docs", access="optional", answers={200: page_answer("A page.")}, errors=(CatalogUnavailable,))
async def docs(request: Request) -> Response:
    """The reference of this API, made from ``/openapi.json``."""
    who = await reader(request, services_of(request))
    document = request.app.openapi()
    return page(request, "docs.html", reader=who, groups=groups_of(document), credentials=credentials_of(document))


@routes.on("GET", "/openapi.json", access="open", answers={200: json_answer({"type": "object"}, "The document.")})
async def openapi(request: Request) -> Response:
    """This description of the API, an OpenAPI 3.1 document."""
    return JSONResponse(request.app.openapi())
