"""Headers that forbid a browser to run scripts in an answer, to guess its type, to frame it or to keep it.

A header that a route sets itself stays. Only the viewer page may be framed, because notebooks embed it; a setting says
by which sites. It shows nothing to strangers, and no button on it changes anything.
"""

from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from deployments.settings import DEFAULT_FRAME_ANCESTORS, checked_sources

VIEWER_PATH: Final = "/graph/graph.html"
HSTS_S: Final = 365 * 24 * 3600

_LOCKED: Final = "default-src 'none'; object-src 'none'; base-uri 'none'"
_NOTHING: Final = f"{_LOCKED}; form-action 'none'"
_PAGE: Final = f"{_LOCKED}; style-src 'self'; img-src 'self'; form-action 'self'"

PAGE_POLICY: Final = f"{_PAGE}; frame-ancestors 'none'"
"""The policy of our own pages: our styles, our pictures, forms to this server, no scripts."""

_ANSWER: Final = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}
_HTTPS_ANSWER: Final = {
    "Strict-Transport-Security": f"max-age={HSTS_S}",
    "Cross-Origin-Opener-Policy": "same-origin",  # browsers complain about it elsewhere
}
_SCHEMES: Final = ("http", "https")

Header: TypeAlias = tuple[bytes, bytes]


class SecurityHeaders:
    """Plain ASGI. ``frame_ancestors`` are sources in CSP's own words, for the viewer page.

    Raises ``ValueError`` for a source that would end the directive or is none.
    """

    def __init__(self, app: ASGIApp, frame_ancestors: Sequence[str] = DEFAULT_FRAME_ANCESTORS) -> None:
        self._app = app
        viewer = {
            **_ANSWER,
            "Content-Security-Policy": f"{_PAGE}; frame-ancestors {checked_sources(frame_ancestors)}",
        }
        others = {
            **_ANSWER,
            "Content-Security-Policy": f"{_NOTHING}; frame-ancestors 'none'",
            "X-Frame-Options": "DENY",
            "Cross-Origin-Resource-Policy": "same-origin",
        }
        self._viewer = {scheme: _encoded(viewer, scheme) for scheme in _SCHEMES}
        self._others = {scheme: _encoded(others, scheme) for scheme in _SCHEMES}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        page = self._viewer if scope["path"].rstrip("/") == VIEWER_PATH else self._others
        names, rules = page["https" if scope["scheme"] == "https" else "http"]

        async def send_with_rules(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = message.get("headers", [])
                own = {name for name, _ in headers}
                added = rules if names.isdisjoint(own) else [rule for rule in rules if rule[0] not in own]
                message["headers"] = [*headers, *added]
            await send(message)

        await self._app(scope, receive, send_with_rules)


def _encoded(rules: Mapping[str, str], scheme: str) -> tuple[frozenset[bytes], tuple[Header, ...]]:
    """Return the names, and the headers in the form of ASGI, made once for all answers."""
    added = _HTTPS_ANSWER if scheme == "https" else {}
    headers = tuple((name.lower().encode(), value.encode()) for name, value in {**rules, **added}.items())
    return frozenset(name for name, _ in headers), headers
