"""Log in, refresh and verify tokens, log out."""

from typing import Any, Final

from pydantic import BaseModel, Field
from starlette.responses import Response

from auth.errors import Forbidden, InvalidCredentials, TooManyAttempts, Unauthenticated, UnknownUser
from catalog.errors import CatalogFull, CatalogUnavailable
from deployments.ingress.callers.call import Call, OpenCall
from deployments.ingress.callers.session import credential_of
from deployments.ingress.credentials import SignedIn
from deployments.ingress.errors import BodyTooSlow, InvalidRequest, TooLarge
from deployments.ingress.fields import Name, Password, Token
from deployments.ingress.json_answers import JsonAnswer
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
"""The errors of the catalog, for routes that use it without a caller."""

_ORG_NAME: Final = "The slug of the organization to make active."


class LogIn(BaseModel):
    """The body of a log-in."""

    username: Name = Field(examples=["ann"])
    password: Password = Field(examples=["correct horse battery"])
    org_name: Name | None = Field(None, description=_ORG_NAME)


class KeyLogIn(BaseModel):
    """The body of a log-in with a personal key."""

    org_name: Name | None = Field(None, description=_ORG_NAME)


class TokenBody(BaseModel):
    """The body of a refresh or a verification."""

    token: Token = Field(examples=["eyJhbGciOiJIUzI1NiIs…"])


@routes.on(
    "POST",
    "/api-token-auth",
    "/api/v2/auth/token/generate",
    access="open",
    body=LogIn,
    answers={200: LoggedIn},
    errors=(InvalidCredentials, TooManyAttempts, *_CATALOG),
    audit=("log_in",),
    ends_with_caller=True,
)
async def log_in(call: OpenCall[LogIn]) -> Response:
    """Get a token for a username and a password."""
    body, address = call.body, address_of(call.request)
    signed_in = await call.services.credentials.sign_in(body.username, body.password, address)
    return await _answer(call.services, signed_in, body.org_name)


@routes.on(
    "GET",
    "/api/v2/auth/pkey/jwt",
    access="key",
    answers={200: LoggedIn},
    errors=(InvalidRequest, TooLarge, BodyTooSlow),
    audit=("log_in",),
    ends_with_caller=True,
)
@routes.on(
    "POST",
    "/api/v2/auth/pkey/jwt",
    access="key",
    body=unread_body({JSON: KeyLogIn}, is_required=False),
    answers={200: LoggedIn},
    audit=("log_in",),
    ends_with_caller=True,
)
async def log_in_with_key(call: OpenCall[None]) -> Response:
    """Get a token for a personal key: ``Authorization: PersonalKey <id>:<secret>``.

    The body, with ``org_name``, is optional. A GET may have the same body, because PyGraphistry sends one.
    """
    header = call.request.headers.get("authorization", "")
    signed_in = await call.services.credentials.sign_in_with_key(header, address_of(call.request))
    body = await call.read(KeyLogIn, is_required=False)
    return await _answer(call.services, signed_in, body.org_name)


@routes.on(
    "POST",
    "/api/v2/auth/token/refresh",
    "/api-token-refresh",
    access="open",
    body=TokenBody,
    answers={200: TokenShown},
    errors=(Unauthenticated, *_CATALOG),
    audit=(),
)
async def refresh(call: OpenCall[TokenBody]) -> Response:
    """Get the same token back while more than half of its lifetime remains, else a new token.

    Clients call this before nearly every other call. Tokens can be refreshed until a day after the log-in.
    """
    return JsonAnswer({"token": await call.services.credentials.refresh(call.body.token.strip())})


@routes.on(
    "POST",
    "/api-token-verify",
    access="open",
    body=TokenBody,
    answers={200: TokenShown},
    errors=(CatalogUnavailable,),
    audit=(),
)
async def verify(call: OpenCall[TokenBody]) -> Response:
    """Check if a token is valid. If it is not, the answer is a 400."""
    try:
        await call.services.credentials.principal_of(call.body.token.strip())
    except Unauthenticated as error:
        raise InvalidRequest(error.message) from None
    return JsonAnswer({"token": call.body.token.strip()})


@routes.on(
    "POST",
    "/api/v2/auth/logout",
    answers={200: LoggedOut},
    audit=("log_out",),
)
async def log_out(call: Call[None]) -> Response:
    """End the log-in of this request's token, on every replica within seconds."""
    credential = credential_of(call.request)
    assert credential is not None, "a request without a credential has no principal"
    await call.services.credentials.sign_out(credential.token, address_of(call.request))
    response = JsonAnswer({"success": True, "status": "OK"})
    if credential.from_cookie:
        forget_both(call.request, response)
    return response


@routes.on(
    "GET POST",
    "/api/v2/logout-user/username/{username}",
    access="admin",
    answers={200: StatusOk},
    errors=(UnknownUser, CatalogFull),
    audit=("user.log_out",),
)
async def log_out_user(call: Call[None]) -> Response:
    """End all log-ins of a user; for administrators.

    A GET needs a Bearer token, because a browser sends cookies with any link.
    """
    credential = credential_of(call.request)
    if call.request.method != "POST" and credential is not None and credential.from_cookie:
        raise Forbidden("send a Bearer token with this request, or send a POST: a browser sends cookies with any link")
    user = await call.services.change(call.services.users.end_sessions, call.username)
    call.note("user.log_out", f"user:{user.username}")
    return JsonAnswer({"status": "OK"})


async def _answer(services: Services, signed_in: SignedIn, org_name: str | None) -> Response:
    """Return the answer to a log-in (protocol 1.2)."""
    answer: dict[str, Any] = {"token": signed_in.token, "user": shown_user(signed_in.principal)}
    organization = await active_organization(services, signed_in.principal, org_name)
    if organization is not None:
        answer["active_organization"] = organization
    return JsonAnswer(answer)
