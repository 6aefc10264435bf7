"""What a stranger sends to a log-in route is bounded before anything works on it."""

import gzip
import json
import unicodedata
from collections.abc import Iterator
from typing import Any

import pytest

from auth.names import normal
from tests.unit.http.site import PASSWORD, Browser, Site

MARKS = "\u0301" * 20_000 + "\u0321" * 20_000
"""Marks that have to be sorted: normalizing them takes time with the square of their number."""

LOG_INS: tuple[tuple[str, dict[str, str]], ...] = (
    ("/api-token-auth/", {"username": "alice", "password": PASSWORD}),
    ("/api/v2/auth/token/generate", {"username": "alice", "password": PASSWORD}),
    ("/api/v2/auth/token/refresh", {"token": "x"}),
    ("/api-token-refresh/", {"token": "x"}),
    ("/api-token-verify/", {"token": "x"}),
    ("/api/v2/auth/pkey/jwt", {}),
    ("/login", {"username": "alice", "password": PASSWORD}),
)


def with_key(site: Site) -> Browser:
    """A browser with a personal key, because a route that takes keys reads no body without one."""
    made = site.services.keys.create(site.services.users.get("alice").user_id, "laptop")
    browser = site.browser()
    browser.headers["Authorization"] = f"PersonalKey {made.key.id}:{made.secret}"
    return browser


@pytest.fixture
def longest(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The lengths of the texts that are normalized."""
    lengths = [0]

    def normalize(form: Any, text: str, real: Any = unicodedata.normalize) -> str:
        lengths.append(len(text))
        return str(real(form, text))

    monkeypatch.setattr(unicodedata, "normalize", normalize)
    return lengths


@pytest.mark.parametrize("size", [150, 151, 5_000])
def test_no_long_name_is_normalized(site: Site, longest: list[int], size: int) -> None:
    browser = site.browser()
    for path in ("/api-token-auth/", "/login"):
        answer = browser.post(path, json={"username": MARKS[:size], "password": PASSWORD})
        assert answer.status_code == 400
    assert max(longest) <= 150


def test_no_caller_of_normalization_passes_a_long_text(site: Site, longest: list[int]) -> None:
    """Also where a name comes from the command line or another server and no model has seen it."""
    services = site.services
    for ask in (services.users.get, services.users.disable, services.users.end_sessions):
        with pytest.raises(Exception, match="there is no user"):
            ask(MARKS)
    with pytest.raises(Exception, match="Unable to log in"):
        services.users.authenticate(MARKS, PASSWORD)
    with pytest.raises(Exception, match="a username has 1 to 150"):
        services.users.add(MARKS, PASSWORD)
    assert normal(MARKS) == ""
    assert max(longest) <= 150


@pytest.mark.parametrize(("path", "body"), LOG_INS)
def test_a_log_in_route_reads_16_kib_and_no_more(site: Site, path: str, body: dict[str, str]) -> None:
    browser = with_key(site)
    text = json.dumps(body)
    fits, longer = text + " " * (16 * 1024 - len(text)), text + " " * (16 * 1024 + 1 - len(text))
    headers = {"content-type": "application/json"}
    assert browser.post(path, content=fits, headers=headers).status_code != 413
    refused = browser.post(path, content=longer, headers=headers)
    assert (refused.status_code, refused.json()["limit"]) == (413, 16 * 1024)
    assert refused.json()["limit_name"] == "body_bytes"


@pytest.mark.parametrize(("path", "body"), LOG_INS)
def test_a_body_of_unknown_length_is_read_up_to_the_limit(site: Site, path: str, body: dict[str, str]) -> None:
    sent = 0

    def chunks() -> Iterator[bytes]:
        nonlocal sent
        yield json.dumps(body).encode()[:-1]
        for _ in range(4096):
            sent += 1024
            yield b" " * 1024

    answer = with_key(site).post(path, content=chunks(), headers={"content-type": "application/json"})
    assert answer.status_code == 413


@pytest.mark.parametrize("is_announced", [True, False])
def test_a_long_form_is_413_and_not_a_form_without_fields(site: Site, is_announced: bool) -> None:
    form = f"username=alice&password={PASSWORD}&padding=".encode() + b"x" * 65 * 1024
    answer = site.browser().post(
        "/login",
        content=form if is_announced else iter([form]),
        headers={"content-type": "application/x-www-form-urlencoded"},
    )
    assert (answer.status_code, answer.json()["type"]) == (413, "TooLarge")


@pytest.mark.parametrize("path", ["/api-token-auth/", "/api-token-verify/", "/login"])
def test_a_packed_body_is_called_what_it_is(site: Site, path: str) -> None:
    packed = gzip.compress(json.dumps({"username": "alice", "password": PASSWORD}).encode())
    answer = site.browser().post(path, content=packed, headers={"content-type": "application/json"})
    assert answer.status_code == 400
    assert "gzip data" in answer.json()["error"]


@pytest.mark.parametrize("length", ["²", "9" * 5000, "-1", "1e9"])
def test_an_odd_length_is_no_failure_of_ours(site: Site, length: str) -> None:
    browser: Browser = site.browser()
    headers = {b"content-type": b"application/json", b"content-length": length.encode("latin-1")}
    assert browser.post("/api-token-auth/", content=b"{}", headers=headers).status_code in (400, 413)
