"""Checks that the user of a session cookie meant a request (protection against cross-site request forgery).

A browser sends our cookies with requests that pages of other sites make. Such a page cannot do two things, and every
request that may change something must do both:

- come from us: the browser writes ``Sec-Fetch-Site``, ``Origin`` and, under https without ``Origin``, ``Referer``
  (``check_source``);
- repeat the secret of the ``csrftoken`` cookie, in ``X-CSRFToken`` or in the form field ``csrfmiddlewaretoken``.

The second check is Django's scheme, which clients of this protocol know (protocol 1.1). The first check holds even if
an attacker has planted a cookie. A request with a Bearer token needs neither, because no page can make a browser add
a token.
"""

import logging
from typing import Final
from urllib.parse import parse_qs, urlsplit

from starlette.requests import Request

from auth import csrf
from deployments.ingress.body import announced_bytes, read_ahead
from deployments.ingress.errors import RequestError
from deployments.ingress.web.cookies import CSRF, is_https, read_cookie

log = logging.getLogger("graphside.csrf")

HEADER: Final = "x-csrftoken"
FIELD: Final = "csrfmiddlewaretoken"
SAFE_METHODS: Final = frozenset(("GET", "HEAD", "OPTIONS", "TRACE"))
FORM_TYPE: Final = "application/x-www-form-urlencoded"
MAXIMUM_FORM_BYTES: Final = 64 * 1024
"""A larger form is not searched for a token, because it may be an upload."""

MOST_FIELDS: Final = 100
_PATH_CHARACTERS: Final = 200

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


class CsrfFailed(RequestError):
    """The session cookie came without its CSRF token, or from another origin."""

    status = 403


async def check_csrf(request: Request) -> None:
    """Raise ``CsrfFailed`` unless the request is safe, or comes from our own pages and repeats the cookie's secret.

    May read the body of a small form; the route can still read it.
    """
    if request.method in SAFE_METHODS:
        return
    check_source(request)
    cookie = read_cookie(request, CSRF)
    if cookie is None:
        raise _failed(request, "the csrftoken cookie is missing; GET /api/v1/csrfmiddlewaretoken/ sets one")
    token = request.headers.get(HEADER) or await _field(request)
    if not token:
        raise _failed(request, "the X-CSRFToken header is missing; send the value of the csrftoken cookie in it")
    if not csrf.matches(token, cookie):
        raise _failed(request, "X-CSRFToken does not match the csrftoken cookie; load the page again")


def check_source(request: Request, *, referer_required: bool = True) -> None:
    """Raise ``CsrfFailed`` if the browser says that a page of another site sent the request.

    Under https, a request without ``Origin`` must have a ``Referer`` if ``referer_required``. A ``Referer`` that it
    has must be ours in any case.
    """
    if any(value.strip().lower() == "cross-site" for value in request.headers.getlist("sec-fetch-site")):
        raise _failed(request, "the request comes from another site (Sec-Fetch-Site)")
    own = own_origin(request)
    origins = request.headers.getlist("origin")
    if any(own is None or origin_of(origin) != own for origin in origins):
        text = "Origin is not this server's; behind a proxy, the operator must set public_url"
        raise _failed(request, text)
    if origins or not is_https(request):
        return
    referers = request.headers.getlist("referer")
    if referer_required and not referers:
        raise _failed(request, "under https, a request without Origin needs a Referer")
    if any(own is None or origin_of(referer) != own for referer in referers):
        raise _failed(request, "Referer is not this server's")


def own_origin(request: Request) -> tuple[str, str, int] | None:
    """Return the scheme, host and port under which the client reached us; None if it named no usable host."""
    return origin_of(f"{request.scope['scheme']}://{request.headers.get('host', '')}")


def origin_of(url: str) -> tuple[str, str, int] | None:
    """Return the scheme, host and port of a URL or an ``Origin``; None for ``null`` and other odd ones."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname or "@" in parts.netloc or "\\" in url:
        return None
    return parts.scheme, parts.hostname, port if port is not None else _DEFAULT_PORTS[parts.scheme]


def usable_secret(request: Request) -> str | None:
    """Return the secret in the request's cookie, if it has one."""
    return csrf.secret_of(read_cookie(request, CSRF) or "")


async def read_form(request: Request) -> dict[str, str]:
    """Return the fields of a small urlencoded form, the first of each name; none for any other body."""
    if request.headers.get("content-type", "").split(";")[0].strip().lower() != FORM_TYPE:
        return {}
    # Only a body of announced length, because the server enforces that length.
    length = announced_bytes(request)
    if length is None or length > MAXIMUM_FORM_BYTES:
        return {}
    try:
        return form_of(await read_ahead(request))
    except ValueError:
        return {}


def form_of(body: bytes) -> dict[str, str]:
    """Return the fields of a urlencoded form, the first of each name. Raises ``ValueError`` for too many fields."""
    fields = parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=MOST_FIELDS)
    return {name: values[0] for name, values in fields.items()}


async def _field(request: Request) -> str:
    return (await read_form(request)).get(FIELD, "")


def _failed(request: Request, reason: str) -> CsrfFailed:
    log.warning("csrf.failed method=%s path=%r reason=%r", request.method, request.url.path[:_PATH_CHARACTERS], reason)
    return CsrfFailed(f"CSRF check failed: {reason}")
