"""The OpenAPI document of the app, for tests."""

from types import SimpleNamespace
from typing import Any, cast

from deployments.ingress.app import build_asgi_app
from deployments.ingress.services import Services
from deployments.settings import Settings


def openapi(**settings: Any) -> dict[str, Any]:
    """Return the OpenAPI document of a server with these settings, without any services."""
    services = cast(Services, SimpleNamespace(settings=Settings(**settings)))
    document: dict[str, Any] = build_asgi_app(services).state.document()
    return document
