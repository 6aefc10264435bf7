"""The two cookies: the session, which no script can read, and the CSRF secret, which our own pages' scripts must read.

Both are ``SameSite=Lax``, for this host only and for all of it, and ``Secure`` where clients reach us by https
(``deployments/ingress/middleware/forwarding.py`` settles that).
"""

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

SESSION: Final = "graphistry_jwt"
CSRF: Final = "csrftoken"
CSRF_LIFE_S: Final = 365 * 24 * 3600
"""It is no credential: it outlives sessions so that forms left open still work."""


def read_cookie(request: Request, name: str) -> str | None:
    """The value of a cookie; None where it is absent, empty, or sent twice with different values.

    Twice means that somebody at a neighbouring host or path planted one: nobody can tell which of them is ours.
    """
    values = set()
    for header in request.headers.getlist("cookie"):
        for part in header.split(";"):
            key, _, value = part.partition("=")
            if key.strip() == name:
                values.add(value.strip().removeprefix('"').removesuffix('"'))
    return (values.pop() or None) if len(values) == 1 else None


def set_session(request: Request, response: Response, token: str, life_s: int) -> None:
    """Have the browser keep a session for as long as its token lives, in seconds."""
    response.set_cookie(
        SESSION, token, max_age=life_s, path="/", secure=is_https(request), httponly=True, samesite="lax"
    )


def set_csrf(request: Request, response: Response, secret: str) -> None:
    """Have the browser keep a CSRF secret."""
    response.set_cookie(CSRF, secret, max_age=CSRF_LIFE_S, path="/", secure=is_https(request), samesite="lax")


def forget_both(request: Request, response: Response) -> None:
    """Have the browser forget session and secret."""
    for name, hidden in ((SESSION, True), (CSRF, False)):
        response.delete_cookie(name, path="/", secure=is_https(request), httponly=hidden, samesite="lax")


def is_https(request: Request) -> bool:
    """Whether the client reaches us by https."""
    return bool(request.scope["scheme"] == "https")
