"""Sessions of browsers: cookies, the CSRF token, and where a request may come from.

The live server speaks plain HTTP; what holds under https is shown on the app itself.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterator
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from auth import csrf
from tests.conftest import PASSWORD, SMALL_EDGES, LiveServer, Person
from tests.unit.http.site import Site
from tests.waiting import WITHIN_S
from tests.wire.tokens import bearer_of

pytestmark = pytest.mark.e2e

SESSION, SECRET = "graphistry_jwt", "csrftoken"


COUNT = {"execute": "def task(g): return len(g._edges)"}


@pytest.fixture(scope="module")
def person(make_user: Callable[..., Person]) -> Iterator[Person]:
    somebody = make_user(f"gina-{uuid4().hex[:8]}")
    yield somebody
    somebody.http.close()


@pytest.fixture(scope="module")
def run_path(person: Person) -> str:
    """Where gina runs Python on a dataset of hers with three edges."""
    return f"/api/v2/datasets/{person.upload(SMALL_EDGES)}/python"


def sign_in(http: httpx.Client, person: Person) -> dict[str, Any]:
    """The cookies that a sign-in sets, with their attributes."""
    answer = http.post("/login", json={"username": person.username, "password": PASSWORD})
    assert answer.status_code == 200, answer.text
    morsels: dict[str, Any] = {}
    for header in answer.headers.get_list("set-cookie"):
        morsels.update(SimpleCookie(header))
    return morsels


@pytest.fixture
def browser(server: LiveServer, person: Person) -> Iterator[httpx.Client]:
    """A browser of gina's with a session."""
    with httpx.Client(base_url=server.url, trust_env=False, timeout=WITHIN_S) as http:
        sign_in(http, person)
        server.secrets |= {http.cookies[SESSION], http.cookies[SECRET]}
        yield http


@pytest.mark.claim(30)
@pytest.mark.protocol("1.1")
def test_a_browser_runs_python_with_its_cookies_and_the_csrf_token(
    server: LiveServer, alice: Person, people: str
) -> None:
    path = f"/api/v2/datasets/{people}/python"
    with httpx.Client(base_url=server.url, trust_env=False) as http:
        assert http.get("/login").status_code == 200
        signed_in = http.post("/login", json={"username": alice.username, "password": PASSWORD})
        assert signed_in.status_code < 400, signed_in.text
        cookies = signed_in.headers.get_list("set-cookie")
        session = next(cookie for cookie in cookies if cookie.startswith("graphistry_jwt="))
        assert "httponly" in session.lower()
        refused = http.post(path, json=COUNT)
        assert (refused.status_code, refused.json()["type"]) == (403, "CsrfFailed")
        token = {"X-CSRFToken": http.cookies["csrftoken"]}
        assert http.post(path, json=COUNT, headers=token).json() == 3
        stranger = {**token, "Origin": "https://evil.example"}
        assert http.post(path, json=COUNT, headers=stranger).status_code == 403


@pytest.mark.protocol("3.7")
def test_the_viewer_page_names_a_dataset_only_to_users_who_may_read_it(
    server: LiveServer, alice: Person, people: str
) -> None:
    path = f"/graph/graph.html?dataset={people}"
    with httpx.Client(base_url=server.url, trust_env=False) as http:
        assert "python_remote" not in http.get(path).text
        http.post("/login", json={"username": alice.username, "password": PASSWORD})
        assert "python_remote" in http.get(path).text


# The CSRF token


PLAIN = "abcdefghijklmnopqrstuvwxyzABCDEF"


TOKENS: dict[str, tuple[str | None, str, bool]] = {
    "bare 32": (PLAIN, PLAIN, True),
    "masked 64": (csrf.mask(PLAIN), PLAIN, True),
    "masked 64, another time": (csrf.mask(PLAIN), PLAIN, True),
    "masked in both": (csrf.mask(PLAIN), csrf.mask(PLAIN), True),
    "none": (None, PLAIN, False),
    "empty": ("", PLAIN, False),
    "wrong": (PLAIN[::-1], PLAIN, False),
    "wrong, masked": (csrf.mask(PLAIN[::-1]), PLAIN, False),
    "truncated": (PLAIN[:-1], PLAIN, False),
    **{f"{length} characters in both": ("a" * length, "a" * length, False) for length in (31, 33, 63, 65)},
    "not alphanumeric, in both": (PLAIN[:-1] + "-", PLAIN[:-1] + "-", False),
    "not ascii, in both": (PLAIN[:-1] + "é", PLAIN[:-1] + "é", False),
}


