"""``flag list``, ``flag set``."""

import pytest

from tests.unit.cli.conftest import Cli, SmallServer, complaint

FLAGS = "/api/v2/admin/flags/"


def test_list_shows_every_setting(cli: Cli, signed_in: SmallServer) -> None:
    flags = [
        {"name": "flag_a", "scope": "everyone", "username": None, "value": False},
        {"name": "flag_a", "scope": "user", "username": "bob", "value": True},
    ]
    signed_in.on("GET", FLAGS, body={"success": True, "flags": flags})
    assert cli("flag", "list").stdout == "flag_a\teveryone\toff\nflag_a\tbob\ton\n"


@pytest.mark.parametrize(("word", "value"), [("on", True), ("off", False), ("unset", None)])
@pytest.mark.parametrize(("options", "user"), [((), None), (("--user", "bob"), "bob")])
def test_set_sends_the_value_and_for_whom(
    cli: Cli, signed_in: SmallServer, word: str, value: bool | None, options: tuple[str, ...], user: str | None
) -> None:
    signed_in.on("PUT", f"{FLAGS}flag_a/", body={"success": True})
    result = cli("flag", "set", "flag_a", word, *options)
    assert result.stdout == f"flag_a is {word} for {user or 'everyone'}\n"
    assert signed_in.calls[0].body == {"value": value, "user": user}


def test_an_unknown_flag_is_told_by_the_server(cli: Cli, signed_in: SmallServer) -> None:
    signed_in.on("PUT", f"{FLAGS}nope/", 404, {"error": "There is no flag 'nope'; flags are a, b."})
    assert complaint(cli("flag", "set", "nope", "on")) == "There is no flag 'nope'; flags are a, b."


def test_another_value_is_one_line(cli: Cli, signed_in: SmallServer) -> None:
    assert "'maybe' is not one of 'on', 'off', 'unset'" in complaint(cli("flag", "set", "flag_a", "maybe"))
    assert signed_in.calls == []
