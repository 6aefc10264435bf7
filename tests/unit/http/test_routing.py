"""Which methods a path takes, what HEAD is, and whose keys an error has."""

import pytest

from tests.unit.http.site import Site


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PATCH", "/api/v2/files/", "GET, HEAD, POST"),
        ("PUT", "/api/v2/auth/pkey", "GET, HEAD, POST"),
        ("OPTIONS", "/api/v2/auth/pkey/jwt", "GET, HEAD, POST"),
        ("GET", "/api/v2/auth/pkey/" + "0" * 32, "DELETE"),
        ("DELETE", "/api/v2/o/acme/members", "GET, HEAD"),
        ("GET", "/api/v2/o/acme/members/ann/", "DELETE, PUT"),
    ],
)
def test_a_method_that_a_path_lacks_is_405_with_the_methods_that_it_has(
    site: Site, method: str, path: str, allowed: str
) -> None:
    answer = site.browser().request(method, path)
    assert (answer.status_code, answer.json()["type"]) == (405, "MethodNotAllowed")
    assert answer.headers["allow"] == allowed


@pytest.mark.parametrize("path", ["/healthz", "/login/", "/openapi.json", "/static/style.css"])
def test_every_path_that_answers_get_answers_head(site: Site, path: str) -> None:
    browser = site.browser()
    full, head = browser.get(path), browser.head(path)
    assert (head.status_code, head.headers["content-type"]) == (200, full.headers["content-type"])


def test_a_head_with_a_cookie_ends_nobodys_sessions(site: Site) -> None:
    site.user("boss", admin=True)
    boss, alice = site.signed_in("boss"), site.signed_in("alice")
    for method in ("HEAD", "GET"):
        assert boss.request(method, "/api/v2/logout-user/username/alice/").status_code == 403
    assert alice.get("/api/v2/organizations/").status_code == 200


@pytest.mark.parametrize(
    ("path", "keys"),
    [
        ("/api/v2/files/none/", {"is_valid", "is_uploaded", "errors"}),
        ("/api/v2/upload/files/none", {"is_valid", "is_uploaded", "errors"}),
        ("/api/v2/datasets/files", {"success", "message"}),
        ("/api/v2/admin/groups/files/members/x", {"success", "message"}),
        ("/api/v2/o/files/members", {"status", "message"}),
        ("/api-token-auth/files", {"non_field_errors"}),
    ],
)
def test_the_keys_of_an_error_follow_from_the_route_and_not_from_a_name_in_it(
    site: Site, path: str, keys: set[str]
) -> None:
    answer = site.browser().get(path)
    assert answer.status_code in (401, 404, 405)
    assert keys <= answer.json().keys()
    assert ("is_valid" in answer.json()) == ("is_valid" in keys)