@pytest.mark.claim(30)
@pytest.mark.parametrize("name", TOKENS)
def test_a_cookie_changes_nothing_without_its_csrf_token(browser: httpx.Client, run_path: str, name: str) -> None:
    token, cookie, passes = TOKENS[name]
    headers = {b"Cookie": f"{SESSION}={browser.cookies[SESSION]}; {SECRET}={cookie}".encode()}
    if token is not None:
        headers[b"X-CSRFToken"] = token.encode()
    browser.cookies.clear()
    answer = browser.post(run_path, json=COUNT, headers=headers)
    assert (answer.status_code, answer.json() if passes else answer.json()["type"]) == (
        (200, 3) if passes else (403, "CsrfFailed")
    )


@pytest.mark.claim(30)
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_no_method_changes_anything_without_the_csrf_token(browser: httpx.Client, method: str) -> None:
    paths = {"POST": "/api/v2/files/", "PUT": "/api/v2/admin/flags/x/", "DELETE": f"/api/v2/files/{'0' * 32}"}
    answer = browser.request(method, paths[method], json={"file_type": "csv"})
    assert (answer.status_code, answer.json()["type"]) == (403, "CsrfFailed")


@pytest.mark.claim(32)
def test_csrf_tokens_are_compared_in_constant_time(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not by a clock: by what compares them. Bytes that differ first or last go through the same call."""
    compared = []
    real = hmac.compare_digest

    def compare(first: Any, second: Any) -> bool:
        compared.append((first, second))
        return bool(real(first, second))

    monkeypatch.setattr("auth.csrf.hmac.compare_digest", compare)
    http = site.signed_in("ann")
    secret = http.cookies[SECRET]
    for wrong in ("0" + secret[1:], secret[:-1] + "0", secret):
        compared.clear()
        http.post("/api/v2/files/", json={"file_type": "csv"}, headers={"x-csrftoken": wrong})
        assert (wrong, secret) in compared


@pytest.mark.claim(32)
def test_the_csrf_secret_is_new_after_each_log_in(server: LiveServer, person: Person) -> None:
    with httpx.Client(base_url=server.url, trust_env=False) as http:
        http.get("/login")
        secrets = [http.cookies[SECRET]] if SECRET in http.cookies else []
        for _ in range(3):
            sign_in(http, person)
            secrets.append(http.cookies[SECRET])
    assert len(set(secrets)) == len(secrets) >= 3
    assert all(len(secret) == 32 for secret in secrets)


# Where a request comes from


SOURCES: dict[str, tuple[dict[str, str], bool]] = {
    "own origin": ({"Origin": "{own}"}, True),
    "foreign origin": ({"Origin": "http://evil.example"}, False),
    "null origin": ({"Origin": "null"}, False),
    "another port of the same host": ({"Origin": "http://127.0.0.1:1"}, False),
    "same-origin fetch": ({"Sec-Fetch-Site": "same-origin"}, True),
    "cross-site fetch": ({"Sec-Fetch-Site": "cross-site"}, False),
    "cross-site fetch that claims our origin": ({"Sec-Fetch-Site": "cross-site", "Origin": "{own}"}, False),
}


@pytest.mark.claim(31)
@pytest.mark.parametrize("name", SOURCES)
def test_a_request_from_another_sites_page_is_403(
    server: LiveServer, browser: httpx.Client, run_path: str, name: str
) -> None:
    headers, passes = SOURCES[name]
    headers = {key: value.format(own=server.url) for key, value in headers.items()}
    headers["X-CSRFToken"] = browser.cookies[SECRET]
    assert browser.post(run_path, json=COUNT, headers=headers).status_code == (200 if passes else 403)


@pytest.mark.claim(31)
@pytest.mark.parametrize(
    ("headers", "passes"),
    [
        ({}, False),
        ({"referer": "https://site.example/page"}, True),
        ({"referer": "https://evil.example/site.example"}, False),
        ({"referer": "http://site.example/"}, False),
        ({"origin": "https://site.example"}, True),
        ({"origin": "https://evil.example"}, False),
    ],
)
def test_under_https_origin_or_referer_must_be_the_servers(
    tmp_path: Path, headers: dict[str, str], passes: bool
) -> None:
    site = Site.open(tmp_path / "data")
    site.user("ann")
    http = site.signed_in("ann", "https")
    headers = {**headers, "x-csrftoken": http.cookies[SECRET]}
    assert http.post("/api/v2/files/", json={"file_type": "csv"}, headers=headers).status_code == (
        201 if passes else 403
    )
    site.close()


@pytest.mark.claim(32)
def test_a_bearer_token_needs_no_csrf_token_and_decides_over_cookies(
    browser: httpx.Client, run_path: str, person: Person, bob: Person
) -> None:
    """The design rules otherwise than the claim: a Bearer token skips CSRF whether or not there is a session cookie.

    No page can make a browser send one. The cookie beside it is then ignored, a good one as well as a bad one.
    """
    evil = {"Origin": "http://evil.example", "Sec-Fetch-Site": "cross-site"}
    with httpx.Client(base_url=browser.base_url, trust_env=False, timeout=WITHIN_S) as bare:
        assert bare.post(run_path, json=COUNT, headers={**evil, **bearer_of(person)}).json() == 3
    assert browser.post(run_path, json=COUNT, headers={**evil, **bearer_of(person)}).json() == 3
    assert browser.post(run_path, json=COUNT, headers=bearer_of(bob)).status_code == 404  # not as gina
    assert browser.get("/api/v2/files/", headers={"Authorization": "Bearer a.b.c"}).status_code == 401
    assert browser.get("/api/v2/files/").status_code == 200


@pytest.mark.claim(33)
@pytest.mark.parametrize("origins", [[], ["*"], ["https://notebooks.example"]])
def test_no_other_origin_is_answered_with_credentials(tmp_path: Path, origins: list[str]) -> None:
    site = Site.open(tmp_path / "data", cors_origins=origins)
    asked = {"origin": "https://evil.example", "access-control-request-method": "POST"}
    for answer in (
        site.browser().options("/api/v2/files/", headers=asked),
        site.browser().get("/healthz", headers={"origin": "https://evil.example"}),
        site.browser().get("/healthz", headers={"origin": "https://notebooks.example"}),
    ):
        assert "access-control-allow-credentials" not in answer.headers
        allowed = answer.headers.get("access-control-allow-origin")
        assert allowed in (None, *origins)
    site.close()


# The session cookie


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    opened = Site.open(tmp_path / "data")
    opened.user("ann")
    yield opened
    opened.close()


@pytest.mark.claim(33)
def test_the_session_cookie_is_hidden_new_at_each_log_in_and_dead_after_log_out(
    server: LiveServer, person: Person
) -> None:
    """It is called ``graphistry_jwt`` and not ``sessionid``, as the protocol has it; it holds a token with 128 bits."""
    with httpx.Client(base_url=server.url, trust_env=False) as http:
        first, second = sign_in(http, person)[SESSION], sign_in(http, person)[SESSION]
        assert (first["httponly"], first["samesite"].lower(), first["path"], first["secure"], first["domain"]) == (
            True, "lax", "/", "", ""
        )  # fmt: skip
        assert first.value != second.value
        assert http.get("/api/v2/files/").status_code == 200
        assert http.post("/logout", headers={"X-CSRFToken": http.cookies[SECRET]}).status_code == 200
        assert SESSION not in http.cookies
        for value, status in ((second.value, 401), (first.value, 200)):  # that log-in, and no other
            cookie = {"Cookie": f"{SESSION}={value}"}
            assert http.get("/api/v2/files/", headers=cookie).status_code == status


@pytest.mark.claim(33)
def test_under_https_cookies_are_secure(site: Site) -> None:
    for scheme, secure in (("https", True), ("http", False)):
        answer = site.browser(scheme).post("/login", json={"username": "ann", "password": PASSWORD})
        cookies = answer.headers.get_list("set-cookie")
        assert len(cookies) == 2
        assert all(("; secure" in cookie.lower()) == secure for cookie in cookies)
