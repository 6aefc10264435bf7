"""Personal keys: they sign in until they are revoked."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from graphistry.pygraphistry import GraphistryClient

from tests.conftest import LiveServer, Person

pytestmark = pytest.mark.e2e

COUNT = "def task(g): return len(g._edges)"


def make_key(person: Person) -> dict[str, Any]:
    made = person.http.post("/api/v2/auth/pkey/", json={"name": "notebook"})
    assert made.status_code == 201, made.text
    key: dict[str, Any] = made.json()
    return key


@pytest.mark.protocol("1.5")
def test_pygraphistry_signs_in_with_a_personal_key(server: LiveServer, alice: Person, people: str) -> None:
    key = make_key(alice)
    client = GraphistryClient()
    client.register(
        api=3, protocol="http", server=f"127.0.0.1:{server.port}",
        personal_key_id=key["id"], personal_key_secret=key["secret"],
    )  # fmt: skip
    assert client.bind(dataset_id=people).python_remote_json(COUNT, engine="pandas") == 3


@pytest.mark.protocol("1.5")
@pytest.mark.protocol("9.1.2")
def test_a_key_opens_with_get_and_post_until_it_is_revoked(server: LiveServer, alice: Person) -> None:
    key = make_key(alice)
    header = {"Authorization": f"PersonalKey {key['id']}:{key['secret']}"}
    with httpx.Client(base_url=server.url, headers=header, trust_env=False) as http:
        assert "token" in http.request("GET", "/api/v2/auth/pkey/jwt/", json={}).json()
        assert "token" in http.post("/api/v2/auth/pkey/jwt/").json()
        assert alice.http.delete(f"/api/v2/auth/pkey/{key['id']}/").is_success
        assert http.post("/api/v2/auth/pkey/jwt/").status_code in (400, 401)


@pytest.mark.protocol("1.5")
@pytest.mark.protocol("9.1.1")
@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("slash", ["", "/"])
def test_a_personal_key_signs_in_by_both_methods_and_in_both_slash_forms(
    server: LiveServer, alice: Person, method: str, slash: str
) -> None:
    key = alice.http.post(f"/api/v2/auth/pkey{slash}", json={}).json()
    header = {"Authorization": f"PersonalKey {key['id']}:{key['secret']}"}
    bodies: list[dict[str, Any]] = [{"json": {}}, {"json": {"org_name": alice.username}}, {}]
    for body in bodies:
        answer = httpx.request(
            method, f"{server.url}/api/v2/auth/pkey/jwt{slash}", headers=header, trust_env=False, **body
        )
        assert (answer.status_code, answer.json()["user"]["username"]) == (200, alice.username)
        assert answer.json()["token"].count(".") == 2


@pytest.mark.protocol("9.1.2")
def test_the_body_of_a_get_is_read(server: LiveServer, alice: Person) -> None:
    key = alice.http.post("/api/v2/auth/pkey/", json={}).json()
    header = {"Authorization": f"PersonalKey {key['id']}:{key['secret']}"}
    body = {"org_name": alice.username}
    path = f"{server.url}/api/v2/auth/pkey/jwt/"
    told = httpx.request("GET", path, json=body, headers=header, trust_env=False).json()
    assert told["active_organization"] == {"slug": alice.username, "is_found": True, "is_member": True}
