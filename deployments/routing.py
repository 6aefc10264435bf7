"""Routes with and without a trailing slash, by direct dispatch (contract 0.2): a redirect would lose a POST's body."""

from collections.abc import Awaitable, Callable

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

Endpoint = Callable[[Request], Awaitable[Response]]


class Routes:
    """Collects a family of routes."""

    def __init__(self) -> None:
        self.router = APIRouter(redirect_slashes=False)

    def on(self, methods: str, *paths: str) -> Callable[[Endpoint], Endpoint]:
        """Serve ``methods`` (space-separated) of every path, in both slash forms."""

        def register(endpoint: Endpoint) -> Endpoint:
            for path in paths:
                bare = path.rstrip("/")
                for form, shown in ((bare, True), (bare + "/", False)):
                    for method in methods.split():  # one each, or their OpenAPI operations would share an id
                        self.router.add_api_route(
                            form, endpoint, methods=[method], include_in_schema=shown, response_model=None
                        )
            return endpoint

        return register
