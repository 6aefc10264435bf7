"""Who may sign in, and which tokens still count."""

import time
from collections.abc import Callable

import pytest
import sqlalchemy as sa

from auth.errors import (
    Forbidden,
    InvalidCredentials,
    InvalidUsername,
    Unauthenticated,
    UnknownUser,
    UserExists,
    WeakSecret,
)
from auth.organizations import Organizations
from auth.passwords import Passwords
from auth.principal import Principal
from auth.users import Users
from catalog.engine import Catalog
from catalog.tables import users as table

PASSWORD = "correct horse"


def stored_hash(catalog: Catalog, username: str) -> str:
    with catalog.read() as connection:
        query = sa.select(table.c.password_hash).where(table.c.username == username)
        return str(connection.execute(query).scalar_one())


def test_a_new_user_signs_in(users: Users) -> None:
    added = users.add("ann", PASSWORD, email="ann@example.com", name="Ann", is_admin=True)
    assert added == Principal(added.user_id, "ann", "ann@example.com", "Ann", True)
    assert users.authenticate("ann", PASSWORD) == added
    assert users.get("ann") == added
    assert users.active(added.user_id, time.time()) == added


def test_the_password_is_not_in_the_catalog(users: Users, catalog: Catalog) -> None:
    users.add("ann", PASSWORD)
    with catalog.read() as connection:
        assert PASSWORD not in repr(connection.execute(sa.select(table)).all())


@pytest.mark.parametrize(
    ("username", "password"),
    [
        ("ann", "wrong horse"),
        ("ann", ""),
        ("ann", PASSWORD + "\0"),
        ("ann", "x" * 1_000_000),
        ("ann", "\ud800"),
        ("Ann", PASSWORD),
        ("nobody", PASSWORD),
        ("", PASSWORD),
        ("ann\0", PASSWORD),
        ("ann\n", PASSWORD),
        ("\ud800", PASSWORD),
        ("' OR 1=1 --", PASSWORD),
        ("x" * 1_000_000, PASSWORD),
    ],
)
def test_anything_but_the_right_pair_is_refused_in_the_same_words(users: Users, username: str, password: str) -> None:
    users.add("ann", PASSWORD)
    with pytest.raises(InvalidCredentials) as raised:
        users.authenticate(username, password)
    assert raised.value.message == "Unable to log in with provided credentials."


@pytest.mark.parametrize("username", ["ann", "nobody", "", "x y", "disabled"])
def test_every_refusal_costs_one_hash(
    users: Users, catalog: Catalog, monkeypatch: pytest.MonkeyPatch, username: str
) -> None:
    users.add("ann", PASSWORD)
    users.add("disabled", PASSWORD)
    users.disable("disabled")
    passwords = Passwords(time_cost=1, memory_cost_kib=8)
    calls: list[str | None] = []
    verify: Callable[[str | None, str], bool] = passwords.verify

    def counted(hashed: str | None, password: str) -> bool:
        calls.append(hashed)
        return verify(hashed, password)

    monkeypatch.setattr(passwords, "verify", counted)
    with pytest.raises(InvalidCredentials):
        Users(catalog, passwords).authenticate(username, "wrong horse")
    assert len(calls) == 1


@pytest.mark.parametrize("username", ["a", "a.b@c+d-e_f", "x" * 150, "élodie", "名前", "007"])
def test_usernames_are_letters_digits_and_some_signs(users: Users, username: str) -> None:
    assert users.add(username, PASSWORD).username == username
    assert users.authenticate(username, PASSWORD).username == username


@pytest.mark.parametrize("username", ["", "a b", "a/b", "a\n", "x" * 151, "a\0", "<b>", "a:b", "\ud800", "\u202eann"])
def test_other_usernames_are_refused(users: Users, username: str) -> None:
    with pytest.raises(InvalidUsername):
        users.add(username, PASSWORD)
    assert users.count() == 0


def test_one_name_is_one_user_however_it_is_composed(users: Users) -> None:
    users.add("e\u0301lodie", PASSWORD)
    assert users.authenticate("\u00e9lodie", PASSWORD).username == "\u00e9lodie"
    with pytest.raises(UserExists):
        users.add("\u00e9lodie", PASSWORD)


def test_a_name_is_given_once(users: Users) -> None:
    first = users.add("ann", PASSWORD)
    with pytest.raises(UserExists):
        users.add("ann", "another horse")
    assert users.authenticate("ann", PASSWORD) == first


@pytest.mark.parametrize("password", ["", "1234567", "x" * 1025])
def test_weak_passwords_are_refused(users: Users, password: str) -> None:
    with pytest.raises(WeakSecret):
        users.add("ann", password)
    users.add("ann", PASSWORD)
    with pytest.raises(WeakSecret):
        users.set_password("ann", password)
    users.authenticate("ann", PASSWORD)


