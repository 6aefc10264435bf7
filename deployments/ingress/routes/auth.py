"""Log-in, refresh, verify, log-out (protocol 1.2-1.5, 1.9)."""

from typing import Any, Final

from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from auth.errors import Forbidden, InvalidCredentials, TooManyAttempts, Unauthenticated, UnknownUser
from catalog.errors import CatalogFull, CatalogUnavailable
from deployments.ingress.body import checked, read_json
from deployments.ingress.callers.credentials import SignedIn
from deployments.ingress.callers.session import credential_of
from deployments.ingress.errors import InvalidRequest, TooLarge
from deployments.ingress.routes.admin import admin_of, shown_user
from deployments.ingress.routes.organizations import active_organization
from deployments.ingress.routes.shapes.base import StatusOk
from deployments.ingress.routes.shapes.log_in import LoggedIn, LoggedOut, TokenShown
from deployments.ingress.routing.declarations import json_body
from deployments.ingress.routing.routes import Routes
from deployments.ingress.services import Services, address_of, services_of
from deployments.ingress.web.cookies import forget_both

routes = Routes()

_CATALOG: Final = (CatalogUnavailable, CatalogFull)
"""For routes that ask the catalog without asking who calls."""


class LogIn(BaseModel):
    """Body of a log-in."""

    username: str = Field(examples=["ann"])
    password: str = Field(examples=["correct horse battery"])
    org_name: str | None = Field(None, description="Slug of the organization to make the active one.")


class KeyLogIn(BaseModel):
    """Body of a log-in with a personal key."""

    org_name: str | None = Field(None, description="Slug of the organization to make the active one.")


class TokenBody(BaseModel):
    """Body of refresh and verify."""

    token: str = Field(examples=["eyJhbGciOiJIUzI1NiIs…"])


@routes.on(
    "POST",
    "/api-token-auth",
    "/api/v2/auth/token/generate",
    access="open",
    body=LogIn,
    answers={200: LoggedIn},
    errors=(InvalidCredentials, TooManyAttempts, *_CATALOG),
)
async def log_in(request: Request) -> Response:
    """A token for a name and password."""
    body = checked(LogIn, await read_json(request))
    services = services_of(request)
    signed_in = await services.credentials.sign_in(body.username, body.password, address_of(request))
    return await _answer(services, signed_in, body.org_name)


@routes.on("GET", "/api/v2/auth/pkey/jwt", access="key", answers={200: LoggedIn}, errors=(InvalidRequest, TooLarge))
@routes.on(
    "POST",
    "/api/v2/auth/pkey/jwt",
    access="key",
    body=json_body(KeyLogIn, is_required=False),
    answers={200: LoggedIn},
)
async def log_in_with_key(request: Request) -> Response:
    """A token for a personal key: ``Authorization: PersonalKey <id>:<secret>`` (protocol 1.5).

    The body, with ``org_name``, may be left out. A GET is read as a POST is, its body too: PyGraphistry sends one.
    """
    body = checked(KeyLogIn, await read_json(request, empty={}))
    services = services_of(request)
    header = request.headers.get("authorization", "")
    signed_in = await services.credentials.sign_in_with_key(header, address_of(request))
    return await _answer(services, signed_in, body.org_name)


@routes.on(
    "POST",
    "/api/v2/auth/token/refresh",
    "/api-token-refresh",
    access="open",
    body=TokenBody,
    answers={200: TokenShown},
    errors=(Unauthenticated, *_CATALOG),
)
async def refresh(request: Request) -> Response:
    """The same token while more than half of its life remains, else a new one.

    Clients call this before nearly every call. A chain of tokens ends a day after the log-in.
    """
    body = checked(TokenBody, await read_json(request))
    return JSONResponse({"token": await services_of(request).credentials.refresh(body.token.strip())})


@routes.on(
    "POST", "/api-token-verify", access="open", body=TokenBody, answers={200: TokenShown}, errors=(CatalogUnavailable,)
)
async def verify(request: Request) -> Response:
    """Whether a token counts; 400 where it does not (protocol 1.4)."""
    body = checked(TokenBody, await read_json(request))
    try:
        await services_of(request).principal_of(body.token.strip())
    except Unauthenticated as error:
        raise InvalidRequest(error.message) from None
    return JSONResponse({"token": body.token.strip()})


@routes.on("POST", "/api/v2/auth/logout", answers={200: LoggedOut})
async def log_out(request: Request) -> Response:
    """End the log-in that this request's token comes from, on every replica within seconds."""
    services = services_of(request)
    await services.principal(request)
    credential = credential_of(request)
    assert credential is not None, "a request without a credential has no principal"
    await services.credentials.sign_out(credential.token, address_of(request))
    response = JSONResponse({"success": True, "status": "OK"})
    if credential.from_cookie:
        forget_both(request, response)
    return response


@routes.on(
    "GET POST",
    "/api/v2/logout-user/username/{username}",
    access="admin",
    answers={200: StatusOk},
    errors=(UnknownUser, CatalogFull),
)
async def log_out_user(request: Request) -> Response:
    """End every log-in of a user; for administrators (protocol 1.9).

    A GET needs a Bearer token: a cookie would come along with any link.
    """
    services, admin = await admin_of(request)
    credential = credential_of(request)
    if request.method != "POST" and credential is not None and credential.from_cookie:
        raise Forbidden("Send a Bearer token with this request, or a POST: a cookie would come along with any link.")
    principal = await services.change(services.users.end_sessions, request.path_params["username"])
    services.note(request, admin, "user.log_out", f"user:{principal.username}")
    return JSONResponse({"status": "OK"})


async def _answer(services: Services, signed_in: SignedIn, org_name: str | None) -> Response:
    """What protocol 1.2 has for a log-in."""
    answer: dict[str, Any] = {"token": signed_in.token, "user": shown_user(signed_in.principal)}
    organization = await active_organization(services, signed_in.principal, org_name)
    if organization is not None:
        answer["active_organization"] = organization
    return JSONResponse(answer)
