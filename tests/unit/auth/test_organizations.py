"""Each user has a personal organization; other organizations have members and unique names."""

import pytest

from auth.errors import Forbidden, InvalidName, OrganizationExists, UnknownOrganization, UnknownUser
from auth.organizations import Member, Organizations
from auth.principal import Principal
from auth.users import Users
from catalog.engine import Catalog


@pytest.fixture
def organizations(catalog: Catalog) -> Organizations:
    return Organizations(catalog)


@pytest.fixture
def ann(users: Users) -> Principal:
    return users.add("ann", "correct horse")


@pytest.fixture
def bob(users: Users) -> Principal:
    return users.add("bob", "correct horse")


def test_ones_own_is_there_without_being_made(organizations: Organizations, ann: Principal) -> None:
    (own,) = organizations.of(ann)
    assert (own.id, own.slug, own.role) == (None, "ann", "admin")
    assert organizations.enter(ann, "ann") == own
    assert organizations.count() == 0


def test_anothers_own_is_as_unknown_as_none(organizations: Organizations, ann: Principal, bob: Principal) -> None:
    for slug in ("bob", "nobody", "", "a b", "\0", "x" * 150):
        with pytest.raises(UnknownOrganization) as raised:
            organizations.find(ann, slug)
        assert raised.value.message == f"No such organization id '{slug}'"


def test_members_enter_and_others_do_not(organizations: Organizations, ann: Principal, bob: Principal) -> None:
    made = organizations.add("acme", "Acme & Co")
    organizations.set_member("acme", "ann", "member")
    assert organizations.enter(ann, "acme").role == "member"
    assert organizations.find(bob, "acme").role is None
    with pytest.raises(Forbidden, match=r"^Not authorized to organization 'acme'$"):
        organizations.enter(bob, "acme")
    organizations.set_member("acme", "ann", "admin")
    assert [(found.slug, found.role) for found in organizations.of(ann)] == [("ann", "admin"), ("acme", "admin")]
    assert organizations.members("acme") == (Member(ann.user_id, "ann", "admin"),)
    assert organizations.list() == (made,)
    organizations.remove_member("acme", "ann")
    organizations.remove_member("acme", "ann")
    assert organizations.members("acme") == ()
    with pytest.raises(Forbidden):
        organizations.enter(ann, "acme")


@pytest.mark.parametrize("slug", ["", "Acme", "a b", "a/b", ".a", "-a", "x" * 151, "é", "a\n", "a\0"])
def test_slugs_are_plain(organizations: Organizations, slug: str) -> None:
    with pytest.raises(InvalidName):
        organizations.add(slug)


def test_a_name_is_given_once_to_users_and_organizations_together(organizations: Organizations, ann: Principal) -> None:
    organizations.add("acme")
    for slug in ("acme", "ann"):
        with pytest.raises(OrganizationExists):
            organizations.add(slug)


def test_what_is_not_there_is_named(organizations: Organizations, ann: Principal) -> None:
    organizations.add("acme")
    with pytest.raises(UnknownOrganization):
        organizations.set_member("none", "ann", "member")
    with pytest.raises(UnknownOrganization):
        organizations.members("none")
    with pytest.raises(UnknownUser):
        organizations.set_member("acme", "nobody", "member")
