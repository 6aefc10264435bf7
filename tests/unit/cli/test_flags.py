"""``flag list``, ``flag set``."""

import json

import pytest

from tests.unit.cli.conftest import Cli, SmallServer, complaint

FLAGS = "/api/v2/admin/flags/"


def test_list_shows_every_setting(cli: Cli, signed_in: SmallServer) -> None:
    flags = [
        {"name": "flag_a", "scope": "everyone", "username": None, "value": False},
        {"name": "flag_a", "scope": "user", "username": "bob", "value": True},
        {"name": "flag_a", "scope": "group", "group": "lab", "value": True},
        {"name": "flag_a", "scope": "percent", "percent": 5, "value": True},
    ]
    signed_in.on("GET", FLAGS, body={"success": True, "flags": flags})
    assert cli("flag", "list").stdout.splitlines() == [
        "flag_a\teveryone\toff",
        "flag_a\tbob\ton",
        "flag_a\tgroup lab\ton",
        "flag_a\t5 % of users\ton",
    ]
    assert json.loads(cli("flag", "list", "--json").stdout) == flags


@pytest.mark.parametrize(("word", "value"), [("on", True), ("off", False), ("unset", None)])
@pytest.mark.parametrize(
    ("options", "scope", "whom"),
    [
        ((), {}, "everyone"),
        (("--user", "bob"), {"user": "bob"}, "bob"),
        (("--group", "lab"), {"group": "lab"}, "group lab"),
        (("--staff",), {"staff": True}, "staff"),
        (("--percent", "0"), {"percent": 0}, "0 % of users"),
        (("--percent", "25"), {"percent": 25}, "25 % of users"),
    ],
)
def test_set_sends_the_value_and_for_whom(
    cli: Cli,
    signed_in: SmallServer,
    word: str,
    value: bool | None,
    options: tuple[str, ...],
    scope: dict[str, object],
    whom: str,
) -> None:
    signed_in.on("PUT", f"{FLAGS}flag_a/", body={"success": True})
    result = cli("flag", "set", "flag_a", word, *options)
    assert result.stdout == f"flag_a is {word} for {whom}\n"
    assert signed_in.calls[0].body == {"value": value, **scope}


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--user", "bob", "--staff"), "give only one of --user, --group, --staff and --percent"),
        (("--group", "lab", "--percent", "0"), "give only one of --user, --group, --staff and --percent"),
        (("--percent", "101"), "less than or equal to 100"),
    ],
)
def test_a_flag_is_set_for_one_scope_at_a_time(
    cli: Cli, signed_in: SmallServer, options: tuple[str, ...], says: str
) -> None:
    assert says in complaint(cli("flag", "set", "flag_a", "on", *options))
    assert signed_in.calls == []


def test_an_unknown_flag_is_told_by_the_server(cli: Cli, signed_in: SmallServer) -> None:
    signed_in.on("PUT", f"{FLAGS}nope/", 404, {"error": "there is no flag 'nope'; the flags are a, b"})
    assert complaint(cli("flag", "set", "nope", "on")) == "there is no flag 'nope'; the flags are a, b"


def test_another_value_is_one_line(cli: Cli, signed_in: SmallServer) -> None:
    assert "'maybe' is not one of 'on', 'off', 'unset'" in complaint(cli("flag", "set", "flag_a", "maybe"))
    assert signed_in.calls == []
