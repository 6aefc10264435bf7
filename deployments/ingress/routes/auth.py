"""Log-in, refresh, verify, log-out (protocol 1.2-1.5, 1.9)."""

from typing import Any, Final

from pydantic import BaseModel, Field
from starlette.responses import JSONResponse, Response

from auth.errors import Forbidden, InvalidCredentials, TooManyAttempts, Unauthenticated, UnknownUser
from catalog.errors import CatalogFull, CatalogUnavailable
from deployments.ingress.body import read_model
from deployments.ingress.callers.call import Call, OpenCall
from deployments.ingress.callers.session import credential_of
from deployments.ingress.credentials import SignedIn
from deployments.ingress.errors import InvalidRequest, TooLarge
from deployments.ingress.routes.admin import shown_user
from deployments.ingress.routes.organizations import active_organization
from deployments.ingress.routes.shapes.base import StatusOk
from deployments.ingress.routes.shapes.log_in import LoggedIn, LoggedOut, TokenShown
from deployments.ingress.routing.declarations import JSON, unread_body
from deployments.ingress.routing.routes import Routes
from deployments.ingress.services import Services, address_of
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
async def log_in(call: OpenCall[LogIn]) -> Response:
    """A token for a name and password."""
    body, address = call.body, address_of(call.request)
    signed_in = await call.services.credentials.sign_in(body.username, body.password, address)
    return await _answer(call.services, signed_in, body.org_name)


@routes.on("GET", "/api/v2/auth/pkey/jwt", access="key", answers={200: LoggedIn}, errors=(InvalidRequest, TooLarge))
@routes.on(
    "POST",
    "/api/v2/auth/pkey/jwt",
    access="key",
    body=unread_body({JSON: KeyLogIn}, is_required=False),
    answers={200: LoggedIn},
)
async def log_in_with_key(call: OpenCall[None]) -> Response:
    """A token for a personal key: ``Authorization: PersonalKey <id>:<secret>`` (protocol 1.5).

    The body, with ``org_name``, may be left out. A GET is read as a POST is, its body too: PyGraphistry sends one.
    """
    body = await read_model(call.request, KeyLogIn, is_required=False)
    header = call.request.headers.get("authorization", "")
    signed_in = await call.services.credentials.sign_in_with_key(header, address_of(call.request))
    return await _answer(call.services, signed_in, body.org_name)


@routes.on(
    "POST",
    "/api/v2/auth/token/refresh",
    "/api-token-refresh",
    access="open",
    body=TokenBody,
    answers={200: TokenShown},
    errors=(Unauthenticated, *_CATALOG),
)
async def refresh(call: OpenCall[TokenBody]) -> Response:
    """The same token while more than half of its life remains, else a new one.

    Clients call this before nearly every call. A chain of tokens ends a day after the log-in.
    """
    return JSONResponse({"token": await call.services.credentials.refresh(call.body.token.strip())})


@routes.on(
    "POST", "/api-token-verify", access="open", body=TokenBody, answers={200: TokenShown}, errors=(CatalogUnavailable,)
)
async def verify(call: OpenCall[TokenBody]) -> Response:
    """Whether a token counts; 400 where it does not (protocol 1.4)."""
    try:
        await call.services.credentials.principal_of(call.body.token.strip())
    except Unauthenticated as error:
        raise InvalidRequest(error.message) from None
    return JSONResponse({"token": call.body.token.strip()})


@routes.on("POST", "/api/v2/auth/logout", answers={200: LoggedOut})
async def log_out(call: Call[None]) -> Response:
    """End the log-in that this request's token comes from, on every replica within seconds."""
    credential = credential_of(call.request)
    assert credential is not None, "a request without a credential has no principal"
    await call.services.credentials.sign_out(credential.token, address_of(call.request))
    response = JSONResponse({"success": True, "status": "OK"})
    if credential.from_cookie:
        forget_both(call.request, response)
    return response


@routes.on(
    "GET POST",
    "/api/v2/logout-user/username/{username}",
    access="admin",
    answers={200: StatusOk},
    errors=(UnknownUser, CatalogFull),
)
async def log_out_user(call: Call[None]) -> Response:
    """End every log-in of a user; for administrators (protocol 1.9).

    A GET needs a Bearer token: a cookie would come along with any link.
    """
    credential = credential_of(call.request)
    if call.request.method != "POST" and credential is not None and credential.from_cookie:
        raise Forbidden("Send a Bearer token with this request, or a POST: a cookie would come along with any link.")
    user = await call.services.change(call.services.users.end_sessions, call.path["username"])
    call.note("user.log_out", f"user:{user.username}")
    return JSONResponse({"status": "OK"})


async def _answer(services: Services, signed_in: SignedIn, org_name: str | None) -> Response:
    """What protocol 1.2 has for a log-in."""
    answer: dict[str, Any] = {"token": signed_in.token, "user": shown_user(signed_in.principal)}
    organization = await active_organization(services, signed_in.principal, org_name)
    if organization is not None:
        answer["active_organization"] = organization
    return JSONResponse(answer)
