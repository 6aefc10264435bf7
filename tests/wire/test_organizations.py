"""How a log-in names an organization, and how clients switch to one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from graphistry.pygraphistry import GraphistryClient

from tests.conftest import PASSWORD, LiveServer, Person
from tests.unit.http.site import Site

pytestmark = pytest.mark.e2e


@pytest.mark.protocol("1.2")
@pytest.mark.protocol("9.3")
def test_an_organization_is_asked_for_by_name(
    server: LiveServer, admin: Person, make_user: Callable[..., Person]
) -> None:
    carol = make_user("carol")
    assert admin.http.post("/api/v2/admin/organizations/", json={"slug": "lab", "name": "Lab"}).status_code == 201
    body = {"username": "carol", "password": PASSWORD, "org_name": "lab"}
    answer = httpx.post(f"{server.url}/api-token-auth/", json=body, trust_env=False).json()
    assert answer["active_organization"] == {"slug": "lab", "is_found": True, "is_member": False}
    member = admin.http.put("/api/v2/o/lab/members/carol/", json={"role": "member"})
    assert member.is_success, member.text
    client = GraphistryClient()
    client.register(
        api=3, protocol="http", server=f"127.0.0.1:{server.port}", username="carol", password=PASSWORD, org_name="lab"
    )
    assert carol.http.post("/api/v2/o/lab/switch/", data={"slug": "lab"}).json()["status"] == "OK"
    carol.http.close()


@pytest.mark.protocol("1.6")
@pytest.mark.protocol("9.1.3")
def test_a_switch_is_a_form_and_everything_else_is_json(alice: Person) -> None:
    answer = alice.http.post(f"/api/v2/o/{alice.username}/switch/", data={"slug": alice.username})
    assert answer.request.headers["content-type"] == "application/x-www-form-urlencoded"
    assert answer.json()["status"] == "OK"


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Site]:
    """An app on which nobody has made an organization."""
    site = Site.open(tmp_path / "data")
    site.user("ann")
    yield site
    site.close()


@pytest.mark.protocol("9.3")
def test_without_organizations_a_log_in_names_none(alone: Site) -> None:
    body = {"username": "ann", "password": PASSWORD}
    assert "active_organization" not in alone.browser().post("/api-token-auth/", json=body).json()
    told = alone.browser().post("/api-token-auth/", json={**body, "org_name": "ann"}).json()
    assert told["active_organization"] == {"slug": "ann", "is_found": True, "is_member": True}
