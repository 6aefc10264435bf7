"""Headers of every answer: what browsers may do with it, request ids, traces, its content type."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.conftest import LiveServer, Person
from tests.unit.http.site import Site
from tests.wire.errors import assert_error

pytestmark = pytest.mark.e2e

ANSWERS: list[tuple[str, str, int]] = [
    ("GET", "/", 200),
    ("GET", "/login", 200),
    ("GET", "/docs", 200),
    ("GET", "/openapi.json", 200),
    ("GET", "/static/style.css", 200),
    ("GET", "/healthz", 200),
    ("GET", "/-/healthz", 200),
    ("GET", "/-/routes", 200),
    ("GET", "/api/v2/datasets/", 401),
    ("GET", "/nowhere", 404),
    ("PATCH", "/login", 405),
    ("POST", "/login", 400),
    ("POST", "/api-token-auth/", 400),
    ("GET", "/graph/graph.html", 200),
    ("OPTIONS", "/api/v2/files/", 405),
]


@pytest.mark.claim(34)
@pytest.mark.parametrize(("method", "path", "status"), ANSWERS, ids=[f"{row[0]} {row[1]}" for row in ANSWERS])
def test_every_response_forbids_guessing_framing_and_objects(
    server: LiveServer, method: str, path: str, status: int
) -> None:
    """Framing of the viewer page is a setting, since notebooks embed it; of everything else it is forbidden.

    What is no HTTP at all is answered by HAProxy in its own words, without any of this.
    """
    answer = httpx.request(method, server.url + path, headers={"Accept": "text/html"}, trust_env=False)
    assert answer.status_code == status
    headers = answer.headers
    assert (headers["x-content-type-options"], headers["referrer-policy"]) == ("nosniff", "same-origin")
    policy = dict(re.findall(r"([a-z-]+) ([^;]+)", headers["content-security-policy"]))
    assert (policy["object-src"], policy["base-uri"]) == ("'none'", "'none'")
    assert "unsafe" not in headers["content-security-policy"]
    expected = "'self' http://localhost:* http://127.0.0.1:*" if path.startswith("/graph/") else "'none'"
    assert policy["frame-ancestors"] == expected
    assert "strict-transport-security" not in headers  # plain HTTP: it would be ignored


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    opened = Site.open(tmp_path / "data")
    opened.user("ann")
    yield opened
    opened.close()


@pytest.mark.claim(34)
@pytest.mark.parametrize("path", ["/", "/login", "/api/v2/datasets/", "/nowhere", "/healthz", "/graph/graph.html"])
def test_behind_tls_every_response_has_a_year_of_hsts(site: Site, path: str) -> None:
    told = site.browser("https").get(path).headers["strict-transport-security"]
    assert int(re.findall(r"max-age=(\d+)", told)[0]) >= 31536000


@pytest.mark.claim(34)
def test_a_run_forbids_guessing_and_framing_too(alice: Person, people: str) -> None:
    for code in ("def task(g): return 1", "def task(g): return 1 / 0"):
        headers = alice.run(people, code).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert "frame-ancestors 'none'" in headers["content-security-policy"]


IN_JSON = [
    ("GET", "/healthz"),
    ("GET", "/nowhere"),
    ("PUT", "/api-token-auth/"),
    ("POST", "/api-token-auth/"),
    ("POST", "/api/v2/auth/token/refresh"),
    ("POST", "/api-token-verify/"),
    ("GET", "/api/v2/auth/pkey/jwt/"),
    ("POST", "/api/v2/o/nowhere/switch/"),
    ("GET", "/api/v2/files/"),
    ("POST", "/api/v2/files/"),
    ("POST", f"/api/v2/upload/files/{'0' * 32}"),
    ("GET", "/api/v2/datasets/"),
    ("POST", "/api/v2/upload/datasets/"),
    ("GET", f"/api/v2/upload/datasets/{'0' * 32}"),
    ("POST", "/api/v2/share/link/"),
    ("POST", f"/api/v2/datasets/{'0' * 32}/python"),
    ("POST", "/api/v2/g/sso/oidc/login/"),
    ("GET", "/api/v2/o/sso/oidc/jwt/x/"),
    ("POST", "/etl"),
    ("GET", "/api/check"),
]


@pytest.mark.protocol("9.1.7")
@pytest.mark.parametrize(("method", "path"), IN_JSON, ids=[" ".join(row) for row in IN_JSON])
def test_every_answer_is_json(alice: Person, server: LiveServer, method: str, path: str) -> None:
    for http in (alice.http, httpx.Client(base_url=server.url, trust_env=False)):
        answer = http.request(method, path)
        assert answer.headers["content-type"] == "application/json"
        assert isinstance(answer.json(), dict)
        if http is not alice.http:
            http.close()


ONE = {"execute": "def task(g): return 1"}


@pytest.mark.protocol("9.1.5")
def test_trace_headers_change_nothing(alice: Person, people: str) -> None:
    trace = {"traceparent": f"00-{'1' * 32}-{'2' * 16}-01", "tracestate": "x=1,y=2", "baggage": "a=b"}
    assert alice.http.post(f"/api/v2/datasets/{people}/python", json=ONE, headers=trace).json() == 1
    broken = {"traceparent": "nonsense", "tracestate": "=", "baggage": ";;="}
    assert alice.http.post(f"/api/v2/datasets/{people}/python", json=ONE, headers=broken).json() == 1


def test_a_response_has_one_request_id(alice: Person, people: str) -> None:
    for answer in (alice.http.get("/healthz"), alice.run(people, ONE["execute"]), alice.run(people, "")):
        assert len(answer.headers.get_list("x-request-id")) == 1


@pytest.mark.parametrize("asked", ["trace-1", "a.b_c-1"])
def test_a_request_id_of_the_callers_is_kept(alice: Person, asked: str) -> None:
    answer = alice.http.get("/no/such/page", headers={"X-Request-Id": asked})
    assert assert_error(answer, 404, "NotFound")["request_id"] == asked
