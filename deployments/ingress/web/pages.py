"""Pages: the templates of this package, with all values escaped.

No page has a script or loads anything from another site. So a page looks the same offline, and its policy
(``deployments/ingress/middleware/security_headers.py``) can forbid everything else.
"""

import re
from functools import cache
from typing import Any, Final  # Any: what a template is given
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape
from starlette.requests import Request
from starlette.responses import HTMLResponse

from auth import csrf
from auth.principal import Principal
from deployments.ingress.middleware.security_headers import PAGE_POLICY, VIEWER_PATH
from deployments.ingress.web.assets import address_of
from deployments.ingress.web.cookies import set_csrf
from deployments.ingress.web.csrf import usable_secret

_OUTSIDE: Final = Markup(' target="_blank" rel="noopener"')
"""Attributes of links on a framed page, because the pages that they lead to may not be framed."""

MOST_IN_TABLES: Final = 200
"""The most characters of a name in a table."""

MAXIMUM_NEXT: Final = 2000
"""The most characters of an address to go to next."""


_CONTROLS: Final = {code: "\ufffd" for code in (*range(0x20), 0x7F, *range(0x80, 0xA0)) if chr(code) not in "\t\n\r"}
"""Control characters: HTML cannot show them, and a terminal on which a page is read would obey them."""


_PART: Final = b"<!-- part -->"
"""Where a template has the part that is rendered before. No value can look so, because values are escaped."""


@cache
def _templates() -> Environment:
    environment = Environment(
        loader=PackageLoader("deployments.ingress.web"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_without_controls,
    )
    environment.globals["asset"] = address_of
    environment.filters["with_code"] = with_code
    environment.filters["cut"] = cut
    return environment


def _without_controls(value: Any) -> Any:  # Any: whatever a template shows
    return value.translate(_CONTROLS) if isinstance(value, str) else value


def rendered(template: str, **values: Any) -> bytes:
    """Return the part of a page that is the same for everybody, to be kept and given to ``page`` as ``part``."""
    return _templates().get_template(template).render(**values).encode()


def page(
    request: Request,
    template: str,
    status: int = 200,
    *,
    reader: Principal | None = None,
    part: bytes = b"",
    **values: Any,
) -> HTMLResponse:
    """Return the page of a template, for a ``reader`` who is signed in or None. ``part`` was ``rendered`` before.

    The page has a CSRF token for its forms. Its cookie is set if the browser has none.
    """
    secret = usable_secret(request)
    kept = secret or csrf.new_secret()
    is_framed = request.headers.get("sec-fetch-dest") in ("iframe", "frame", "embed", "object")
    shown = _templates().get_template(template)
    text = shown.render(
        reader=reader,
        csrf_token=csrf.mask(kept),
        is_framed=is_framed,
        outside=_OUTSIDE if is_framed else "",
        hides_sign_in=False,
        sign_in=f"/login?next={quote(here(request), safe='')}",
        **values,
    )
    response = HTMLResponse(text.encode().replace(_PART, part, 1), status)
    if request.url.path.rstrip("/") != VIEWER_PATH:  # a setting of the middleware says who may frame the viewer page
        response.headers["Content-Security-Policy"] = PAGE_POLICY
    if secret is None and not is_framed:
        set_csrf(request, response, kept)
    return response


def with_code(text: str) -> Markup:
    """Return escaped text, with text in backticks as code."""
    parts = re.split(r"(`+)(.+?)\1", text)  # text, backticks, code, text, …
    pieces = [escape(part) if index % 3 == 0 else Markup("<code>{}</code>").format(part)
              for index, part in enumerate(parts) if index % 3 != 1]  # fmt: skip
    return Markup("").join(pieces)


def cut(value: Any) -> str:  # Any: JSON, where names are expected
    """Return a text that is short enough for a table."""
    text = value if isinstance(value, str) else str(value)[: MOST_IN_TABLES + 1]
    return text if len(text) <= MOST_IN_TABLES else f"{text[:MOST_IN_TABLES]}…"


def wants_page(request: Request) -> bool:
    """Return True if the request comes from a browser's address bar or form, not from a program."""
    return "text/html" in request.headers.get("accept", "")


def here(request: Request) -> str:
    """Return the path and the query of the request, to come back to it."""
    query = request.url.query
    return request.url.path + (f"?{query}" if query else "")


def safe_next(address: str | None) -> str:
    """Return the address to go to next if it is a path on this server, else ``/``.

    Browsers drop tabs and line ends and read backslashes as slashes, so an address with any of these is not a path.
    """
    if not address or len(address) > MAXIMUM_NEXT or not address.startswith("/") or address.startswith("//"):
        return "/"
    if "\\" in address or any(character <= " " or character == "\x7f" for character in address):
        return "/"
    return quote(address, safe="/?#[]@!$&'()*+,;=:%-._~")
