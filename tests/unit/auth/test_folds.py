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
    ("\u0433\u043e\u0442", "rot"),  # Cyrillic
    ("soo", "s\u05e1\u0585"),  # Hebrew, Armenian
    ("ba\u0142", "BA\u0141"),
    ("\u03b2eta".replace("eta", ""), "\u0432"),  # Greek and Cyrillic, which both look like B
    ("\u30cb\u30ab", "\u4e8c\u529b"),  # Katakana and Han
    ("\u3078\u308a", "\u30d8\u30ea"),  # Hiragana and Katakana
    ("\u304d\u3063\u3066", "\u304d\u3064\u3066"),  # a small Kana and a large one
    ("\uff76\uff84", "\u30ab\u30c8"),  # half width
    ("\u5024", "\u503c"),  # two Han characters
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


UNUSUAL = {
    "\u3164": "1160",  # Hangul fillers, which cannot be seen
    "ann\uffa0": "1160",
    "\u115fann": "115F",
    "\ua4d0\ua4f3": "A4D0",  # Lisu, all of it like Latin capitals
    "\u13aa\u13bb": "13AA",  # Cherokee
    "\u1d00\u0274\u0274": "1D00",  # small capitals
    "bo\u0299": "0299",
    "\u2c80\u2c9f": "2C80",  # Coptic
    "\U00010400": "10400",  # Deseret
    "\u16b7": "16B7",  # runes
    "\U0001d7d8".replace("\U0001d7d8", "\u0b85\u0bf1"): "0BF1",  # a sign for a hundred
    "\u0501\u043e\u0433": "0501",  # Komi
}


@pytest.mark.parametrize(("name", "code"), UNUSUAL.items())
def test_a_new_name_has_no_letter_that_cannot_be_seen_or_is_not_in_everyday_use(
    users: Users, name: str, code: str
) -> None:
    with pytest.raises(InvalidUsername, match=f"U\\+{code} is not one"):
        users.add(name, PASSWORD)
    with pytest.raises(InvalidUsername):
        users.add_without_password(name)


@pytest.mark.parametrize(
    "name",
    ["ann", "Bj\u00f6rk", "\u0141ukasz", "\u0430\u043b\u0438\u0441\u0430", "\u039c\u03b1\u03c1\u03af\u03b1",
     "\u05d3\u05d5\u05d3", "\u0645\u0631\u064a\u0645", "\u738b\u5c0f\u660e", "\u9ad9\u6a4b", "\uae40\ubbfc\uc900",
     "\u3055\u304f\u3089", "\u30bf\u30ed\u30fc", "\u0905\u0928\u0928", "\u0e2a\u0e21", "a.b-c+d@e_f9"],
)  # fmt: skip
def test_names_in_everyday_scripts_can_be_made(users: Users, name: str) -> None:
    assert users.add(name, PASSWORD).username == name


def test_names_that_no_new_account_can_have_go_on(catalog: Catalog, users: Users) -> None:
    users.add("ann", PASSWORD)
    with catalog.write() as connection:
        connection.execute(sa.update(table).values(username="\u115f\ua4d0", fold="ann"))
    assert users.authenticate("\u115f\ua4d0", PASSWORD).username == "\u115f\ua4d0"
    users.set_password("\u115f\ua4d0", PASSWORD * 2)


def test_folds_of_earlier_rules_are_made_again(catalog: Catalog, users: Users) -> None:
    users.add("ann", PASSWORD)
    with catalog.write() as connection:
        connection.execute(sa.update(table).values(fold="1 of other rules"))
    with pytest.raises(UserExists, match="looks like ann"):
        users.add("ANN", PASSWORD)
    users.add("bob", PASSWORD)


def test_folding_is_idempotent() -> None:
    """So that a look-alike of a look-alike is one."""
    for name in (name for pair in SAME for name in pair):
        assert fold(fold(name)) == fold(name)


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
