"""Whether a request that is authorised by a cookie was meant by the person whose cookie it is.

Why: a browser sends our cookies along with requests that other sites' pages make. Two things such a page cannot do,
and both are asked of every request that may change something:

- say that it comes from us: ``Sec-Fetch-Site``, ``Origin`` and, under https without ``Origin``, ``Referer`` are
  written by the browser (``check_source``);
- repeat the secret of the ``csrftoken`` cookie, in ``X-CSRFToken`` or in the form field ``csrfmiddlewaretoken``.

The second is Django's scheme, which clients of this protocol know (protocol 1.1); the first holds even where somebody
managed to plant a cookie. Requests with a Bearer token need neither: no page can make a browser add one.
"""

import logging
from typing import Final
from urllib.parse import parse_qs, urlsplit

from starlette.requests import Request

from auth import csrf
from deployments.ingress.errors import RequestError
from deployments.ingress.web.cookies import CSRF, is_https, read_cookie

log = logging.getLogger("graphside.csrf")

HEADER: Final = "x-csrftoken"
FIELD: Final = "csrfmiddlewaretoken"
SAFE_METHODS: Final = frozenset(("GET", "HEAD", "OPTIONS", "TRACE"))
FORM_TYPE: Final = "application/x-www-form-urlencoded"
MAXIMUM_FORM_BYTES: Final = 64 * 1024
"""A larger form is not searched for a token: it may be an upload."""

_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


class CsrfFailed(RequestError):
    """The session cookie came without its CSRF token, or from another origin."""

    status = 403


async def check_csrf(request: Request) -> None:
    """Raise ``CsrfFailed`` unless the request is safe, or comes from our own pages and repeats the cookie's secret.

    May read a small form's body, which the route then still finds.
    """
    if request.method in SAFE_METHODS:
        return
    check_source(request)
    cookie = read_cookie(request, CSRF)
    if cookie is None:
        raise _failed(request, "the csrftoken cookie is missing; GET /api/v1/csrfmiddlewaretoken/ sets one")
    token = request.headers.get(HEADER) or await _field(request)
    if not token:
        raise _failed(request, "the X-CSRFToken header is missing; it repeats the csrftoken cookie")
    if not csrf.matches(token, cookie):
        raise _failed(request, "X-CSRFToken does not match the csrftoken cookie; load the page again")


def check_source(request: Request, *, referer_required: bool = True) -> None:
    """Raise ``CsrfFailed`` where the browser says that another site's page sent this.

    Under https a request that names no ``Origin`` must name a ``Referer``, unless ``referer_required`` is false; one
    that it names must be ours in any case.
    """
    if any(value.strip().lower() == "cross-site" for value in request.headers.getlist("sec-fetch-site")):
        raise _failed(request, "the request comes from another site (Sec-Fetch-Site)")
    own = own_origin(request)
    origins = request.headers.getlist("origin")
    if any(own is None or origin_of(origin) != own for origin in origins):
        text = "Origin is not this server's; behind a proxy, its operator sets public_url"
        raise _failed(request, text)
    if origins or not is_https(request):
        return
    referers = request.headers.getlist("referer")
    if referer_required and not referers:
        raise _failed(request, "under https, a request without Origin needs a Referer")
    if any(own is None or origin_of(referer) != own for referer in referers):
        raise _failed(request, "Referer is not this server's")


def own_origin(request: Request) -> tuple[str, str, int] | None:
    """Scheme, host and port under which the client reached us; None where it named no usable host."""
    return origin_of(f"{request.scope['scheme']}://{request.headers.get('host', '')}")


def origin_of(url: str) -> tuple[str, str, int] | None:
    """Scheme, host and port of a URL or an ``Origin``, the port filled in; None for ``null`` and other odd ones."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in _DEFAULT_PORTS or not parts.hostname or "@" in parts.netloc or "\\" in url:
        return None
    return parts.scheme, parts.hostname, port if port is not None else _DEFAULT_PORTS[parts.scheme]


def usable_secret(request: Request) -> str | None:
    """The secret in the request's cookie, if that holds one."""
    return csrf.secret_of(read_cookie(request, CSRF) or "")


async def read_form(request: Request) -> dict[str, str]:
    """The fields of a small urlencoded form, the first of each name; none for any other body."""
    length = request.headers.get("content-length", "")
    if request.headers.get("content-type", "").split(";")[0].strip().lower() != FORM_TYPE:
        return {}
    # Only a body of announced length: the server holds the client to it.
    if not (length.isascii() and length.isdigit() and int(length) <= MAXIMUM_FORM_BYTES):
        return {}
    text = (await request.body()).decode("utf-8", "replace")
    try:
        fields = parse_qs(text, keep_blank_values=True, max_num_fields=100)
    except ValueError:
        return {}
    return {name: values[0] for name, values in fields.items()}


async def _field(request: Request) -> str:
    return (await read_form(request)).get(FIELD, "")


def _failed(request: Request, reason: str) -> CsrfFailed:
    log.warning("csrf.failed method=%s path=%r reason=%r", request.method, request.url.path, reason)
    return CsrfFailed(f"CSRF check failed: {reason}.")
