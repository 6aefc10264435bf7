"""Names that people take for the same: which they are, and that only the first of them can be made."""

import pytest
import sqlalchemy as sa

from auth.errors import InvalidUsername, OrganizationExists, UserExists
from auth.folds import alike, fold, mixes_scripts
from auth.organizations import Organizations
from auth.users import Users
from catalog.engine import Catalog
from catalog.tables import users as table

PASSWORD = "correct horse battery"

SAME = [
    ("Alice", "ALICE"),
    ("alice", "ＡＬＩＣＥ"),  # full width
    ("alice", "\u0430lice"),  # Cyrillic а
    ("scope", "\u0455\u0441\u043e\u0440\u0435"),  # all of it Cyrillic
    ("BOB", "\u0412\u041e\u0412"),  # capitals of Cyrillic
    ("nikoo", "\u03bd\u03b9\u03ba\u03bf\u03bf".replace("\u03bd", "n")),
    ("strasse", "stra\u00dfe"),
    ("istanbul", "\u0130stanbul"),
    ("user1", "user\u0661"),  # an Arabic digit
    ("caf\u00e9", "CAFE\u0301"),
]
DIFFERENT = [
    ("bob1", "bobl"),
    ("bob0", "bobo"),
    ("cafe", "caf\u00e9"),
    ("a.b", "a-b"),
    ("ann", "anne"),
    ("\u6771", "\u897f"),
]
MIXED = ["\u0430lice", "p\u0430ypal", "\u03b1bc", "a\u0585", "\ud55c\u3072", "ann.\u0430lice"]
NOT_MIXED = [
    "alice", "\u0430\u043b\u0438\u0441\u0430", "\u0430\u043b\u0438\u0441\u0430@example.org", "\u6771\u4eactokyo",
    "\u3072\u30ab\u6f22a", "\ud55c\uae00abc", "\u30b3\u30fc\u30c9", "user\u0661", "caf\u00e9",
]  # fmt: skip


@pytest.mark.parametrize(("one", "other"), SAME)
def test_look_alikes_share_a_fold(one: str, other: str) -> None:
    assert fold(one) == fold(other)


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_names_that_people_tell_apart_do_not(one: str, other: str) -> None:
    assert fold(one) != fold(other)


def test_words_of_mixed_scripts_are_told_from_scripts_that_are_written_together() -> None:
    assert [name for name in MIXED if not mixes_scripts(name)] == []
    assert [name for name in NOT_MIXED if mixes_scripts(name)] == []


def test_the_longest_name_has_a_fold_at_once() -> None:
    assert len(fold("\ufdfa" * 150)) < 3000
    assert fold("x" * 151) == ""


@pytest.mark.parametrize(("one", "other"), [pair for pair in SAME if not any(map(mixes_scripts, pair))])
def test_the_second_of_two_look_alikes_is_refused(users: Users, one: str, other: str) -> None:
    users.add(one, PASSWORD)
    with pytest.raises(UserExists, match="exists"):
        users.add(other, PASSWORD)
    with pytest.raises(UserExists):
        users.add_without_password(other)
    assert users.count() == 1
    users.authenticate(one, PASSWORD)


@pytest.mark.parametrize("name", MIXED)
def test_a_name_of_mixed_scripts_is_refused(users: Users, name: str) -> None:
    with pytest.raises(InvalidUsername, match="one script"):
        users.add(name, PASSWORD)


def test_users_and_organizations_share_the_folds(catalog: Catalog, users: Users) -> None:
    organizations = Organizations(catalog)
    organizations.add("acme")
    with pytest.raises(UserExists, match="looks like acme"):
        users.add("ACME", PASSWORD)
    users.add("Lab", PASSWORD)
    with pytest.raises(OrganizationExists):
        organizations.add("lab")


def test_a_pair_from_before_there_were_folds_goes_on(catalog: Catalog, users: Users) -> None:
    users.add("ann", PASSWORD)
    users.add("bob", PASSWORD)
    with catalog.write() as connection:
        connection.execute(sa.update(table).values(fold=None))
        connection.execute(sa.update(table).where(table.c.username == "bob").values(username="ANN"))
    for name in ("ann", "ANN"):
        assert users.authenticate(name, PASSWORD).username == name
        users.set_password(name, PASSWORD + name)
        assert users.authenticate(name, PASSWORD + name).username == name
    with pytest.raises(UserExists, match="looks like ann"):
        users.add("Ann", PASSWORD)
    users.add("cid", PASSWORD)
    assert alike(account.principal.username for account in users.list()) == [("ANN", "ann")]
