"""Personal keys, organisations, log-out and browser sessions, against the live server and with the real client."""

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest
from graphistry.pygraphistry import GraphistryClient

from tests.conftest import PASSWORD, SMALL_EDGES, LiveServer, Person

pytestmark = pytest.mark.e2e

COUNT = "def task(g): return len(g._edges)"


@pytest.fixture(scope="module")
def carol(make_user: Callable[..., Person]) -> Iterator[Person]:
    person = make_user("carol")
    yield person
    person.http.close()


@pytest.fixture(scope="module")
def dataset_id(carol: Person) -> str:
    return carol.upload(SMALL_EDGES)


def make_key(person: Person) -> dict[str, Any]:
    made = person.http.post("/api/v2/auth/pkey/", json={"name": "notebook"})
    assert made.status_code == 201, made.text
    key: dict[str, Any] = made.json()
    return key


def test_pygraphistry_signs_in_with_a_personal_key(server: LiveServer, carol: Person, dataset_id: str) -> None:
    key = make_key(carol)
    client = GraphistryClient()
    client.register(
        api=3, protocol="http", server=f"127.0.0.1:{server.port}",
        personal_key_id=key["id"], personal_key_secret=key["secret"],
    )  # fmt: skip
    assert client.bind(dataset_id=dataset_id).python_remote_json(COUNT, engine="pandas") == 3


def test_a_key_opens_with_get_and_post_until_it_is_revoked(server: LiveServer, carol: Person) -> None:
    key = make_key(carol)
    header = {"Authorization": f"PersonalKey {key['id']}:{key['secret']}"}
    with httpx.Client(base_url=server.url, headers=header, trust_env=False) as http:
        assert "token" in http.request("GET", "/api/v2/auth/pkey/jwt/", json={}).json()
        assert "token" in http.post("/api/v2/auth/pkey/jwt/").json()
        assert carol.http.delete(f"/api/v2/auth/pkey/{key['id']}/").is_success
        assert http.post("/api/v2/auth/pkey/jwt/").status_code in (400, 401)


def test_log_out_ends_that_log_in_and_no_other(server: LiveServer, carol: Person) -> None:
    first, second = server.log_in("carol"), server.log_in("carol")
    assert first.http.post("/api/v2/auth/logout/").is_success
    assert first.http.get("/api/v2/datasets/").status_code == 401
    assert second.http.get("/api/v2/datasets/").status_code == 200
    first.http.close()
    second.http.close()


def test_a_browser_runs_python_with_its_cookies_and_the_csrf_token(server: LiveServer, dataset_id: str) -> None:
    path = f"/api/v2/datasets/{dataset_id}/python"
    with httpx.Client(base_url=server.url, trust_env=False) as http:
        assert http.get("/login").status_code == 200
        signed_in = http.post("/login", json={"username": "carol", "password": PASSWORD})
        assert signed_in.status_code < 400, signed_in.text
        cookies = signed_in.headers.get_list("set-cookie")
        session = next(cookie for cookie in cookies if cookie.startswith("graphistry_jwt="))
        assert "httponly" in session.lower()
        refused = http.post(path, json={"execute": COUNT})
        assert (refused.status_code, refused.json()["type"]) == (403, "CsrfFailed")
        token = {"X-CSRFToken": http.cookies["csrftoken"]}
        assert http.post(path, json={"execute": COUNT}, headers=token).json() == 3
        stranger = {**token, "Origin": "https://evil.example"}
        assert http.post(path, json={"execute": COUNT}, headers=stranger).status_code == 403


def test_the_viewer_page_names_a_dataset_only_to_who_may_read_it(server: LiveServer, dataset_id: str) -> None:
    path = f"/graph/graph.html?dataset={dataset_id}"
    with httpx.Client(base_url=server.url, trust_env=False) as http:
        assert "python_remote" not in http.get(path).text
        http.post("/login", json={"username": "carol", "password": PASSWORD})
        assert "python_remote" in http.get(path).text


def test_an_organisation_is_asked_for_by_name(server: LiveServer, admin: Person, carol: Person) -> None:
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
