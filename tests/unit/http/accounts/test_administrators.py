"""Routes for administrators, the audit among them, and a change of password."""

import pytest

from tests.unit.http.accounts.conftest import FLAG, audit, bearer, log_in
from tests.unit.http.site import PASSWORD, Browser, Site

ADMIN_ROUTES = (
    ("GET", "/api/v2/admin/users/"),
    ("POST", "/api/v2/admin/users/"),
    ("POST", "/api/v2/admin/users/bob/disable/"),
    ("POST", "/api/v2/admin/users/bob/enable/"),
    ("POST", "/api/v2/admin/users/bob/password/"),
    ("GET", "/api/v2/admin/flags/"),
    ("PUT", f"/api/v2/admin/flags/{FLAG}/"),
    ("GET", "/api/v2/admin/groups/"),
    ("POST", "/api/v2/admin/groups/"),
    ("DELETE", "/api/v2/admin/groups/x/"),
    ("PUT", "/api/v2/admin/groups/x/members/ann/"),
    ("GET", "/api/v2/admin/audit/"),
    ("GET", "/api/v2/admin/organizations/"),
    ("POST", "/api/v2/admin/organizations/"),
    ("GET", "/api/v2/logout-user/username/bob/"),
)


@pytest.mark.parametrize(("method", "path"), ADMIN_ROUTES)
def test_routes_for_administrators_refuse_other_users(client: Browser, site: Site, method: str, path: str) -> None:
    assert client.request(method, path, json={}).status_code == 401
    assert client.request(method, path, json={}, headers=bearer(client)).status_code == 403
    assert audit(site.services)[0].outcome == "refused"


def test_the_audit_is_paged_and_filtered(client: Browser) -> None:
    root = bearer(client, "root")
    for number in range(3):
        client.post("/api/v2/admin/groups/", json={"name": f"g{number}"}, headers=root)
    client.app.state.services.audit.flush()  # type: ignore[attr-defined]
    page = client.get("/api/v2/admin/audit/?action=group.add&limit=2", headers=root).json()
    assert page["count"] == 3
    assert [line["target"] for line in page["results"]] == ["group:g2", "group:g1"]
    assert "offset=2" in page["next"]
    for query, count in (("actor=nobody", 0), ("since=2999-01-01", 0), ("until=2999-01-01t00:00:00z", 4)):
        assert client.get(f"/api/v2/admin/audit/?{query}", headers=root).json()["count"] == count
    for query in ("limit=", "limit=-1", "offset=x", "offset=1.5", "limit=1000000000000"):
        assert client.get(f"/api/v2/admin/audit/?{query}", headers=root).status_code == 400
    for since in ("yesterday", "0001-01-01T00:00:00%2B14:00", "9999-12-31T23:59:59-14:00"):
        assert client.get(f"/api/v2/admin/audit/?since={since}", headers=root).status_code == 400
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        assert client.request(method, "/api/v2/admin/audit/", headers=root).status_code == 405


def test_a_current_password_that_is_sent_must_be_right(client: Browser) -> None:
    ann = bearer(client)
    url = "/api/v2/admin/users/ann/password/"
    body = {"password": "another horse", "current_password": "wrong"}
    assert client.post(url, json=body, headers=ann).status_code == 400
    body["current_password"] = PASSWORD
    assert client.post(url, json=body, headers=ann).status_code == 200
    assert log_in(client, "ann", "another horse").status_code == 200
