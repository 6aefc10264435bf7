"""Personal keys over HTTP (protocol 1)."""

import pytest

from tests.unit.http.accounts.conftest import KEY_HEADER, audit, bearer, counts, make_key
from tests.unit.http.site import Browser, Site


class TestPersonalKeys:
    @pytest.mark.parametrize(
        ("method", "body"),
        [("GET", b"{}"), ("GET", b""), ("POST", b"{}"), ("POST", b""), ("GET", b'{"org_name": "ann"}')],
    )
    def test_a_key_is_exchanged_for_a_token(self, client: Browser, method: str, body: bytes) -> None:
        made = make_key(client, bearer(client))
        header = {"Authorization": KEY_HEADER.format(**made), "Content-Type": "application/json"}
        answer = client.request(method, "/api/v2/auth/pkey/jwt/", content=body, headers=header)
        assert answer.status_code == 200, answer.text
        assert answer.json()["user"]["username"] == "ann"
        assert answer.json().get("active_organization", {}).get("slug", "ann") == "ann"
        assert ("active_organization" in answer.json()) == (b"org" in body)
        assert counts(client, {"Authorization": f"Bearer {answer.json()['token']}"})

    def test_a_revoked_key_and_its_tokens_are_refused(self, client: Browser, site: Site) -> None:
        ann = bearer(client)
        made = make_key(client, ann)
        header = {"Authorization": KEY_HEADER.format(**made)}
        token = client.post("/api/v2/auth/pkey/jwt/", headers=header).json()["token"]
        assert client.delete(f"/api/v2/auth/pkey/{made['id']}/", headers=ann).status_code == 204
        assert client.post("/api/v2/auth/pkey/jwt/", headers=header).status_code == 401
        assert not counts(client, {"Authorization": f"Bearer {token}"})
        assert counts(client, ann)
        actions = [line.action for line in audit(site.services) if line.target == f"key:{made['id']}"]
        assert actions == ["key.revoke", "log_in", "key.create"]
        assert made["secret"] not in repr(audit(site.services))

    def test_keys_are_listed_for_their_owner_without_secrets(self, client: Browser) -> None:
        ann, bob = bearer(client), bearer(client, "bob")
        made = make_key(client, ann)
        (shown,) = client.get("/api/v2/auth/pkey/", headers=ann).json()["results"]
        assert {**made, "secret": None, "success": None} == {**shown, "secret": None, "success": None}
        assert client.get("/api/v2/auth/pkey/", headers=bob).json()["results"] == []
        assert client.delete(f"/api/v2/auth/pkey/{made['id']}", headers=bob).status_code == 404

    def test_a_key_makes_no_keys_and_opens_no_other_route(self, client: Browser) -> None:
        made = make_key(client, bearer(client))
        header = {"Authorization": KEY_HEADER.format(**made)}
        token = client.post("/api/v2/auth/pkey/jwt", headers=header).json()["token"]
        for headers, status in ((header, 401), ({"Authorization": f"Bearer {token}"}, 403)):
            assert client.post("/api/v2/auth/pkey/", json={}, headers=headers).status_code == status
        assert client.get("/api/v2/organizations/", headers=header).status_code == 401

    def test_a_key_does_not_take_over_its_account(self, client: Browser) -> None:
        made = make_key(client, bearer(client))
        token = client.post("/api/v2/auth/pkey/jwt", headers={"Authorization": KEY_HEADER.format(**made)}).json()[
            "token"
        ]
        change = {"password": "another long password"}
        path, by_key = "/api/v2/admin/users/ann/password", {"Authorization": f"Bearer {token}"}
        refused = client.post(path, json=change, headers=by_key)
        assert (refused.status_code, refused.json()["type"]) == (403, "Forbidden")
        assert "send current_password" in refused.json()["error"]
        wrong = client.post(path, json={**change, "current_password": "a wrong password"}, headers=by_key)
        assert wrong.status_code == 400
        assert client.post(path, json=change, headers=bearer(client)).status_code == 200

    def test_a_key_of_an_administrator_takes_over_nothing_in_another_form_of_their_name(
        self, client: Browser, site: Site
    ) -> None:
        made = site.services.keys.create(site.services.users.get("root").user_id, "laptop")
        by_key = {"Authorization": KEY_HEADER.format(id=made.key.id, secret=made.secret)}
        token = client.get("/api/v2/auth/pkey/jwt/", headers=by_key).json()["token"]
        change = {"password": "a stolen password"}
        for name in ("\uff52oot", "r\u00baot"):
            answer = client.post(
                f"/api/v2/admin/users/{name}/password", json=change, headers={"Authorization": f"Bearer {token}"}
            )
            assert answer.status_code == 403
            assert "send current_password" in answer.json()["error"]

    @pytest.mark.parametrize("header", ["", "PersonalKey", "PersonalKey x:y", "Bearer x", f"PersonalKey {'0' * 32}:x"])
    def test_a_bad_key_is_401(self, client: Browser, header: str) -> None:
        answer = client.post("/api/v2/auth/pkey/jwt/", headers={"Authorization": header} if header else {})
        assert (answer.status_code, answer.json()["type"]) == (401, "Unauthenticated")
