"""Signing in and out: which cookies are set, how, and when they stop to count."""

from http.cookies import Morsel, SimpleCookie
from pathlib import Path

import pytest

from auth import csrf
from tests.unit.http.site import PAGE, PASSWORD, SECRET, Site

LOG_IN = {"username": "alice", "password": PASSWORD}


def cookies_set(answer: object) -> dict[str, Morsel[str]]:
    """Every cookie that a response sets, with its attributes."""
    found: dict[str, Morsel[str]] = {}
    for line in answer.headers.get_list("set-cookie"):  # type: ignore[attr-defined]  # httpx's, or its successor's
        found.update(SimpleCookie(line))
    return found


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("form", [True, False])
def test_signing_in_sets_the_session_for_the_life_of_its_token(site: Site, scheme: str, form: bool) -> None:
    browser = site.browser(scheme)
    answer = browser.post("/login", data=LOG_IN) if form else browser.post("/login", json=LOG_IN)
    assert answer.status_code == (303 if form else 200)
    cookies = cookies_set(answer)
    session, secret = cookies["graphistry_jwt"], cookies["csrftoken"]
    assert session["httponly"] and not secret["httponly"]
    for cookie in (session, secret):
        assert (cookie["path"], cookie["samesite"], cookie["domain"]) == ("/", "lax", "")
        assert bool(cookie["secure"]) == (scheme == "https")
    assert int(session["max-age"]) == site.services.settings.token_lifetime_s
    assert site.services.tokens.verify(session.value).username == "alice"
    assert csrf.secret_of(secret.value) == secret.value
    assert session.value not in answer.text


def test_a_new_sign_in_makes_a_new_session_and_a_new_secret(site: Site) -> None:
    browser = site.browser()
    first = cookies_set(browser.post("/login", json=LOG_IN))
    second = cookies_set(browser.post("/login", json=LOG_IN))
    for name in ("graphistry_jwt", "csrftoken"):
        assert first[name].value != second[name].value


def test_the_answer_to_json_names_the_user_and_withholds_the_token(site: Site) -> None:
    body = site.browser().post("/login", json=LOG_IN).json()
    assert body["success"] is True
    assert body["user"]["username"] == "alice"
    assert "token" not in body


@pytest.mark.parametrize(
    ("fields", "status", "type_"),
    [
        ({"username": "alice", "password": "wrong"}, 400, "InvalidCredentials"),
        ({"username": "nobody", "password": PASSWORD}, 400, "InvalidCredentials"),
        ({"username": "alice"}, 400, "InvalidRequest"),
        ({"username": ["alice"], "password": {}}, 400, "InvalidRequest"),
        ({}, 400, "InvalidRequest"),
    ],
)
def test_a_failed_sign_in_sets_no_session(site: Site, fields: dict[str, object], status: int, type_: str) -> None:
    answer = site.browser().post("/login", json=fields)
    assert (answer.status_code, answer.json()["type"]) == (status, type_)
    assert "set-cookie" not in answer.headers


def test_the_sign_in_page_says_when_there_were_too_many_failures(tmp_path: Path) -> None:
    site = Site.open(tmp_path / "data")
    site.user("alice")
    with site.browser() as browser:
        for _ in range(10):
            assert browser.post("/login", json={**LOG_IN, "password": "wrong"}).status_code == 400
        assert browser.post("/login", json=LOG_IN).status_code == 429
        answer = browser.post("/login", data=LOG_IN, headers=PAGE)
    assert (answer.status_code, answer.headers["content-type"]) == (429, "text/html; charset=utf-8")
    assert int(answer.headers["retry-after"]) > 0
    assert 'role="alert"' in answer.text
    site.close()


@pytest.mark.parametrize("content_type", ["text/plain", "multipart/form-data; boundary=x", ""])
def test_only_forms_and_json_sign_in(site: Site, content_type: str) -> None:
    content = b'{"username": "alice", "password": "correct horse battery"}'
    answer = site.browser().post("/login", content=content, headers={"content-type": content_type})
    assert answer.status_code == 400