def test_a_new_password_ends_the_old_one_and_its_tokens(users: Users) -> None:
    ann = users.add("ann", PASSWORD)
    issued_before = time.time()
    users.set_password("ann", "another horse")
    issued_after = time.time()
    with pytest.raises(InvalidCredentials):
        users.authenticate("ann", PASSWORD)
    assert users.authenticate("ann", "another horse") == ann
    with pytest.raises(Unauthenticated):
        users.active(ann.user_id, issued_before)
    assert users.active(ann.user_id, issued_after) == ann


def test_a_disabled_user_is_out(users: Users) -> None:
    ann = users.add("ann", PASSWORD)
    users.disable("ann")
    with pytest.raises(InvalidCredentials):
        users.authenticate("ann", PASSWORD)
    with pytest.raises(Unauthenticated):
        users.active(ann.user_id, time.time() + 60)
    assert users.get("ann") == ann
    assert [account.is_active for account in users.list()] == [False]


def test_a_password_changed_while_it_was_checked_does_not_sign_in(
    users: Users, catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    users.add("ann", PASSWORD)
    passwords = Passwords(time_cost=1, memory_cost_kib=8)
    verify: Callable[[str | None, str], bool] = passwords.verify

    def slow_verify(hashed: str | None, password: str) -> bool:
        right = verify(hashed, password)
        users.set_password("ann", "another horse")
        return right

    monkeypatch.setattr(passwords, "verify", slow_verify)
    with pytest.raises(InvalidCredentials):
        Users(catalog, passwords).authenticate("ann", PASSWORD)


def test_signing_in_renews_an_outdated_hash_and_no_token_is_lost(users: Users, catalog: Catalog) -> None:
    ann = users.add("ann", PASSWORD)
    issued = time.time()
    old = stored_hash(catalog, "ann")
    stronger = Users(catalog, Passwords(time_cost=2, memory_cost_kib=16))
    stronger.authenticate("ann", PASSWORD)
    renewed = stored_hash(catalog, "ann")
    assert renewed != old
    assert "m=16,t=2" in renewed
    assert stronger.authenticate("ann", PASSWORD) == ann
    assert stored_hash(catalog, "ann") == renewed
    assert users.active(ann.user_id, issued) == ann


def test_a_user_that_is_not_there_is_named(users: Users) -> None:
    attempts: list[Callable[[], object]] = [
        lambda: users.get("ann"),
        lambda: users.disable("ann"),
        lambda: users.set_password("ann", PASSWORD),
        lambda: users.get("ann\0"),
    ]
    for attempt in attempts:
        with pytest.raises(UnknownUser):
            attempt()
    with pytest.raises(Unauthenticated):
        users.active(1, time.time())


def test_users_are_listed_by_name(users: Users) -> None:
    for username in ("cid", "ann", "bob"):
        users.add(username, PASSWORD)
    assert [account.principal.username for account in users.list()] == ["ann", "bob", "cid"]
    assert users.count() == 3


def test_a_user_who_is_enabled_again_signs_in_and_old_tokens_stay_dead(users: Users) -> None:
    ann = users.add("ann", PASSWORD)
    issued = time.time()
    users.disable("ann")
    users.enable("ann")
    assert users.authenticate("ann", PASSWORD) == ann
    with pytest.raises(Unauthenticated):
        users.active(ann.user_id, issued)
    assert users.active(ann.user_id, time.time()) == ann


def test_ending_a_users_sessions_leaves_the_password(users: Users) -> None:
    ann = users.add("ann", PASSWORD)
    issued = time.time()
    users.end_sessions("ann")
    with pytest.raises(Unauthenticated):
        users.active(ann.user_id, issued)
    assert users.authenticate("ann", PASSWORD) == ann


def test_the_last_active_administrator_cannot_be_disabled(users: Users) -> None:
    users.add("ann", PASSWORD, is_admin=True)
    users.add("bob", PASSWORD, is_admin=True)
    users.disable("bob")
    with pytest.raises(Forbidden):
        users.disable("ann")
    users.enable("bob")
    users.disable("ann")
    users.disable("ann")  # twice is once


def test_who_has_no_password_signs_in_with_none_and_his_tokens_may_be_older_than_he(users: Users) -> None:
    ann = users.add_without_password("ann", "ann@example.com")
    for password in ("", PASSWORD):
        with pytest.raises(InvalidCredentials):
            users.authenticate("ann", password)
    assert users.named("ann", time.time() - 3600, "session") == ann


def test_a_refusal_names_whose_account_it_would_have_been_to_the_audit_only(users: Users) -> None:
    users.add("ann", PASSWORD)
    for username, known in (("ann", "ann"), ("nobody", None)):
        with pytest.raises(InvalidCredentials) as raised:
            users.authenticate(username, "wrong horse")
        assert raised.value.username == known
        assert "ann" not in str(raised.value)


def test_no_user_is_called_as_an_organization(users: Users, catalog: Catalog) -> None:
    Organizations(catalog).add("acme")
    with pytest.raises(UserExists):
        users.add("acme", PASSWORD)
