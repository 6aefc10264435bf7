"""A site with an administrator, root, and two users, ann and bob."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from auth.audit import AuditLine
from deployments.ingress.services import Services
from deployments.ingress.snapshot import Snapshot
from tests.unit.http.site import PASSWORD, Browser, Site

KEY_HEADER = "PersonalKey {id}:{secret}"
FLAG = "flag_python_endpoint_enabled_users"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    opened = Site.open(tmp_path / "data")
    opened.user("root", admin=True)
    opened.user("ann")
    opened.user("bob")
    yield opened
    opened.close()


@pytest.fixture
def client(site: Site) -> Browser:
    return site.browser()


@pytest.fixture
def other(site: Site) -> Iterator[Browser]:
    """Another replica of the same server, up to date with the catalog."""
    services = site.services
    snapshot = Snapshot(services.catalog, services.threads)
    replica = replace(services, snapshot=snapshot, credentials=replace(services.credentials, snapshot=snapshot))
    yield Site(replica).browser()


def log_in(client: Browser, username: str = "ann", password: str = PASSWORD, **body: Any) -> httpx.Response:
    answer: httpx.Response = client.post("/api-token-auth/", json={"username": username, "password": password, **body})
    return answer


def bearer(client: Browser, username: str = "ann") -> dict[str, str]:
    answer = log_in(client, username)
    assert answer.status_code == 200, answer.text
    return {"Authorization": f"Bearer {answer.json()['token']}"}


def counts(client: Browser, headers: dict[str, str]) -> bool:
    """Return True if the token is still accepted."""
    answer = client.get("/api/v2/organizations/", headers=headers)
    assert answer.status_code in (200, 401), answer.text
    return bool(answer.status_code == 200)


def audit(services: Services, **wanted: Any) -> tuple[AuditLine, ...]:
    assert services.audit.flush()
    return services.audit.list(100, 0, **wanted)[1]


def make_key(client: Browser, headers: dict[str, str], name: str = "laptop") -> dict[str, Any]:
    answer = client.post("/api/v2/auth/pkey/", json={"name": name}, headers=headers)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made
