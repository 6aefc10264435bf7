"""Three switches open the Python endpoint, each for each user (contract 4.8)."""

import itertools

import pytest

from auth.errors import EndpointDisabled, Forbidden, UnknownFlag, UnknownUser
from auth.flags import DISABLED, ENABLED_USERS, KNOWN, Flags, FlagSetting
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


def test_the_flags_have_the_names_of_the_contract() -> None:
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
    assert flags.listing() == (
        FlagSetting(DISABLED, "everyone", None, True),
        FlagSetting(DISABLED, "user", "ann", True),
    )
    flags.set_for_user(DISABLED, "ann", None)
    assert flags.listing() == (FlagSetting(DISABLED, "everyone", None, True),)
    flags.set_for_everyone(DISABLED, None)
    assert flags.listing() == ()
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
    assert flags.listing() == ()
