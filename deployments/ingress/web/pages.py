"""Pages: templates of the package, filled in with everything escaped.

No page has a script, and none loads anything from elsewhere, so that a page shows the same offline as online and its
policy (``deployments/ingress/middleware/security_headers.py``) can forbid the rest.
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
"""For links of a framed page: what they lead to is not to be framed."""

MAXIMUM_NEXT: Final = 2000
"""Characters of an address to go on to."""


_CONTROLS: Final = {code: "\ufffd" for code in (*range(0x20), 0x7F, *range(0x80, 0xA0)) if chr(code) not in "\t\n\r"}
"""HTML has no form for them, and a terminal that a page is read on does what they say."""


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
    return environment


def _without_controls(value: Any) -> Any:  # Any: whatever a template shows
    return value.translate(_CONTROLS) if isinstance(value, str) else value


def page(
    request: Request, template: str, status: int = 200, *, reader: Principal | None = None, **values: Any
) -> HTMLResponse:
    """The page of a template, for a ``reader`` who is signed in or None.

    It carries a token for its forms, and the secret behind it where the browser has none yet.
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
    response = HTMLResponse(text, status)
    if request.url.path.rstrip("/") != VIEWER_PATH:  # who may frame that one is a setting of the middleware
        response.headers["Content-Security-Policy"] = PAGE_POLICY
    if secret is None and not is_framed:
        set_csrf(request, response, kept)
    return response


def with_code(text: str) -> Markup:
    """Escaped text, with what stands between backticks as code."""
    parts = re.split(r"(`+)(.+?)\1", text)  # text, backticks, code, text, …
    pieces = [escape(part) if index % 3 == 0 else Markup("<code>{}</code>").format(part)
              for index, part in enumerate(parts) if index % 3 != 1]  # fmt: skip
    return Markup("").join(pieces)


def wants_page(request: Request) -> bool:
    """Whether this comes from a browser's address bar or form, and not from a program."""
    return "text/html" in request.headers.get("accept", "")


def here(request: Request) -> str:
    """Path and query of the request, for coming back to it."""
    query = request.url.query
    return request.url.path + (f"?{query}" if query else "")


def safe_next(address: str | None) -> str:
    """Where to go on to: a path on this server, ``/`` for anything that a browser could read as another one's.

    Browsers drop tabs and line ends, and read backslashes as slashes.
    """
    if not address or len(address) > MAXIMUM_NEXT or not address.startswith("/") or address.startswith("//"):
        return "/"
    if "\\" in address or any(character <= " " or character == "\x7f" for character in address):
        return "/"
    return quote(address, safe="/?#[]@!$&'()*+,;=:%-._~")
