"""The two cookies: the session, which no script can read, and the CSRF secret, which scripts of our own pages may read.

Both are ``SameSite=Lax``, for all paths of this host only, and ``Secure`` if clients reach us by https
(``deployments/ingress/middleware/forwarding.py`` decides that).
"""

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

SESSION: Final = "graphistry_jwt"
CSRF: Final = "csrftoken"
CSRF_LIFE_S: Final = 365 * 24 * 3600
"""The CSRF secret is not a credential. It outlives sessions, so that forms that were left open still work."""


def read_cookie(request: Request, name: str) -> str | None:
    """Return the value of a cookie; None if it is absent, empty, or sent twice with different values.

    Two values mean that another host or path has planted one, and it is impossible to know which one is ours.
    """
    values = set()
    for header in request.headers.getlist("cookie"):
        for part in header.split(";"):
            key, _, value = part.partition("=")
            if key.strip() == name:
                values.add(value.strip().removeprefix('"').removesuffix('"'))
    return (values.pop() or None) if len(values) == 1 else None


def set_session(request: Request, response: Response, token: str, life_s: int) -> None:
    """Set the session cookie for the lifetime of its token, in seconds."""
    response.set_cookie(
        SESSION, token, max_age=life_s, path="/", secure=is_https(request), httponly=True, samesite="lax"
    )


def set_csrf(request: Request, response: Response, secret: str) -> None:
    """Set the cookie with the CSRF secret."""
    response.set_cookie(CSRF, secret, max_age=CSRF_LIFE_S, path="/", secure=is_https(request), samesite="lax")


def forget_both(request: Request, response: Response) -> None:
    """Delete both cookies."""
    for name, hidden in ((SESSION, True), (CSRF, False)):
        response.delete_cookie(name, path="/", secure=is_https(request), httponly=hidden, samesite="lax")


def is_https(request: Request) -> bool:
    """Return True if the client reaches us by https."""
    return bool(request.scope["scheme"] == "https")
