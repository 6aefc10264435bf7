"""Roles of organizations as an attacker would try them: what a member, a former admin and a stranger can do."""

import json
from collections.abc import Iterator

import pytest

from auth.errors import Forbidden
from deployments.ingress.callers import call
from tests.unit.http.accounts.conftest import bearer
from tests.unit.http.site import PASSWORD, Browser, Site

MEMBERS = "/api/v2/o/acme/members/"


@pytest.fixture
def acme(site: Site) -> Iterator[Site]:
    """ann is its admin and bob a member."""
    site.services.organizations.add("acme")
    site.services.organizations.add("other")
    site.services.organizations.set_member("acme", "ann", "admin")
    site.services.organizations.set_member("acme", "bob", "member")
    yield site


def roles(site: Site) -> dict[str, str]:
    return {member.username: member.role for member in site.services.organizations.members("acme")}


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", MEMBERS + "bob", {"role": "admin"}),
        ("PUT", MEMBERS + "ann", {"role": "member"}),
        ("PUT", MEMBERS + "root", None),
        ("DELETE", MEMBERS + "ann", None),
        ("DELETE", "/api/v2/o/other/members/bob", None),
        ("PUT", "/api/v2/o/other/members/bob", {"role": "admin"}),
        ("PUT", "/api/v2/o/%61cme/members/bob", {"role": "admin"}),
        ("PUT", "/api/v2/o/ACME/members/bob", {"role": "admin"}),
        ("PUT", "/api/v2/o/bob/members/ann", {"role": "admin"}),
        ("PUT", MEMBERS + "bob", {"role": "owner"}),
        ("PUT", MEMBERS + "bob", {"role": "admin", "is_admin": True}),
        ("PUT", MEMBERS + "no one", {"role": "admin"}),
    ],
)
def test_a_member_changes_nothing(
    acme: Site, client: Browser, method: str, path: str, body: dict[str, object] | None
) -> None:
    before = roles(acme)
    answer = client.request(method, path, json=body, headers=bearer(client, "bob"))
    assert answer.status_code in (403, 404), answer.text
    assert roles(acme) == before


def test_a_member_can_leave_because_nobody_asked_them_to_come_in(acme: Site, client: Browser) -> None:
    bob = bearer(client, "bob")
    assert client.delete(MEMBERS + "bob", headers=bob).status_code == 204
    assert roles(acme) == {"ann": "admin"}
    assert client.delete(MEMBERS + "bob", headers=bob).status_code == 403
    assert acme.services.audit.flush()
    line = acme.services.audit.list(1, 0, action="organization.remove_member")[1][0]
    assert (line.actor, line.target, line.detail) == ("bob", "organization:acme", {"username": "bob"})


def test_an_admin_of_one_organization_is_none_of_another_and_no_administrator(acme: Site, client: Browser) -> None:
    ann = bearer(client, "ann")
    assert client.put("/api/v2/o/other/members/ann", json={"role": "admin"}, headers=ann).status_code == 403
    for path in ("/api/v2/admin/organizations", "/api/v2/admin/users", "/api/v2/admin/audit"):
        assert client.get(path, headers=ann).status_code == 403


def test_a_role_that_was_lost_while_the_request_arrived_changes_nothing(acme: Site, client: Browser) -> None:
    """The role is asked for once more in the transaction that writes, so a body that comes slowly gains nothing."""
    organizations = acme.services.organizations
    ann, root = (acme.services.users.get(name) for name in ("ann", "root"))
    organizations.set_member("acme", "ann", "member")
    for username in ("ann", "bob"):
        with pytest.raises(Forbidden, match="Not authorized to organization 'acme'"):
            organizations.set_member("acme", username, "admin", ann)
    with pytest.raises(Forbidden, match="Not authorized to organization 'acme'"):
        organizations.remove_member("acme", "bob", ann)
    assert roles(acme) == {"ann": "member", "bob": "member"}
    organizations.set_member("acme", "bob", "admin", root)
    assert roles(acme)["bob"] == "admin"


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/api/v2/admin/groups", {"name": "late"}),
        ("POST", "/api/v2/admin/users/bob/password", {"password": PASSWORD + "2"}),
        ("POST", "/api/v2/auth/pkey", {"name": "late"}),
        ("POST", "/api/v2/upload/datasets", {"name": "late"}),
        ("PUT", MEMBERS + "bob", {"role": "admin"}),
    ],
)
def test_a_caller_who_was_disabled_while_the_body_arrived_changes_nothing(
    acme: Site, client: Browser, monkeypatch: pytest.MonkeyPatch, method: str, path: str, body: dict[str, object]
) -> None:
    monkeypatch.setattr(call, "SLOW_S", 0.0)
    acme.user("mallory", admin=True)
    mallory = bearer(client, "mallory")

    def slowly() -> Iterator[bytes]:
        acme.services.users.disable("mallory")
        acme.services.snapshot.forget()
        yield json.dumps(body).encode()

    answer = client.request(method, path, content=slowly(), headers=mallory)
    assert (answer.status_code, answer.json()["type"]) == (401, "Unauthenticated")
    assert [group.name for group in acme.services.groups.list()] == []
    assert roles(acme) == {"ann": "admin", "bob": "member"}


def test_who_was_removed_sees_nothing_more_of_it(acme: Site, client: Browser) -> None:
    bob = bearer(client, "bob")
    assert client.get(MEMBERS, headers=bob).status_code == 200
    assert client.delete(MEMBERS + "bob", headers=bearer(client, "ann")).status_code == 204
    assert client.get(MEMBERS, headers=bob).status_code == 403
    assert client.post("/api/v2/o/acme/switch", headers=bob).status_code == 403
    created = client.post("/api/v2/upload/datasets", json={"org_name": "acme"}, headers=bob)
    assert created.status_code == 403
