"""Three switches open the Python endpoint for each user (protocol 4.8)."""

import itertools
from collections.abc import Callable

import pytest

from auth.errors import (
    EndpointDisabled,
    Forbidden,
    GroupExists,
    InvalidName,
    UnknownFlag,
    UnknownGroup,
    UnknownUser,
)
from auth.flags import DISABLED, ENABLED_USERS, KNOWN, Flags, FlagSetting, is_selected
from auth.groups import Group, Groups
from auth.users import Users
from catalog.engine import Catalog

TRISTATE = (None, False, True)


@pytest.fixture
def flags(catalog: Catalog) -> Flags:
    return Flags(catalog)


@pytest.fixture
def ann(users: Users) -> int:
    return users.add("ann", "correct horse").user_id


@pytest.fixture
def bob(users: Users) -> int:
    return users.add("bob", "correct horse").user_id


def test_the_flags_have_the_names_of_the_protocol() -> None:
    assert KNOWN == ("flag_python_endpoint_disabled", "flag_python_endpoint_enabled_users")


@pytest.mark.parametrize(
    ("everyone", "user", "value"),
    [(None, None, False), (True, None, True), (False, None, False)]
    + [(everyone, user, user) for everyone in TRISTATE for user in (False, True)],
)
def test_the_users_setting_wins_over_everyones(
    flags: Flags, ann: int, bob: int, everyone: bool | None, user: bool | None, value: bool
) -> None:
    flags.set_for_everyone(DISABLED, everyone)
    flags.set_for_user(DISABLED, "ann", user)
    assert flags.value(DISABLED, ann) is value
    assert flags.value(DISABLED, bob) is bool(everyone)
    assert flags.value(ENABLED_USERS, ann) is False


def test_setting_again_replaces_and_none_takes_away(flags: Flags, ann: int) -> None:
    for value in (True, False, True):
        flags.set_for_everyone(DISABLED, value)
        flags.set_for_user(DISABLED, "ann", value)
    assert flags.list() == (
        FlagSetting(DISABLED, "everyone", None, True),
        FlagSetting(DISABLED, "user", "ann", True),
    )
    flags.set_for_user(DISABLED, "ann", None)
    assert flags.list() == (FlagSetting(DISABLED, "everyone", None, True),)
    flags.set_for_everyone(DISABLED, None)
    assert flags.list() == ()
    assert flags.value(DISABLED, ann) is False


@pytest.mark.parametrize(("on", "disabled", "enabled"), list(itertools.product((False, True), TRISTATE, TRISTATE)))
def test_all_three_switches_must_agree(
    flags: Flags, ann: int, on: bool, disabled: bool | None, enabled: bool | None
) -> None:
    flags.set_for_user(DISABLED, "ann", disabled)
    flags.set_for_user(ENABLED_USERS, "ann", enabled)
    if on and not disabled and enabled:
        flags.check_python_endpoint(ann, switched_on=on)
        return
    with pytest.raises(EndpointDisabled) as raised:
        flags.check_python_endpoint(ann, switched_on=on)
    says_no = "ENABLE_PYTHON_ENDPOINT" if not on else DISABLED if disabled else ENABLED_USERS
    assert raised.value.switch == says_no
    assert says_no in raised.value.message  # what the operator must turn
    assert isinstance(raised.value, Forbidden)


def test_the_endpoint_is_shut_unless_opened(flags: Flags, ann: int) -> None:
    with pytest.raises(EndpointDisabled):
        flags.check_python_endpoint(ann, switched_on=True)


def test_one_users_switch_opens_it_for_nobody_else(flags: Flags, ann: int, bob: int) -> None:
    flags.set_for_user(ENABLED_USERS, "ann", True)
    flags.check_python_endpoint(ann, switched_on=True)
    with pytest.raises(EndpointDisabled):
        flags.check_python_endpoint(bob, switched_on=True)


def test_what_is_not_there_is_named(flags: Flags, ann: int) -> None:
    with pytest.raises(UnknownFlag, match="flag_python_endpoint_disabled"):
        flags.set_for_everyone("flag_python", True)
    with pytest.raises(UnknownFlag):
        flags.set_for_user("flag_python", "ann", True)
    with pytest.raises(UnknownFlag):
        flags.value("flag_python", ann)
    for username in ("nobody", "", "a\0"):
        with pytest.raises(UnknownUser):
            flags.set_for_user(DISABLED, username, True)
    assert flags.list() == ()


