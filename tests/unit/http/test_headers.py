"""Every answer tells the browser what it may not do."""

from typing import cast

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from deployments.ingress.middleware.security_headers import SecurityHeaders
from deployments.settings import checked_sources
from tests.unit.http.site import Site, TestClient

PATHS = ["/", "/login", "/docs", "/healthz", "/openapi.json", "/api/v2/datasets/", "/nowhere", "/graph/graph.html",
         "/api/v1/csrfmiddlewaretoken/", "/static/style.css"]  # fmt: skip


def policy_of(headers: object) -> dict[str, str]:
    text = headers["content-security-policy"]  # type: ignore[index]  # httpx's, or its successor's
    return {name: value for name, _, value in (part.strip().partition(" ") for part in text.split(";"))}


@pytest.mark.parametrize("path", PATHS)
def test_every_answer_forbids_guessing_framing_and_objects(site: Site, path: str) -> None:
    answer = site.browser().get(path)
    policy = policy_of(answer.headers)
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "same-origin"
    assert (policy["default-src"], policy["object-src"], policy["base-uri"]) == ("'none'", "'none'", "'none'")
    assert "script-src" not in policy
    assert "unsafe" not in answer.headers["content-security-policy"]
    if path == "/graph/graph.html":
        assert policy["frame-ancestors"] == "'self' http://localhost:* http://127.0.0.1:*"
        assert "x-frame-options" not in answer.headers
    else:
        assert policy["frame-ancestors"] == "'none'"
        assert answer.headers["x-frame-options"] == "DENY"


@pytest.mark.parametrize("path", [path for path in PATHS if path != "/static/style.css"])
def test_only_styles_may_be_cached(site: Site, path: str) -> None:
    assert site.browser().get(path).headers["cache-control"] == "no-store"


def test_styles_are_cached_under_the_address_of_their_version(site: Site) -> None:
    browser = site.browser()
    page = browser.get("/login").text
    address = page.split('rel="stylesheet" href="')[1].split('"')[0]
    kept = browser.get(address)
    assert (kept.status_code, kept.headers["content-type"]) == (200, "text/css; charset=utf-8")
    assert "immutable" in kept.headers["cache-control"]
    assert browser.get("/static/style.css?v=old").headers["cache-control"] == "no-cache"


@pytest.mark.parametrize("name", ["nothing.css", "..%2fcsrf.py", "%2e%2e/csrf.py", "style.css%00"])
def test_no_other_file_is_served(site: Site, name: str) -> None:
    assert site.browser().get(f"/static/{name}").status_code == 404


def test_hsts_is_for_https_only(site: Site) -> None:
    assert "strict-transport-security" not in site.browser().get("/login").headers
    assert site.browser("https").get("/login").headers["strict-transport-security"] == "max-age=31536000"


def test_an_unexpected_error_has_the_headers_too(site: Site) -> None:
    app = site.browser().app

    async def broken(_: Request) -> Response:
        raise RuntimeError("broken")

    cast(Starlette, app).router.routes.append(Route("/broken", broken))
    answer = TestClient(app, raise_server_exceptions=False).get("/broken")
    assert answer.status_code == 500
    assert policy_of(answer.headers)["frame-ancestors"] == "'none'"


@pytest.mark.parametrize(
    "sources",
    [
        ["*"],
        ["'self'"],
        ["https://notebooks.example"],
        ["https://*.notebooks.example:8443", "vscode-webview:"],
        ["localhost:8888"],
    ],
)
def test_a_setting_says_who_may_frame_the_viewer(sources: list[str]) -> None:
    async def empty(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    browser = TestClient(SecurityHeaders(empty, sources))
    assert policy_of(browser.get("/graph/graph.html").headers)["frame-ancestors"] == " ".join(sources)
    assert policy_of(browser.get("/graph/other.html").headers)["frame-ancestors"] == "'none'"


@pytest.mark.parametrize("source", ["", "a; script-src *", "https://a.example, b", "'unsafe-inline'", "https://a/b c"])
def test_a_source_cannot_end_its_directive(source: str) -> None:
    with pytest.raises(ValueError, match="not a CSP source"):
        checked_sources([source])


def test_an_empty_list_allows_nobody_to_frame_the_viewer() -> None:
    assert checked_sources([]) == "'none'"
