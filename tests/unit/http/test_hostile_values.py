"""Values that a database could choke on, in every text, number and path that reaches one: on SQLite and PostgreSQL."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.postgresql_server import PostgresServer
from tests.unit.http.site import Browser, Site

pytestmark = pytest.mark.soak

VALUES: dict[str, Any] = {
    "NUL": "a\0b",
    "half a character": "a\ud800b",
    "SQL": "'; DROP TABLE users; --",
    "SQL that is true": "x' OR '1'='1",
    "wildcards": "%_%",
    "a backslash at the end": "name\\",
    "text from right to left": "abc\u202edef\u2066",
    "long": "n" * 100_000,
    "beyond 64 bits": 2**63,
    "far below": -(2**70),
    "a float": 1.5e308,
    "true": True,
    "null": None,
    "a list": ["admin"],
    "an object": {"$ne": None},
}

QUOTED = [
    "%00", "a%00b", "%ED%A0%80", "%FF", "%27%20OR%201%3D1--", "%25", "-1", "9223372036854775808", "1e9", "",
    "%2e%2e%2f", "1%3Bselect%20pg_sleep(9)",
]  # fmt: skip


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def browser(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """An administrator's. A server error is raised in the test."""
    folder = tmp_path_factory.mktemp("site")
    settings: dict[str, Path] = {}
    if request.param == "postgresql":
        server: PostgresServer = request.getfixturevalue("postgresql")
        settings["database_url_file"] = folder / "url"
        settings["database_url_file"].write_text(server.new_database())
    site = Site.open(folder / "data", **settings)
    site.services.store.prepare()
    token = site.services.tokens.issue(site.user("root", admin=True))
    opened = site.browser()
    opened.headers["Authorization"] = f"Bearer {token}"
    yield opened
    site.close()


def bodies(value: Any) -> list[tuple[str, str, Any]]:
    """Requests whose bodies have the value in each of their fields."""
    bindings = {"edge_encodings": {"bindings": {"source": value, "destination": "d"}}}
    return [
        ("POST", "/api/v2/files/", {"file_type": "csv", "name": value}),
        ("POST", "/api/v2/files/", {"file_type": value}),
        ("POST", "/api/v2/upload/datasets/", {"name": value, "description": "d"}),
        ("POST", "/api/v2/upload/datasets/", {"name": "n", "description": value, "metadata": {"a": value}}),
        ("POST", "/api/v2/upload/datasets/", {"name": "n", **bindings, "edge_files": [value]}),
        ("POST", "/api-token-auth/", {"username": value, "password": "p"}),
        ("POST", "/api-token-auth/", {"username": "u", "password": value, "org_name": value}),
        ("POST", "/api/v2/admin/users/", {"username": value, "password": "correct horse battery"}),
        ("POST", "/api/v2/admin/organizations", {"slug": value, "name": value}),
        ("PUT", "/api/v2/admin/flags/flag_python_endpoint_enabled_users/", {"value": True, "user": value}),
        ("PUT", "/api/v2/admin/flags/flag_python_endpoint_enabled_users/", {"value": True, "percent": value}),
        ("PUT", "/api/v2/o/lab/members/root", {"role": value}),
        ("POST", "/api/v2/share/link/", {"obj_pk": value, "mode": "private"}),
    ]


@pytest.mark.parametrize("name", VALUES)
def test_a_value_in_a_body_is_kept_or_refused(browser: Browser, name: str) -> None:
    for method, path, body in bodies(VALUES[name]):
        answer = browser.request(method, path, content=json.dumps(body), headers={"Content-Type": "application/json"})
        assert answer.status_code < 500, (path, answer.text[:200])


@pytest.mark.parametrize("quoted", QUOTED)
def test_a_value_in_a_path_or_a_query_is_found_nowhere(browser: Browser, quoted: str) -> None:
    for method, path in (
        ("GET", f"/api/v2/datasets/{quoted}/"),
        ("DELETE", f"/api/v2/files/{quoted}"),
        ("GET", f"/api/v2/runs/{quoted}"),
        ("GET", f"/api/v2/o/{quoted}/members"),
        ("PUT", f"/api/v2/o/{quoted}/members/{quoted}"),
        ("GET", f"/api/v2/admin/audit?actor={quoted}&action={quoted}&limit={quoted}&offset={quoted}"),
        ("GET", f"/api/v2/datasets/?limit={quoted}&offset={quoted}"),
        ("GET", f"/api/v2/runs?limit={quoted}&dataset_id={quoted}"),
    ):
        answer = browser.request(method, path)
        assert answer.status_code < 500, (path, answer.text[:200])


def test_after_all_of_it_everything_is_there(browser: Browser) -> None:
    assert "root" in browser.get("/api/v2/admin/users/").text
    assert browser.get("/api/v2/datasets/?limit=1000").status_code == 200
