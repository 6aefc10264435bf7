"""``login`` and ``token``."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from deployments.cli.session import Session, load_session, save_session
from tests.unit.cli.conftest import Cli, SmallServer, complaint

LOG_IN = "/api-token-auth/"
REFRESH = "/api/v2/auth/token/refresh"


def test_login_remembers_the_server_and_its_token(cli: Cli, server: SmallServer) -> None:
    server.on("POST", LOG_IN, body={"token": "a.b.c", "user": {}})
    result = cli("login", server.url + "/", "--username", "bob", "--password-stdin", typed="pass word \n")
    assert result.exit_code == 0, result.output
    assert server.calls[0].body == {"username": "bob", "password": "pass word "}
    assert load_session() == Session(server.url, "a.b.c")
    assert "pass word" not in result.output
    assert "a.b.c" not in result.output


def test_the_address_may_come_from_the_environment(
    cli: Cli, server: SmallServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.on("POST", LOG_IN, body={"token": "a.b.c"})
    monkeypatch.setenv("GRAPHSIDE_URL", server.url)
    assert cli("login", "--username", "bob", "--password-stdin", typed="password\n").exit_code == 0


def test_a_wrong_password_is_one_line_and_leaves_the_old_session(cli: Cli, server: SmallServer) -> None:
    save_session(Session("http://old", "old"))
    server.on("POST", LOG_IN, 400, {"error": "Unable to log in with provided credentials."})
    result = cli("login", server.url, "--username", "bob", "--password-stdin", typed="hunter2\n")
    assert complaint(result) == "Unable to log in with provided credentials."
    assert load_session() == Session("http://old", "old")


@pytest.mark.parametrize(
    ("arguments", "typed", "says"),
    [
        (("--username", "bob"), "", "no terminal to ask for a password on; use --password-stdin"),
        (("--password-stdin",), "password\n", "no terminal to ask for the username on; use --username"),
        (("--username", "bob", "--password-stdin"), "\n", "the password is empty"),
    ],
)
def test_what_cannot_be_asked_for_is_said(
    cli: Cli, server: SmallServer, arguments: tuple[str, ...], typed: str, says: str
) -> None:
    assert complaint(cli("login", server.url, *arguments, typed=typed)) == says
    assert server.calls == []


def test_an_answer_without_a_token_is_no_graphside(cli: Cli, server: SmallServer) -> None:
    server.on("POST", LOG_IN, body={"hello": "there"})
    result = cli("login", server.url, "--username", "bob", "--password-stdin", typed="password\n")
    assert complaint(result) == "the server's answer has no token: is it graphside?"


def test_a_password_on_an_open_road_is_warned_of(cli: Cli) -> None:
    result = cli("login", "http://192.0.2.1:9", "--username", "bob", typed="")
    assert "not encrypted" in result.stderr.splitlines()[0]


def test_a_typed_password_is_not_shown(server: SmallServer, config_home: Path) -> None:
    server.on("POST", LOG_IN, body={"token": "a.b.c"})
    ours, theirs = os.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "deployments.cli", "login", server.url],
        stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
    ) as process:  # fmt: skip
        os.close(theirs)
        shown = _until(ours, "username: ")
        os.write(ours, b"bob\n")
        shown += _until(ours, "password of bob: ")
        os.write(ours, b"hunter2hunter2\n")
        shown += _until(ours, "signed in")
        assert process.wait(30) == 0
        os.close(ours)  # not before: the rest of the line would have nowhere to go
    assert "hunter2" not in shown
    assert server.calls[0].body == {"username": "bob", "password": "hunter2hunter2"}


def test_token_prints_the_token_alone(cli: Cli, signed_in: SmallServer) -> None:
    signed_in.on("POST", REFRESH, body={"token": "the-token"})
    result = cli("token")
    assert (result.exit_code, result.stdout) == (0, "the-token\n")
    assert signed_in.calls[0].body == {"token": "the-token"}


def test_a_renewed_token_is_remembered(cli: Cli, signed_in: SmallServer) -> None:
    signed_in.on("POST", REFRESH, body={"token": "newer"})
    assert cli("token").stdout == "newer\n"
    assert load_session() == Session(signed_in.url, "newer")


def test_a_token_of_the_environment_does_not_replace_the_session(
    cli: Cli, signed_in: SmallServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRAPHSIDE_TOKEN", "mine")
    signed_in.on("POST", REFRESH, body={"token": "mine-too"})
    assert cli("token").stdout == "mine-too\n"
    assert load_session() == Session(signed_in.url, "the-token")


def test_an_ended_session_asks_to_sign_in(cli: Cli, signed_in: SmallServer) -> None:
    signed_in.on("POST", REFRESH, 401, {"error": "Token has expired."})
    assert complaint(cli("token")) == f"sign in first: graphside login {signed_in.url} (Token has expired.)"


def _until(terminal: int, text: str) -> str:
    shown = ""
    while text not in shown:
        shown += os.read(terminal, 4096).decode()
    return shown