@pytest.fixture
def groups(catalog: Catalog) -> Groups:
    return Groups(catalog)


SETTERS: tuple[tuple[str, Callable[[Flags, bool | None], None]], ...] = (
    ("everyone", lambda flags, value: flags.set_for_everyone(DISABLED, value)),
    ("percent", lambda flags, value: flags.set_for_percent(DISABLED, 100, value)),
    ("staff", lambda flags, value: flags.set_for_staff(DISABLED, value)),
    ("group", lambda flags, value: flags.set_for_group(DISABLED, "crew", value)),
    ("user", lambda flags, value: flags.set_for_user(DISABLED, "root", value)),
)


@pytest.mark.parametrize("wider", range(5), ids=[name for name, _ in SETTERS])
def test_the_narrowest_scope_decides(flags: Flags, users: Users, groups: Groups, wider: int) -> None:
    root = users.add("root", "correct horse", is_admin=True).user_id
    groups.add("crew")
    groups.add_member("crew", "root")
    for narrower in range(wider + 1, 5):
        for value in (True, False):
            SETTERS[wider][1](flags, not value)
            SETTERS[narrower][1](flags, value)
            assert flags.value(DISABLED, root) is value
        SETTERS[narrower][1](flags, None)
    assert [setting.scope for setting in flags.list()] == ([SETTERS[wider][0]] if wider < 4 else [])


def test_scopes_do_not_reach_whom_they_do_not_mean(flags: Flags, groups: Groups, ann: int, bob: int) -> None:
    groups.add("crew")
    groups.add_member("crew", "ann")
    flags.set_for_group(DISABLED, "crew", True)
    flags.set_for_staff(ENABLED_USERS, True)
    assert (flags.value(DISABLED, ann), flags.value(DISABLED, bob)) == (True, False)
    assert not flags.value(ENABLED_USERS, ann)
    groups.remove_member("crew", "ann")
    assert not flags.value(DISABLED, ann)


def test_groups_that_disagree_say_true(flags: Flags, groups: Groups, ann: int) -> None:
    for name, value in (("a", True), ("b", False)):
        groups.add(name)
        groups.add_member(name, "ann")
        flags.set_for_group(DISABLED, name, value)
    assert flags.value(DISABLED, ann)


def test_a_share_is_always_of_the_same_users_and_grows(flags: Flags, ann: int) -> None:
    selected = {p: {user for user in range(2000) if is_selected("f", user, p)} for p in (0, 10, 50, 100)}
    assert selected[0] == set()
    assert selected[100] == set(range(2000))
    assert selected[10] < selected[50]
    assert 140 < len(selected[10]) < 260
    assert {user for user in range(2000) if is_selected("g", user, 10)} != selected[10]  # each flag has its own
    assert is_selected(DISABLED, 1, 100)
    for percent in (-1, 101):
        with pytest.raises(ValueError, match="percent"):
            flags.set_for_percent(DISABLED, percent, True)
    flags.set_for_percent(DISABLED, 0, True)
    assert not flags.value(DISABLED, ann)
    flags.set_for_percent(DISABLED, 100, True)
    assert flags.value(DISABLED, ann)
    assert flags.list() == (FlagSetting(DISABLED, "percent", None, True, None, 100),)


def test_groups_are_named_once_listed_and_taken_away_with_their_flags(flags: Flags, groups: Groups, ann: int) -> None:
    groups.add("b")
    groups.add("a")
    groups.add_member("b", "ann")
    groups.add_member("b", "ann")
    assert groups.list() == (Group("a", ()), Group("b", ("ann",)))
    with pytest.raises(GroupExists):
        groups.add("a")
    with pytest.raises(InvalidName):
        groups.add("a b")
    flags.set_for_group(DISABLED, "b", True)
    assert flags.list() == (FlagSetting(DISABLED, "group", None, True, "b", None),)
    groups.remove("b")
    assert flags.list() == ()
    assert groups.list() == (Group("a", ()),)
    attempts: tuple[Callable[[], None], ...] = (
        lambda: groups.remove("b"),
        lambda: groups.add_member("b", "ann"),
        lambda: flags.set_for_group(DISABLED, "b\0", True),
    )
    for attempt in attempts:
        with pytest.raises(UnknownGroup):
            attempt()
    with pytest.raises(UnknownUser):
        groups.add_member("a", "nobody")
