"""Organizations over HTTP: switching, and their members."""

import pytest

from tests.unit.http.accounts.conftest import audit, bearer
from tests.unit.http.site import Browser, Site


class TestOrganizations:
    @pytest.mark.parametrize(
        ("slug", "status", "body"),
        [
            ("ann", 200, {"status": "OK", "message": "Switched to organization: ann", "data": []}),
            ("acme", 200, {"status": "OK", "message": "Switched to organization: acme", "data": []}),
            ("other", 403, {"status": "Failed", "message": "Not authorized to organization 'other'"}),
            ("none", 404, {"status": "Failed", "message": "No such organization id 'none'"}),
            ("bob", 404, {"status": "Failed", "message": "No such organization id 'bob'"}),
        ],
    )
    def test_switching_answers_in_the_words_of_the_protocol(
        self, client: Browser, site: Site, slug: str, status: int, body: dict[str, object]
    ) -> None:
        for made in ("acme", "other"):
            site.services.organizations.add(made)
        site.services.organizations.set_member("acme", "ann", "member")
        answer = client.post(f"/api/v2/o/{slug}/switch/", data={"slug": slug}, headers=bearer(client))
        assert answer.status_code == status
        assert body.items() <= answer.json().items()

    def test_administrators_make_organizations_and_admins_of_an_organization_run_it(
        self, client: Browser, site: Site
    ) -> None:
        root, ann, bob = bearer(client, "root"), bearer(client), bearer(client, "bob")
        new = {"slug": "acme", "name": "Acme"}
        assert client.post("/api/v2/admin/organizations/", json=new, headers=ann).status_code == 403
        assert client.post("/api/v2/admin/organizations/", json=new, headers=root).status_code == 201
        assert client.post("/api/v2/admin/organizations/", json=new, headers=root).status_code == 409
        admin, member = {"role": "admin"}, {"role": "member"}
        members = "/api/v2/o/acme/members/"
        assert client.put(members + "ann/", json=admin, headers=ann).status_code == 403
        assert client.put(members + "ann/", json=admin, headers=root).status_code == 200
        assert client.put(members + "bob", json=member, headers=ann).status_code == 200
        assert client.put(members + "bob", json=admin, headers=bob).status_code == 403
        listed = client.get(members, headers=bob).json()["results"]
        assert [(found["username"], found["role"]) for found in listed] == [("ann", "admin"), ("bob", "member")]
        assert client.delete(members + "bob/", headers=ann).status_code == 204
        assert client.get(members, headers=bob).status_code == 403
        assert client.put(members + "ann", json={"role": "owner"}, headers=root).status_code == 400
        assert client.get("/api/v2/o/ann/members", headers=ann).status_code == 403
        slugs = [found["slug"] for found in client.get("/api/v2/organizations/", headers=ann).json()["results"]]
        assert slugs == ["ann", "acme"]
        lines = audit(site.services, action="organization.set_member")
        assert [line.detail for line in lines] == [
            {"username": "bob", "role": "member"},
            {"username": "ann", "role": "admin"},
        ]
