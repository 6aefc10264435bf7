"""A personal key signs its owner in until it is revoked, and the catalog does not reveal it."""

import time

import pytest
import sqlalchemy as sa

from auth.errors import Forbidden, TokenInvalid, Unauthenticated, UnknownKey
from auth.keys import MOST_KEYS, PersonalKeys, read_header
from auth.principal import Principal
from auth.users import Users
from catalog.engine import Catalog
from catalog.tables import personal_keys


@pytest.fixture
def keys(catalog: Catalog, users: Users) -> PersonalKeys:
    return PersonalKeys(catalog, users)


@pytest.fixture
def ann(users: Users) -> Principal:
    return users.add("ann", "correct horse")


@pytest.fixture
def bob(users: Users) -> Principal:
    return users.add("bob", "correct horse")


def test_a_key_stands_for_its_owner(keys: PersonalKeys, ann: Principal) -> None:
    made = keys.create(ann.user_id, "laptop")
    assert keys.authenticate(made.key.id, made.secret) == ann
    (listed,) = keys.list(ann.user_id)
    assert (listed.id, listed.name, listed.revoked_at) == (made.key.id, "laptop", None)
    assert listed.last_used_at is not None


def test_its_secret_has_256_bits_and_is_shown_once(keys: PersonalKeys, ann: Principal, catalog: Catalog) -> None:
    made = [keys.create(ann.user_id, "") for _ in range(20)]
    assert len({key.secret for key in made} | {key.key.id for key in made}) == 40
    assert all(len(key.secret) >= 43 for key in made)  # base64 of 32 bytes
    with catalog.read() as connection:
        stored = repr(connection.execute(sa.select(personal_keys)).all())
    for key in made:
        assert key.secret not in stored + repr(key) + repr(keys.list(ann.user_id))


def test_any_other_pair_is_refused(keys: PersonalKeys, ann: Principal) -> None:
    one, other = keys.create(ann.user_id, ""), keys.create(ann.user_id, "")
    for key_id, secret in ((one.key.id, other.secret), ("0" * 32, one.secret), (one.key.id, ""), ("", "")):
        with pytest.raises(Unauthenticated):
            keys.authenticate(key_id, secret)


def test_a_revoked_key_is_dead_and_with_it_the_tokens_had_for_it(
    keys: PersonalKeys, users: Users, ann: Principal
) -> None:
    made, other = keys.create(ann.user_id, ""), keys.create(ann.user_id, "")
    assert users.active(ann.user_id, time.time(), "s", made.key.id) == ann
    keys.revoke(ann.user_id, made.key.id)
    keys.revoke(ann.user_id, made.key.id)
    with pytest.raises(Unauthenticated):
        keys.authenticate(made.key.id, made.secret)
    with pytest.raises(Unauthenticated):
        users.active(ann.user_id, time.time(), "s", made.key.id)
    assert users.active(ann.user_id, time.time(), "s", other.key.id) == ann
    assert [key.revoked_at is None for key in keys.list(ann.user_id) if key.id == made.key.id] == [False]


def test_only_its_owner_sees_and_revokes_a_key(keys: PersonalKeys, ann: Principal, bob: Principal) -> None:
    made = keys.create(ann.user_id, "")
    assert keys.list(bob.user_id) == ()
    for key_id in (made.key.id, "0" * 32, "x", "\0"):
        with pytest.raises(UnknownKey):
            keys.revoke(bob.user_id, key_id)
    assert keys.authenticate(made.key.id, made.secret) == ann


def test_a_disabled_owners_key_is_refused_until_he_is_back(keys: PersonalKeys, users: Users, ann: Principal) -> None:
    made = keys.create(ann.user_id, "")
    users.disable("ann")
    with pytest.raises(Unauthenticated):
        keys.authenticate(made.key.id, made.secret)
    users.enable("ann")
    assert keys.authenticate(made.key.id, made.secret) == ann


def test_use_is_noted_once_a_minute_and_moves_no_version(keys: PersonalKeys, ann: Principal, catalog: Catalog) -> None:
    made = keys.create(ann.user_id, "")
    before = catalog.version()
    keys.authenticate(made.key.id, made.secret)
    (first,) = keys.list(ann.user_id)
    keys.authenticate(made.key.id, made.secret)
    assert keys.list(ann.user_id) == (first,)
    assert catalog.version() == before


def test_a_user_has_so_many_keys_and_no_more(
    keys: PersonalKeys, ann: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert MOST_KEYS == 100
    monkeypatch.setattr("auth.keys.MOST_KEYS", 2)
    first = keys.create(ann.user_id, "")
    keys.create(ann.user_id, "")
    with pytest.raises(Forbidden):
        keys.create(ann.user_id, "")
    keys.revoke(ann.user_id, first.key.id)
    keys.create(ann.user_id, "x" * 1000)


def test_revoked_keys_are_kept_up_to_a_number(
    keys: PersonalKeys, ann: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("auth.keys.MOST_KEYS", 2)
    made = [keys.create(ann.user_id, str(number)) for number in range(1)]
    for number in range(1, 6):
        keys.revoke(ann.user_id, made[-1].key.id)
        made.append(keys.create(ann.user_id, str(number)))
    assert [key.name for key in keys.list(ann.user_id)] == ["5", "4", "3"]  # one that lives, two that are revoked
    with pytest.raises(Unauthenticated):
        keys.authenticate(made[0].key.id, made[0].secret)


ID = "0123456789abcdef" * 2


@pytest.mark.parametrize("header", [f"PersonalKey {ID}:s-_9", f"personalkey  {ID}:s-_9", f"  PERSONALKEY {ID}:s-_9  "])
def test_its_header_is_read_kindly(header: str) -> None:
    assert read_header(header) == (ID, "s-_9")


@pytest.mark.parametrize(
    "header",
    ["", "PersonalKey", f"PersonalKey {ID}", f"PersonalKey {ID}:", f"Bearer {ID}:s", "PersonalKey x:s", f"{ID}:s"]
    + [f"PersonalKey {ID}:a b", f"PersonalKey {ID}:é", f"PersonalKey {ID}:" + "x" * 1_000_000, "PersonalKey :::"],
)
def test_any_other_header_is_invalid(header: str) -> None:
    with pytest.raises(TokenInvalid):
        read_header(header)
