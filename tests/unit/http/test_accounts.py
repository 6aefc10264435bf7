"""Log-ins, log-out, organizations, keys, flags, and their audit lines, over HTTP (protocol 1, 4.8)."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from auth.audit import AuditLine
from auth.foreign import ForeignIssuer, ForeignTokens
from auth.signing_key import load_or_make_key
from auth.throttle import LoginThrottle
from deployments.ingress.services import Services, make_tokens
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
    """Another replica of the same server, which has noticed what was written so far."""
    services = site.services
    snapshot = Snapshot(services.catalog)
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


class TestLogIn:
    def test_a_server_with_one_organization_names_none(self, client: Browser, site: Site) -> None:
        assert "active_organization" not in log_in(client).json()
        site.services.organizations.add("acme")
        site.services.snapshot.forget()
        assert "active_organization" not in log_in(client).json()

    def test_a_server_with_several_names_ones_own(self, client: Browser, site: Site) -> None:
        site.services.organizations.add("acme")
        site.services.organizations.add("other")
        expected = {"slug": "ann", "is_found": True, "is_member": True}
        assert log_in(client).json()["active_organization"] == expected

    @pytest.mark.parametrize(
        ("asked", "found", "member"),
        [
            ("ann", True, True),
            ("acme", True, True),
            ("other", True, False),
            ("bob", False, False),
            ("none", False, False),
            ("a b\n", False, False),
        ],
    )
    def test_what_the_client_asked_for_is_answered(
        self, client: Browser, site: Site, asked: str, found: bool, member: bool
    ) -> None:
        for slug in ("acme", "other"):
            site.services.organizations.add(slug)
        site.services.organizations.set_member("acme", "ann", "member")
        answer = log_in(client, org_name=asked).json()
        assert answer["active_organization"] == {"slug": asked, "is_found": found, "is_member": member}

    def test_an_eleventh_failure_in_a_minute_is_429_for_whoever_it_is(self, client: Browser, site: Site) -> None:
        for username in ("ann", "nobody"):
            answers = [log_in(client, username, "wrong") for _ in range(12)]
            assert [answer.status_code for answer in answers] == [400] * 10 + [429] * 2
            assert 0 < int(answers[-1].headers["retry-after"]) <= 60
            assert answers[-1].json()["type"] == "TooManyRequests"
            assert log_in(client, username).status_code == 429
        assert log_in(client, "bob").status_code == 200
        lines = audit(site.services, action="log_in")
        assert [line.outcome for line in lines].count("throttled") == 2
        assert {line.actor for line in lines if line.outcome == "refused"} == {"ann", ""}  # never what was typed

    def test_the_audit_tells_log_ins_and_refusals(self, client: Browser, site: Site) -> None:
        log_in(client, "ann", "wrong")
        log_in(client, "hunter2-typed-here", "wrong")
        log_in(client, "ann")
        lines = audit(site.services)
        assert [(line.action, line.actor, line.outcome) for line in lines] == [
            ("log_in", "ann", "ok"),
            ("log_in", "", "refused"),
            ("log_in", "ann", "refused"),
        ]
        assert all(line.address == "testclient" for line in lines)
        assert "hunter2" not in repr(lines)
        assert PASSWORD not in repr(lines)


class TestEnd:
    """Tokens end at once here, and on other replicas when these notice that the catalog has moved."""

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
        assert site.services.catalog.version() > version  # what each replica polls once a second
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

    def test_a_token_whose_proof_is_older_than_the_new_password_is_dead(self, client: Browser, site: Site) -> None:
        services = site.services
        began = time.time()
        ann = services.users.authenticate("ann", PASSWORD)
        services.users.set_password("ann", "another horse")
        late = services.tokens.issue(ann, at=began)
        assert not counts(client, {"Authorization": f"Bearer {late}"})

    def test_refreshing_does_not_trust_what_is_remembered(self, client: Browser, other: Browser, site: Site) -> None:
        services = site.services
        ann = services.users.get("ann")
        now = time.time()
        old = services.tokens._sign(ann, now - 3000, int(now - 3000), "s", "j", None)
        old_headers = {"Authorization": f"Bearer {old}"}
        with services.catalog.write() as connection:
            connection.exec_driver_sql("UPDATE users SET tokens_valid_from = '2020-01-01 00:00:00.000000'")
        services.snapshot.forget()
        assert counts(other, old_headers)  # and so remembered there
        renewed = other.post("/api-token-refresh/", json={"token": old}).json()["token"]
        assert renewed != old
        services.users.set_password("ann", "another horse")
        answer = other.post("/api-token-refresh/", json={"token": old})
        assert (answer.status_code, answer.json()["type"]) == (401, "Unauthenticated")

    def test_the_last_administrator_stays(self, client: Browser) -> None:
        root = bearer(client, "root")
        assert client.post("/api/v2/admin/users/root/disable", headers=root).status_code == 403

    def test_a_link_cannot_log_anybody_out(self, site: Site) -> None:
        browser = site.signed_in("root")
        ann = bearer(site.browser())
        assert browser.get("/api/v2/logout-user/username/ann/").status_code == 403
        assert counts(site.browser(), ann)


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

    def test_a_revoked_key_and_its_tokens_are_dead(self, client: Browser, site: Site) -> None:
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

    @pytest.mark.parametrize("header", ["", "PersonalKey", "PersonalKey x:y", "Bearer x", f"PersonalKey {'0' * 32}:x"])
    def test_a_bad_key_is_401(self, client: Browser, header: str) -> None:
        answer = client.post("/api/v2/auth/pkey/jwt/", headers={"Authorization": header} if header else {})
        assert (answer.status_code, answer.json()["type"]) == (401, "Unauthenticated")


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

    def test_administrators_make_them_and_their_admins_run_them(self, client: Browser, site: Site) -> None:
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


class TestFlagsAndGroups:
    SCOPES: tuple[tuple[dict[str, object], str], ...] = (
        ({"user": "ann"}, "user"),
        ({"group": "crew"}, "group"),
        ({"staff": True}, "staff"),
        ({"percent": 30}, "percent"),
        ({}, "everyone"),
    )

    @pytest.mark.parametrize(("whom", "scope"), SCOPES)
    def test_a_flag_is_set_for_every_scope_and_each_change_is_audited(
        self, client: Browser, site: Site, whom: dict[str, object], scope: str
    ) -> None:
        root = bearer(client, "root")
        assert client.post("/api/v2/admin/groups/", json={"name": "crew"}, headers=root).status_code == 201
        url = f"/api/v2/admin/flags/{FLAG}/"
        for value in (True, False):
            assert client.put(url, json={"value": value, **whom}, headers=root).status_code == 200
            (shown,) = client.get("/api/v2/admin/flags/", headers=root).json()["flags"]
            assert (shown["scope"], shown["value"]) == (scope, value)
        assert client.put(url, json={"value": None, **whom}, headers=root).status_code == 200
        assert client.get("/api/v2/admin/flags/", headers=root).json()["flags"] == []
        lines = audit(site.services, action="flag.set")
        assert [(line.actor, line.target, line.detail["value"]) for line in lines] == [
            ("root", f"flag:{FLAG}", value) for value in (None, False, True)
        ]
        assert all(whom.items() <= line.detail.items() for line in lines)

    @pytest.mark.parametrize(
        ("body", "status"),
        [
            ({"value": True, "user": "ann", "staff": True}, 400),
            ({"value": True, "percent": 101}, 400),
            ({"value": True, "group": "none"}, 404),
            ({"value": True, "user": "none"}, 404),
            ({"user": "ann"}, 400),
        ],
    )
    def test_a_wrong_change_is_refused(self, client: Browser, body: dict[str, object], status: int) -> None:
        answer = client.put(f"/api/v2/admin/flags/{FLAG}", json=body, headers=bearer(client, "root"))
        assert answer.status_code == status

    def test_groups_are_made_filled_and_taken_away(self, client: Browser) -> None:
        root = bearer(client, "root")
        groups = "/api/v2/admin/groups/"
        client.post(groups, json={"name": "crew"}, headers=root)
        assert client.post(groups, json={"name": "crew"}, headers=root).status_code == 409
        assert client.put(groups + "crew/members/ann/", headers=root).status_code == 200
        assert client.get(groups, headers=root).json()["groups"] == [{"name": "crew", "members": ["ann"]}]
        assert client.delete(groups + "crew/members/ann", headers=root).status_code == 204
        assert client.delete(groups + "crew/", headers=root).status_code == 204
        assert client.delete(groups + "crew/", headers=root).status_code == 404


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
def test_what_administrators_may_others_may_not(client: Browser, site: Site, method: str, path: str) -> None:
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


def test_a_key_that_was_replaced_still_verifies_and_signs_nothing(site: Site) -> None:
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


class TestForeignTokens:
    KEY = ed25519.Ed25519PrivateKey.generate()

    @pytest.fixture
    def make_client(self, site: Site, tmp_path: Path) -> Callable[[bool], Browser]:
        path = tmp_path / "issuer.pem"
        path.write_bytes(self.KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))

        def make(auto_create: bool) -> Browser:
            issuer = ForeignIssuer("https://id.example", "graphs", key_file=path, auto_create=auto_create)
            credentials = replace(site.services.credentials, foreign=ForeignTokens(issuer), throttle=LoginThrottle())
            return Site(replace(site.services, credentials=credentials)).browser()

        return make

    def headers(self, username: str, later_s: int = 0) -> dict[str, str]:
        """``later_s``: its times are whole seconds, and a user made within this one is younger than it."""
        now = int(time.time()) + later_s
        claims = {"iss": "https://id.example", "aud": "graphs", "sub": username, "iat": now, "exp": now + 600}
        return {"Authorization": f"Bearer {jwt.encode(claims, self.KEY, 'EdDSA')}"}

    def test_a_known_user_is_let_in_and_an_unknown_one_is_not(self, make_client: Callable[[bool], Browser]) -> None:
        client = make_client(False)
        assert (
            client.get("/api/v2/organizations/", headers=self.headers("ann", later_s=2)).json()["results"][0]["slug"]
            == "ann"
        )
        assert not counts(client, self.headers("newcomer"))
        assert not counts(client, self.headers("a b"))
        assert counts(client, bearer(client))  # ours still do

    def test_a_newcomer_becomes_a_user_where_the_operator_wants_that(
        self, make_client: Callable[[bool], Browser], site: Site
    ) -> None:
        client = make_client(True)
        assert counts(client, self.headers("newcomer"))
        assert not site.services.users.get("newcomer").is_admin
        assert counts(client, self.headers("newcomer"))
        assert not counts(client, self.headers("a b"))
        assert log_in(client, "newcomer", "").status_code == 400
        assert audit(site.services, action="user.add")[0].target == "user:newcomer"

    def test_refresh_gives_it_back_and_log_out_ends_it(self, make_client: Callable[[bool], Browser]) -> None:
        client = make_client(True)
        headers = self.headers("newcomer")
        token = headers["Authorization"].removeprefix("Bearer ")
        assert client.post("/api/v2/auth/token/refresh", json={"token": token}).json() == {"token": token}
        assert client.post("/api/v2/auth/logout/", headers=headers).status_code == 200
        assert not counts(client, headers)

    def test_disabling_the_user_ends_it(self, make_client: Callable[[bool], Browser], site: Site) -> None:
        client = make_client(True)
        headers = self.headers("newcomer")
        assert counts(client, headers)
        client.post("/api/v2/admin/users/newcomer/disable/", headers=bearer(client, "root"))
        assert not counts(client, headers)