@pytest.mark.parametrize(
    ("headers", "passes"),
    [
        ({}, True),
        ({"origin": "https://site.example"}, True),
        ({"origin": "https://evil.example"}, False),
        ({"origin": "null"}, False),
        ({"referer": "https://evil.example/"}, False),
        ({"sec-fetch-site": "cross-site"}, False),
    ],
)
def test_no_foreign_page_signs_its_visitor_in(site: Site, headers: dict[str, str], passes: bool) -> None:
    answer = site.browser("https").post("/login", json=LOG_IN, headers=headers)
    assert answer.status_code == (200 if passes else 403)
    assert ("graphistry_jwt" in cookies_set(answer)) == passes


def test_signing_out_needs_proof_and_ends_the_session_for_good(site: Site) -> None:
    browser = site.signed_in("alice")
    token, secret = browser.cookies["graphistry_jwt"], browser.cookies["csrftoken"]
    refused = browser.post("/logout")
    assert (refused.status_code, refused.json()["type"]) == (403, "CsrfFailed")
    assert browser.get("/api/v2/datasets/").status_code == 200

    answer = browser.post("/logout", headers={"x-csrftoken": secret})
    assert answer.status_code == 200
    cookies = cookies_set(answer)
    assert all(cookies[name]["max-age"] == "0" for name in ("graphistry_jwt", "csrftoken"))
    assert browser.get("/api/v2/datasets/").status_code == 401
    again = site.browser().get("/api/v2/datasets/", headers={"authorization": f"Bearer {token}"})
    assert again.status_code == 401


def test_a_form_signs_out_to_the_sign_in_page(site: Site) -> None:
    browser = site.signed_in("alice")
    form = {"csrfmiddlewaretoken": csrf.mask(browser.cookies["csrftoken"])}
    answer = browser.post("/logout", data=form, headers=PAGE)
    assert (answer.status_code, answer.headers["location"]) == (303, "/login")


def test_a_bearer_token_signs_itself_out_without_proof(site: Site) -> None:
    token = site.browser().post("/api-token-auth/", json=LOG_IN).json()["token"]
    header = {"authorization": f"Bearer {token}"}
    assert site.browser().post("/logout", headers=header).status_code == 200
    assert site.browser().get("/api/v2/datasets/", headers=header).status_code == 401


@pytest.mark.parametrize("session", ["", "graphistry_jwt=rubbish; csrftoken=" + SECRET])
def test_signing_out_without_a_session_is_no_error(site: Site, session: str) -> None:
    headers = {"cookie": session, "x-csrftoken": SECRET} if session else {}
    assert site.browser().post("/logout", headers=headers).status_code == 200


def test_no_foreign_page_signs_its_visitor_out(site: Site) -> None:
    # The browser keeps SameSite cookies back, so nothing but the source tells.
    answer = site.browser().post("/logout", headers={"origin": "http://evil.example"})
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers


def test_two_session_cookies_at_once_count_as_none(site: Site) -> None:
    mine = site.signed_in("alice").cookies["graphistry_jwt"]
    planted = site.signed_in("alice").cookies["graphistry_jwt"]
    for cookie, status in ((f"graphistry_jwt={mine}; graphistry_jwt={planted}", 401), (f"graphistry_jwt={mine}", 200)):
        assert site.browser().get("/api/v2/datasets/", headers={"cookie": cookie}).status_code == status


def test_the_token_route_gives_masked_tokens_of_the_cookies_secret(site: Site) -> None:
    browser = site.browser()
    first = browser.get("/api/v1/csrfmiddlewaretoken/")
    secret = cookies_set(first)["csrftoken"].value
    second = browser.get("/api/v1/csrfmiddlewaretoken/")
    assert "set-cookie" not in second.headers
    tokens = [answer.json()["csrfmiddlewaretoken"] for answer in (first, second)]
    assert tokens[0] != tokens[1]
    assert all(len(token) == 64 and csrf.matches(token, secret) for token in tokens)
    browser.cookies.set("csrftoken", "too short")
    assert "csrftoken" in cookies_set(browser.get("/api/v1/csrfmiddlewaretoken/"))
