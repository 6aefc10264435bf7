"""``user add``, ``user passwd``, ``user list``."""

import json
import re

import pytest

from tests.unit.cli.conftest import Cli, SmallServer, complaint

USERS = "/api/v2/admin/users/"
FLAG = "/api/v2/admin/flags/flag_python_endpoint_enabled_users/"
ADDED = {"success": True, "user": {"username": "bob"}}


def test_add_sends_what_was_given(cli: Cli, signed_in: SmallServer) -> None:
    signed_in.on("POST", USERS, 201, ADDED)
    result = cli("user", "add", "bob", "--admin", "--email", "b@example.org", "--password-stdin", typed="long enough\n")
    assert (result.exit_code, result.stdout) == (0, "added bob\n")
    (call,) = signed_in.calls
    assert call.token == "Bearer the-token"
    assert call.body == {"username": "bob", "password": "long enough", "email": "b@example.org", "admin": True}


@pytest.mark.parametrize(("option", "value", "word"), [("--python", True, "on"), ("--no-python", False, "off")])
def test_add_sets_the_python_flag_when_asked(
    cli: Cli, signed_in: SmallServer, option: str, value: bool, word: str
) -> None:
    signed_in.on("POST", USERS, 201, ADDED)
    signed_in.on("PUT", FLAG, body={"success": True})
    result = cli("user", "add", "bob", option, "--password-stdin", typed="long enough\n")
    assert f"is {word} for bob" in result.stdout
    assert signed_in.calls[1].body == {"value": value, "user": "bob"}


def test_a_flag_that_cannot_be_set_does_not_hide_that_the_user_was_added(cli: Cli, signed_in: SmallServer) -> None:
    signed_in.on("POST", USERS, 201, ADDED)
    signed_in.on("PUT", FLAG, 403, {"error": "No."})
    result = cli("user", "add", "bob", "--python", "--generate-password")
    assert "password: " in result.stdout
    assert complaint(result) == "bob was added, but flag_python_endpoint_enabled_users was not set: No."


def test_a_made_up_password_is_printed_once_and_is_the_one_that_was_sent(cli: Cli, signed_in: SmallServer) -> None:
    signed_in.on("POST", USERS, 201, ADDED)
    result = cli("user", "add", "bob", "--generate-password")
    password = signed_in.calls[0].body["password"]
    assert re.search(r"^password: (\S+)$", result.stdout, re.MULTILINE)
    assert result.output.count(password) == 1


def test_a_given_password_is_never_printed(cli: Cli, signed_in: SmallServer) -> None:
    signed_in.on("POST", USERS, 400, {"error": "a password has at least 8 characters"})
    result = cli("user", "add", "bob", "--password-stdin", typed="hunter2\n")
    assert complaint(result) == "a password has at least 8 characters"
    assert "hunter2" not in result.output


@pytest.mark.parametrize("command", ["add", "passwd"])
@pytest.mark.parametrize(
    ("options", "says"),
    [
        ((), "cannot ask for a password without a terminal; use --password-stdin or --generate-password"),
        (
            ("--password-stdin", "--generate-password"),
            "--password-stdin and --generate-password cannot be combined",
        ),
    ],
)
def test_where_a_password_comes_from_must_be_clear(
    cli: Cli, signed_in: SmallServer, command: str, options: tuple[str, ...], says: str
) -> None:
    assert complaint(cli("user", command, "bob", *options)) == says
    assert signed_in.calls == []


def test_passwd_names_the_user_in_the_path(cli: Cli, signed_in: SmallServer) -> None:
    signed_in.on("POST", "/api/v2/admin/users/b%2Fb/password/", body={"success": True})
    result = cli("user", "passwd", "b/b", "--password-stdin", typed="long enough\n")
    assert result.exit_code == 0, result.output
    assert signed_in.calls[0].body == {"password": "long enough"}
    assert "long enough" not in result.output


def test_list_is_made_for_cut_where_the_output_is_no_terminal(cli: Cli, signed_in: SmallServer) -> None:
    users = [
        {"username": "ann", "is_admin": True, "is_active": True, "email": "a@example.org"},
        {"username": "bob", "is_admin": False, "is_active": False, "email": "tab\there\x1b[2J"},
    ]
    signed_in.on("GET", USERS, body={"success": True, "users": users})
    assert cli("user", "list").stdout.splitlines() == [
        "ann\tadmin\tactive\ta@example.org",
        "bob\tuser\tdisabled\ttab here [2J",
    ]


def test_list_as_json_is_what_the_server_sent_with_nothing_that_acts(cli: Cli, signed_in: SmallServer) -> None:
    users = [{"username": "ann", "email": "\x1b[2Jé\u202e"}]
    signed_in.on("GET", USERS, body={"success": True, "users": users})
    shown = cli("user", "list", "--json").stdout
    assert json.loads(shown) == users
    assert shown.isascii()
    assert "\x1b" not in shown


@pytest.mark.parametrize("command", ["disable", "enable"])
def test_disable_and_enable_name_the_user_in_the_path(cli: Cli, signed_in: SmallServer, command: str) -> None:
    signed_in.on("POST", f"{USERS}b%2Fb/{command}/", body={"success": True})
    result = cli("user", command, "b/b")
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith(f"b/b is {command}d")


@pytest.mark.parametrize(
    ("status", "text", "says"),
    [
        (403, "only an administrator may do this", "only an administrator may do this"),
        (409, "user bob already exists; choose another name", "user bob already exists; choose another name"),
    ],
)
def test_the_servers_no_is_shown(cli: Cli, signed_in: SmallServer, status: int, text: str, says: str) -> None:
    signed_in.on("POST", USERS, status, {"error": text})
    assert complaint(cli("user", "add", "bob", "--generate-password")) == says


@pytest.mark.parametrize(
    "command",
    [
        ("user", "list"),
        ("user", "add", "bob"),
        ("user", "passwd", "bob"),
        ("user", "disable", "bob"),
        ("flag", "list"),
        ("group", "list"),
        ("org", "list"),
        ("key", "list"),
        ("dataset", "list"),
        ("dataset", "rm", "--yes", "0123"),
        ("runs", "list"),
        ("token",),
    ],
)
def test_without_a_session_every_command_asks_to_sign_in(cli: Cli, command: tuple[str, ...]) -> None:
    assert complaint(cli(*command)) == "sign in first: graphside login URL"
