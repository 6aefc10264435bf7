"""Log-in, refresh, verify, switch (contract 1.2-1.4, 1.6)."""

import asyncio
from typing import Any

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from auth.errors import Unauthenticated
from auth.principal import Principal
from deployments.body import checked, read_json
from deployments.errors import InvalidRequest, NotFound
from deployments.routing import Routes
from deployments.services import services_of

routes = Routes()


class LogIn(BaseModel):
    """Body of a log-in."""

    username: str
    password: str
    org_name: str | None = None


class TokenBody(BaseModel):
    """Body of refresh and verify."""

    token: str


@routes.on("POST", "/api-token-auth", "/api/v2/auth/token/generate")
async def log_in(request: Request) -> Response:
    """A token for a name and password. Hashing takes tens of milliseconds, so it has a thread."""
    body = checked(LogIn, await read_json(request))
    services = services_of(request)
    principal = await asyncio.to_thread(services.users.authenticate, body.username, body.password)
    answer: dict[str, Any] = {"token": services.tokens.issue(principal), "user": _user(principal)}
    if body.org_name is not None:
        # The one organisation of a user here is his own, named as he is (contract 1.7). Clients check what they get.
        own = body.org_name == principal.username
        answer["active_organization"] = {"slug": body.org_name, "is_found": own, "is_member": own}
    return JSONResponse(answer)


@routes.on("POST", "/api/v2/auth/token/refresh", "/api-token-refresh")
async def refresh(request: Request) -> Response:
    """The same token while it has plenty of life left, else a new one. Clients call this before nearly every call."""
    body = checked(TokenBody, await read_json(request))
    services = services_of(request)
    token = body.token.strip()
    principal = await services.principal_of(token)
    return JSONResponse({"token": services.tokens.refresh(token, principal)})


@routes.on("POST", "/api-token-verify")
async def verify(request: Request) -> Response:
    """Whether a token counts; 400 where it does not (contract 1.4)."""
    body = checked(TokenBody, await read_json(request))
    try:
        await services_of(request).principal_of(body.token.strip())
    except Unauthenticated as error:
        raise InvalidRequest(error.message) from None
    return JSONResponse({"token": body.token.strip()})


@routes.on("POST", "/api/v2/o/{slug}/switch")
async def switch(request: Request) -> Response:
    """Make an organisation the active one. There is one a user, so this only says whether it exists (contract 1.6)."""
    principal = await services_of(request).principal(request)
    slug = request.path_params["slug"]
    if slug != principal.username:
        raise NotFound(f"No such organization id '{slug}'")
    return JSONResponse({"status": "OK", "message": f"Switched to organization: {slug}", "data": []})


def _user(principal: Principal) -> dict[str, Any]:
    return {
        "id": principal.user_id,
        "username": principal.username,
        "name": principal.name,
        "email": principal.email,
    }
