"""Which credential of a request counts: the one place that decides between a Bearer token and a session cookie.

A Bearer token, when present, decides, and cookies are then ignored. Else the session cookie decides, and a request
that may change something must prove that it was meant (``deployments/ingress/web/csrf.py``).
"""

from dataclasses import dataclass, field

from starlette.requests import Request

from auth.errors import Forbidden, Unauthenticated
from auth.principal import Principal
from auth.tokens import bearer
from deployments.ingress.services import Services
from deployments.ingress.web.cookies import SESSION, read_cookie
from deployments.ingress.web.csrf import CsrfFailed, check_csrf


@dataclass(frozen=True, slots=True)
class Credential:
    """A token as it came, not verified yet."""

    token: str = field(repr=False)
    from_cookie: bool


def credential_of(request: Request) -> Credential | None:
    """What the request shows for itself; None for nothing.

    Raises ``TokenInvalid`` for an ``Authorization`` header that is no Bearer's where there is no session either. Where
    there is one, such a header was meant for somebody else, such as a proxy that asks for a password.
    """
    header = request.headers.get("authorization")
    session = read_cookie(request, SESSION)
    if header is not None and (session is None or _is_bearer(header)):
        return Credential(bearer(header), from_cookie=False)
    return None if session is None else Credential(session, from_cookie=True)


async def principal(request: Request, services: Services) -> Principal:
    """Who sends this request. Raises ``Unauthenticated`` (401), ``CsrfFailed`` (403)."""
    credential = credential_of(request)
    if credential is None:
        raise Unauthenticated
    found = await services.credentials.principal_of(credential.token)
    if credential.from_cookie:
        try:
            await check_csrf(request)
        except CsrfFailed:
            services.note(request, found, "csrf", request.url.path, outcome="refused")
            raise
    return found


async def administrator(request: Request, services: Services) -> Principal:
    """As ``principal``; a refusal is audited. Raises ``Forbidden`` (403) if the caller is not an administrator."""
    found = await principal(request, services)
    if not found.is_admin:
        services.note(request, found, "admin", request.url.path, "refused", method=request.method)
        raise Forbidden("Only an administrator may do this.")
    return found


async def reader(request: Request, services: Services) -> Principal | None:
    """As ``principal`` for a page, which shows strangers something else: None for somebody not signed in."""
    try:
        return await principal(request, services)
    except Unauthenticated:
        return None


def _is_bearer(header: str) -> bool:
    return header.lstrip()[:6].lower() == "bearer"
