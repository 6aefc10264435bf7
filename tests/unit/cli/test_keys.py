"""``key create``, ``key revoke``, ``key list``."""

import json

from tests.terminal import Terminal
from tests.unit.cli.conftest import Cli, SmallServer, complaint

KEYS = "/api/v2/auth/pkey/"
MADE = {"success": True, "id": "0123", "name": "ci", "secret": "s3cret"}


def test_create_prints_what_login_takes(cli: Cli, signed_in: SmallServer) -> None:
    signed_in.on("POST", KEYS, 201, MADE)
    result = cli("key", "create", "ci")
    assert (result.exit_code, result.stdout) == (0, "0123:s3cret\n")
    assert signed_in.calls[0].body == {"name": "ci"}


def test_on_a_terminal_its_parts_are_named_as_clients_name_them(signed_in: SmallServer) -> None:
    signed_in.on("POST", KEYS, 201, MADE)
    with Terminal("key", "create") as terminal:
        assert terminal.end() == 0
    assert terminal.text == "personal_key_id      0123\npersonal_key_secret  s3cret\n(shown this once)\n"


def test_list_says_which_are_revoked_and_in_utc_when_they_were_used(cli: Cli, signed_in: SmallServer) -> None:
    keys = [
        {"id": "1", "name": "ci", "created_at": "2026-01-02T03:04:05.678+02:00", "last_used_at": None},
        {"id": "2", "name": "", "created_at": "2026-01-02T03:04:05", "last_used_at": "then", "revoked_at": "now"},
    ]
    signed_in.on("GET", KEYS, body={"success": True, "results": keys})
    assert cli("key", "list").stdout.splitlines() == [
        "1\tci\tactive\t2026-01-02T01:04:05Z\t",
        "2\t\trevoked\t2026-01-02T03:04:05Z\tthen",
    ]
    assert json.loads(cli("key", "list", "--json").stdout) == keys


def test_revoke_names_the_key_in_the_path(cli: Cli, signed_in: SmallServer) -> None:
    signed_in.on("DELETE", f"{KEYS}0123/", 204)
    assert cli("key", "revoke", "0123").stdout == "0123 is revoked; its tokens have ended\n"


def test_what_the_server_says_no_to_is_one_line(cli: Cli, signed_in: SmallServer) -> None:
    signed_in.on("POST", KEYS, 403, {"error": "sign in with your password to make a personal key"})
    assert complaint(cli("key", "create")) == "sign in with your password to make a personal key"


def test_a_key_can_be_piped_into_login(cli: Cli, signed_in: SmallServer) -> None:
    signed_in.on("POST", KEYS, 201, MADE)
    signed_in.on("POST", f"{KEYS}jwt/", body={"token": "a.b.c"})
    printed = cli("key", "create").stdout
    assert cli("login", signed_in.url, "--key-stdin", typed=printed).exit_code == 0
    assert signed_in.calls[1].token == "PersonalKey 0123:s3cret"
