"""The app's own description of itself, as tests hold it to account."""

from types import SimpleNamespace
from typing import Any, cast

from deployments.ingress.app import build_asgi_app
from deployments.ingress.services import Services
from deployments.settings import Settings


def openapi(**settings: Any) -> dict[str, Any]:
    """The OpenAPI document of a server with these settings; no service is needed for that."""
    services = cast(Services, SimpleNamespace(settings=Settings(**settings)))
    document: dict[str, Any] = build_asgi_app(services).state.document()
    return document
