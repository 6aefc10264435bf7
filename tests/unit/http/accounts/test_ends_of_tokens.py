"""What ends a token, on every replica, and what does not (protocol 1)."""

import time
from collections.abc import Callable

import httpx
import jwt
import pytest

from auth.signing_key import load_or_make_key
from deployments.ingress.services import make_tokens
from tests.unit.http.accounts.conftest import bearer, counts, log_in
from tests.unit.http.site import PASSWORD, Browser, Site


class TestEnd:
    """Tokens end at once on this replica, and on other replicas when they notice that the catalog has changed."""

    ENDINGS: dict[str, Callable[[Browser, dict[str, str], dict[str, str]], httpx.Response]] = {
        "log-out": lambda client, ann, _: client.post("/api/v2/auth/logout/", headers=ann),
        "logged out by an administrator": lambda client, _, root: client.get(
            "/api/v2/logout-user/username/ann/", headers=root
        ),
        "disabled": lambda client, _, root: client.post("/api/v2/admin/users/ann/disable/", headers=root),
        "a new password": lambda client, ann, _: client.post(
            "/api/v2/admin/users/ann/password/", json={"password": "another horse"}, headers=ann
        ),
    }

    @pytest.mark.parametrize("end", ENDINGS.values(), ids=ENDINGS.keys())
    def test_a_token_ends_everywhere(
        self, client: Browser, other: Browser, site: Site, end: Callable[..., httpx.Response]
    ) -> None:
        ann, root, bob = bearer(client), bearer(client, "root"), bearer(client, "bob")
        assert counts(client, ann)
        assert counts(other, ann)
        version = site.services.catalog.version()
        assert end(client, ann, root).status_code == 200
        assert not counts(client, ann)
        assert site.services.catalog.version() > version  # each replica polls this number once a second
        other.app.state.services.snapshot.forget()  # type: ignore[attr-defined]
        assert not counts(other, ann)
        assert counts(other, bob)
        token = ann["Authorization"].removeprefix("Bearer ")
        assert client.post("/api/v2/auth/token/refresh", json={"token": token}).status_code == 401
        assert client.post("/api-token-verify/", json={"token": token}).status_code == 400

    def test_log_out_ends_the_log_in_with_all_its_tokens_and_no_other(self, client: Browser, site: Site) -> None:
        services = site.services
        first, second = bearer(client), bearer(client)
        claims = services.tokens.verify(first["Authorization"].removeprefix("Bearer "))
        ann = services.users.get("ann")
        signed = services.tokens._sign(ann, time.time(), claims.first_issued_at, claims.session, "new", None)
        refreshed = {"Authorization": f"Bearer {signed}"}
        assert counts(client, refreshed)
        assert client.post("/api/v2/auth/logout", headers=first).status_code == 200
        assert not counts(client, refreshed)
        assert counts(client, second)

    def test_an_enabled_user_signs_in_again(self, client: Browser) -> None:
        root = bearer(client, "root")
        assert client.post("/api/v2/admin/users/ann/disable", headers=root).status_code == 200
        right, wrong = log_in(client).json(), log_in(client, "ann", "wrong").json()
        assert right | {"request_id": ""} == wrong | {"request_id": ""}
        assert client.post("/api/v2/admin/users/ann/enable", headers=root).status_code == 200
        assert log_in(client).status_code == 200

    def test_a_token_for_a_log_in_before_the_new_password_is_refused(self, client: Browser, site: Site) -> None:
        services = site.services
        began = time.time()
        ann = services.users.authenticate("ann", PASSWORD)
        services.users.set_password("ann", "another horse")
        late = services.tokens.issue(ann, at=began)
        assert not counts(client, {"Authorization": f"Bearer {late}"})

    def test_a_refresh_looks_at_the_catalog_and_not_at_the_cache(
        self, client: Browser, other: Browser, site: Site
    ) -> None:
        services = site.services
        ann = services.users.get("ann")
        now = time.time()
        old = services.tokens._sign(ann, now - 3000, int(now - 3000), "s", "j", None)
        old_headers = {"Authorization": f"Bearer {old}"}
        with services.catalog.write() as connection:
            connection.exec_driver_sql("UPDATE users SET tokens_valid_from = '2020-01-01 00:00:00.000000'")
        services.snapshot.forget()
        assert counts(other, old_headers)  # which puts it into the cache of that replica
        renewed = other.post("/api-token-refresh/", json={"token": old}).json()["token"]
        assert renewed != old
        services.users.set_password("ann", "another horse")
        answer = other.post("/api-token-refresh/", json={"token": old})
        assert (answer.status_code, answer.json()["type"]) == (401, "Unauthenticated")

    def test_the_last_administrator_cannot_be_disabled(self, client: Browser) -> None:
        root = bearer(client, "root")
        assert client.post("/api/v2/admin/users/root/disable", headers=root).status_code == 403

    def test_a_link_cannot_log_anybody_out(self, site: Site) -> None:
        browser = site.signed_in("root")
        ann = bearer(site.browser())
        assert browser.get("/api/v2/logout-user/username/ann/").status_code == 403
        assert counts(site.browser(), ann)


def test_the_previous_key_still_verifies_tokens_but_no_longer_signs_them(site: Site) -> None:
    settings = site.services.settings
    old = site.services.tokens.issue(site.services.users.get("ann"))
    key_file = settings.signing_key_file
    key_file.rename(key_file.with_name("jwt.previous.key"))
    load_or_make_key(key_file)
    tokens = make_tokens(settings)
    assert tokens.verify(old).username == "ann"
    assert (
        jwt.get_unverified_header(tokens.issue(site.services.users.get("ann")))["kid"]
        != (jwt.get_unverified_header(old)["kid"])
    )
    key_file.with_name("jwt.previous.key").unlink()
    with pytest.raises(Exception, match="not valid"):
        make_tokens(settings).verify(old)
