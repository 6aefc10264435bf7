"""Requests with a session cookie must be meant; requests with a token need not prove it."""

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from auth import csrf
from deployments.ingress.web.csrf import origin_of
from tests.unit.http.site import PASSWORD, SECRET, Site

CREATE = "/api/v2/files/"
BODY = {"file_type": "csv"}
OWN = {"http": "http://site.example", "https": "https://site.example"}
MASKED = csrf.mask(SECRET)


@pytest.fixture(scope="module")
def token(site: Site) -> str:
    answer = site.browser().post("/api-token-auth/", json={"username": "alice", "password": PASSWORD})
    return str(answer.json()["token"])


@dataclass(frozen=True)
class Case:
    """Cookies and headers that a request sends beside a valid session."""

    name: str
    passes: bool
    header: str | None = SECRET
    cookie: str | None = SECRET
    scheme: str = "http"
    headers: dict[str, str] = field(default_factory=dict)


CASES = [
    Case("bare header, bare cookie", True),
    Case("masked header, bare cookie", True, header=MASKED),
    Case("bare header, masked cookie", True, cookie=MASKED),
    Case("masked header, other mask in the cookie", True, header=csrf.mask(SECRET), cookie=MASKED),
    Case("no header", False, header=None),
    Case("empty header", False, header=""),
    Case("no cookie", False, cookie=None),
    Case("neither", False, header=None, cookie=None),
    Case("another secret", False, header=SECRET[::-1]),
    Case("another secret, masked", False, header=csrf.mask(SECRET[::-1])),
    *(
        Case(f"{length} characters, in both", False, header="a" * length, cookie="a" * length)
        for length in (1, 31, 33, 63, 65, 96)
    ),
    Case("truncated", False, header=SECRET[:-1]),
    Case("not alphanumeric, in both", False, header=SECRET[:-1] + "-", cookie=SECRET[:-1] + "-"),
    Case("two different cookies", False, cookie=f"{SECRET}; csrftoken={SECRET[::-1]}"),
    Case("own origin", True, headers={"origin": OWN["http"]}),
    Case("own origin, port written out", True, headers={"origin": OWN["http"] + ":80"}),
    Case("own origin, capitals", True, headers={"origin": "HTTP://SITE.example"}),
    Case("foreign origin", False, headers={"origin": "http://evil.example"}),
    Case("origin null", False, headers={"origin": "null"}),
    Case("empty origin", False, headers={"origin": ""}),
    Case("own host at another port", False, headers={"origin": OWN["http"] + ":8001"}),
    Case("own host by another scheme", False, headers={"origin": OWN["https"]}),
    Case("subdomain", False, headers={"origin": "http://a.site.example"}),
    Case("own name as user of a foreign host", False, headers={"origin": "http://site.example@evil.example"}),
    Case("own name as prefix", False, headers={"origin": "http://site.example.evil.example"}),
    Case("http, no origin, foreign referer", True, headers={"referer": "http://evil.example/"}),
    Case("https, own origin", True, scheme="https", headers={"origin": OWN["https"]}),
    Case("https, origin by http", False, scheme="https", headers={"origin": OWN["http"]}),
    Case("https, neither origin nor referer", False, scheme="https"),
    Case("https, own referer", True, scheme="https", headers={"referer": OWN["https"] + "/a?b"}),
    Case("https, foreign referer", False, scheme="https", headers={"referer": "https://evil.example/site.example"}),
    Case("https, referer by http", False, scheme="https", headers={"referer": OWN["http"] + "/a"}),
    Case("https, malformed referer", False, scheme="https", headers={"referer": "https://[oops"}),
    Case("https, own origin decides over the referer", True, scheme="https",
         headers={"origin": OWN["https"], "referer": "https://evil.example/"}),
    Case("same-origin fetch", True, headers={"sec-fetch-site": "same-origin"}),
    Case("cross-site fetch", False, headers={"sec-fetch-site": "cross-site"}),
    Case("cross-site fetch with own origin", False, headers={"sec-fetch-site": "cross-site", "origin": OWN["http"]}),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_session_changes_something_only_with_its_csrf_token(site: Site, token: str, case: Case) -> None:
    cookies = [f"graphistry_jwt={token}"] + ([f"csrftoken={case.cookie}"] if case.cookie is not None else [])
    headers = {"cookie": "; ".join(cookies), **case.headers}
    if case.header is not None:
        headers["x-csrftoken"] = case.header
    answer = site.browser(case.scheme).post(CREATE, json=BODY, headers=headers)
    if case.passes:
        assert answer.status_code in (200, 201), answer.text
    else:
        assert answer.status_code == 403, answer.text
        body = answer.json()
        assert body["type"] == "CsrfFailed"
        assert body["error"].startswith("CSRF check failed")
        assert SECRET not in answer.text


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_every_unsafe_method_is_checked(site: Site, token: str, method: str) -> None:
    paths = {"POST": CREATE, "PUT": "/api/v2/admin/flags/x/", "DELETE": "/api/v2/datasets/" + "0" * 32}
    answer = site.browser().request(method, paths[method], headers={"cookie": f"graphistry_jwt={token}"}, json={})
    assert (answer.status_code, answer.json()["type"]) == (403, "CsrfFailed")


def test_reading_needs_no_proof(site: Site, token: str) -> None:
    headers = {"cookie": f"graphistry_jwt={token}", "sec-fetch-site": "cross-site"}
    assert site.browser().get("/api/v2/datasets/", headers=headers).status_code == 200


def test_a_bearer_token_decides_and_needs_no_proof(site: Site, token: str) -> None:
    headers = {"authorization": f"Bearer {token}", "origin": "http://evil.example", "sec-fetch-site": "cross-site"}
    for cookie in ({}, {"cookie": f"graphistry_jwt={token}"}, {"cookie": "graphistry_jwt=rubbish; csrftoken=x"}):
        answer = site.browser().post(CREATE, json=BODY, headers={**headers, **cookie})
        assert answer.status_code in (200, 201), answer.text


@pytest.mark.parametrize("header", ["Bearer rubbish", "Bearer", "bearer  ", "Bearer a b c"])
def test_a_bad_bearer_token_is_not_replaced_by_a_good_session(site: Site, token: str, header: str) -> None:
    headers = {"authorization": header, "cookie": f"graphistry_jwt={token}"}
    answer = site.browser().get("/api/v2/datasets/", headers=headers)
    assert (answer.status_code, answer.json()["type"]) == (401, "Unauthenticated")


def test_a_proxys_own_authorization_does_not_hide_the_session(site: Site, token: str) -> None:
    headers = {"authorization": "Basic cHJveHk6cHJveHk="}
    assert site.browser().get("/api/v2/datasets/", headers=headers).status_code == 401
    headers["cookie"] = f"graphistry_jwt={token}"
    assert site.browser().get("/api/v2/datasets/", headers=headers).status_code == 200
    assert site.browser().post(CREATE, json=BODY, headers=headers).status_code == 403


def test_a_form_may_carry_the_token_and_the_route_still_reads_its_body(site: Site, token: str) -> None:
    cookie = {"cookie": f"graphistry_jwt={token}; csrftoken={SECRET}"}
    form = {"slug": "alice", "csrfmiddlewaretoken": MASKED}
    assert site.browser().post("/api/v2/o/alice/switch/", data=form, headers=cookie).status_code == 200
    form["csrfmiddlewaretoken"] = SECRET[::-1]
    assert site.browser().post("/api/v2/o/alice/switch/", data=form, headers=cookie).status_code == 403


def test_a_large_form_is_not_searched_for_a_token(site: Site, token: str) -> None:
    form = f"csrfmiddlewaretoken={SECRET}&a={'x' * 100_000}"
    headers = {"cookie": f"graphistry_jwt={token}; csrftoken={SECRET}"}
    headers["content-type"] = "application/x-www-form-urlencoded"
    assert site.browser().post("/api/v2/o/alice/switch/", content=form, headers=headers).status_code == 403


def test_behind_a_proxy_the_public_url_is_our_origin(tmp_path: Path) -> None:
    site = Site.open(tmp_path / "data", public_url="https://graphs.example")
    site.user("alice")
    browser = site.browser()
    sign_in = browser.post("/login", json={"username": "alice", "password": PASSWORD})
    assert "; Secure" in sign_in.headers["set-cookie"]
    token = sign_in.cookies["graphistry_jwt"]
    headers = {"cookie": f"graphistry_jwt={token}; csrftoken={SECRET}", "x-csrftoken": SECRET}
    for origin, status in (("https://graphs.example", 201), ("http://site.example", 403)):
        answer = site.browser().post(CREATE, json=BODY, headers={**headers, "origin": origin})
        assert answer.status_code in (status, 200 if status == 201 else status), answer.text
    site.close()


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://a.example", ("https", "a.example", 443)),
        ("http://A.example:8000/x?y#z", ("http", "a.example", 8000)),
        ("http://[::1]:8000", ("http", "::1", 8000)),
        ("null", None),
        ("", None),
        ("http://", None),
        ("//a.example", None),
        ("ftp://a.example", None),
        ("http://a.example:99999", None),
        ("http://u@a.example", None),
        ("http://a.example\\@b.example", None),
    ],
)
def test_an_origin_is_scheme_host_and_port(url: str, origin: tuple[str, str, int] | None) -> None:
    assert origin_of(url) == origin


RUN = f"/api/v2/datasets/{'0' * 32}/python"


@pytest.mark.parametrize("path", [CREATE, "/api/v2/share/link/", RUN])
def test_a_form_that_proves_its_token_to_a_route_for_json_is_answered(site: Site, token: str, path: str) -> None:
    """The body is read twice: for the token, and for the route."""
    cookie = {"cookie": f"graphistry_jwt={token}; csrftoken={SECRET}"}
    answer = site.browser().post(path, data={"csrfmiddlewaretoken": SECRET}, headers=cookie)
    assert (answer.status_code, answer.json()["type"]) in [(400, "InvalidRequest"), (403, "EndpointDisabled")]
