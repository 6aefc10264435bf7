"""``login`` and ``token``."""

from pathlib import Path

import pytest

from deployments.cli.session import Session, load_session, save_session
from tests.terminal import Terminal
from tests.unit.cli.conftest import Cli, SmallServer, complaint

LOG_IN = "/api-token-auth/"
REFRESH = "/api/v2/auth/token/refresh"
KEY_LOG_IN = "/api/v2/auth/pkey/jwt/"
LOG_OUT = "/api/v2/auth/logout/"


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
        (("--username", "bob"), "", "cannot ask for a password without a terminal; use --password-stdin"),
        (("--password-stdin",), "password\n", "cannot ask for the username without a terminal; use --username"),
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
    assert complaint(result) == "the server's answer has no token; is it a graphside server?"


def test_a_password_on_an_open_road_is_warned_of(cli: Cli) -> None:
    result = cli("login", "http://192.0.2.1:9", "--username", "bob", typed="")
    assert "not encrypted" in result.stderr.splitlines()[0]


def test_a_typed_password_is_not_shown(server: SmallServer, config_home: Path) -> None:
    server.on("POST", LOG_IN, body={"token": "a.b.c"})
    with Terminal("login", server.url) as terminal:
        terminal.until("username: ")
        terminal.type("bob\n")
        terminal.until("password of bob: ")
        terminal.type("hunter2hunter2\n")
        terminal.until("signed in")
        assert terminal.end() == 0
    assert "hunter2" not in terminal.shown
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


class TestKey:
    def test_a_key_signs_in(self, cli: Cli, server: SmallServer) -> None:
        server.on("POST", KEY_LOG_IN, body={"token": "a.b.c", "user": {}})
        result = cli("login", server.url, "--key-stdin", typed="0123:se-cret\n")
        assert result.exit_code == 0, result.output
        assert server.calls[0].token == "PersonalKey 0123:se-cret"
        assert load_session() == Session(server.url, "a.b.c")
        assert "se-cret" not in result.output

    @pytest.mark.parametrize("typed", ["no-colon", ":secret", "id:", "two words:secret", "id:s\u00e9cret"])
    def test_what_is_no_key_is_neither_sent_nor_repeated(self, cli: Cli, server: SmallServer, typed: str) -> None:
        result = cli("login", server.url, "--key-stdin", typed=f"{typed}\n")
        assert complaint(result) == "a personal key looks like ID:SECRET"
        assert typed not in result.output
        assert server.calls == []

    def test_no_key_is_no_key(self, cli: Cli, server: SmallServer) -> None:
        assert complaint(cli("login", server.url, "--key-stdin")) == "no personal key was given"

    def test_a_key_excludes_a_password(self, cli: Cli, server: SmallServer) -> None:
        result = cli("login", server.url, "--key-stdin", "--password-stdin", typed="id:secret\n")
        assert complaint(result) == "--key-stdin cannot be combined with --username or --password-stdin"

    def test_a_revoked_key_is_one_line(self, cli: Cli, server: SmallServer) -> None:
        server.on("POST", KEY_LOG_IN, 401, {"error": "the personal key is not valid"})
        assert "the personal key is not valid" in complaint(cli("login", server.url, "--key-stdin", typed="id:s\n"))
        assert load_session() is None


class TestLogout:
    def test_it_ends_the_session_at_the_server_and_forgets_it(self, cli: Cli, signed_in: SmallServer) -> None:
        signed_in.on("POST", LOG_OUT, body={"success": True, "status": "OK"})
        assert cli("logout").stdout == f"signed out of {signed_in.url}\n"
        assert signed_in.calls[0].token == "Bearer the-token"
        assert load_session() is None

    def test_one_that_had_ended_is_forgotten_all_the_same(self, cli: Cli, signed_in: SmallServer) -> None:
        signed_in.on("POST", LOG_OUT, 401, {"error": "Token has expired."})
        assert cli("logout").exit_code == 0
        assert load_session() is None

    def test_where_the_server_does_not_hear_it_one_is_told_and_it_is_forgotten(
        self, cli: Cli, signed_in: SmallServer
    ) -> None:
        signed_in.on("POST", LOG_OUT, 503, {"error": "Stopping."})
        assert complaint(cli("logout")) == "signed out here, but the token stays valid until it expires: Stopping."
        assert load_session() is None

    def test_a_second_time_there_is_nothing_to_do(self, cli: Cli) -> None:
        result = cli("logout")
        assert (result.exit_code, result.stdout) == (0, "you are not signed in\n")

    def test_a_token_of_the_environment_is_no_session(
        self, cli: Cli, signed_in: SmallServer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("GRAPHSIDE_TOKEN", "another")
        signed_in.on("POST", LOG_OUT, body={"success": True})
        cli("logout")
        assert signed_in.calls[0].token == "Bearer the-token"
