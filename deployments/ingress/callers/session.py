"""The one place that decides who sends a request, by its Bearer token or by its session cookie.

If there is a Bearer token, cookies are ignored. Otherwise the session cookie counts, and a request that may change
something must prove that its user meant it (``deployments/ingress/web/csrf.py``).
"""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from starlette.requests import Request

from auth.errors import Forbidden, TokenExpired, Unauthenticated
from auth.principal import Principal
from auth.tokens import bearer
from deployments.ingress.services import Services
from deployments.ingress.web.cookies import SESSION, read_cookie
from deployments.ingress.web.csrf import CsrfFailed, check_csrf


@dataclass(frozen=True, slots=True)
class Credential:
    """A token that is not verified yet."""

    token: str = field(repr=False)
    from_cookie: bool


def credential_of(request: Request) -> Credential | None:
    """Return the credential of the request, if it has one.

    Raises ``TokenInvalid`` for an ``Authorization`` header of another scheme, unless there is a session: then the
    header was meant for a proxy that asks for a password.
    """
    header = request.headers.get("authorization")
    if header is not None and _is_bearer(header):
        return Credential(bearer(header), from_cookie=False)
    session = read_cookie(request, SESSION)
    if session is not None:
        return Credential(session, from_cookie=True)
    return None if header is None else Credential(bearer(header), from_cookie=False)


async def principal(request: Request, services: Services) -> Principal:
    """Return the user who sends this request. Raises ``Unauthenticated`` (401), ``CsrfFailed`` (403)."""
    credential = credential_of(request)
    if credential is None:
        raise Unauthenticated
    claims = await services.credentials.claims_of(credential.token)
    found = await services.credentials.principal_for(claims)
    request.state.claims = claims
    if credential.from_cookie:
        try:
            await check_csrf(request)
        except CsrfFailed:
            services.note(request, found, "csrf", request.url.path, outcome="refused")
            raise
    return found


async def administrator(request: Request, services: Services) -> Principal:
    """Return the administrator who sends this request. Refusals are audited.

    Raises the errors of ``principal``; ``Forbidden`` (403) for any other user.
    """
    found = await principal(request, services)
    if not found.is_admin:
        services.note(request, found, "admin", request.url.path, "refused", method=request.method)
        raise Forbidden("only an administrator may do this")
    return found


async def check_again(find: Callable[[], Awaitable[Principal]], services: Services, caller: Principal) -> None:
    """Raise the errors of ``find`` if the caller may not act any more. A token may expire while a body arrives."""
    try:
        await find()
    except TokenExpired:
        await services.ask(services.users.active, caller.user_id, time.time())


async def reader(request: Request, services: Services) -> Principal | None:
    """Return the user who sends this request, or None if the caller is not signed in. Raises ``CsrfFailed`` (403)."""
    try:
        return await principal(request, services)
    except Unauthenticated:
        return None


async def has_key_token(request: Request, services: Services) -> bool:
    """Return True if the caller signed in with a personal key."""
    credential = credential_of(request)
    return credential is not None and await services.credentials.is_from_key(credential.token)


def _is_bearer(header: str) -> bool:
    return header.lstrip()[:6].lower() == "bearer"
