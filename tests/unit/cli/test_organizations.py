"""``org list``, ``org add``, ``org members``, ``org add-member``, ``org remove-member``."""

import json

import pytest

from tests.unit.cli.conftest import Cli, SmallServer, complaint


@pytest.mark.parametrize(
    ("options", "path"), [((), "/api/v2/organizations/"), (("--all",), "/api/v2/admin/organizations/")]
)
def test_list_shows_ones_own_or_all(cli: Cli, signed_in: SmallServer, options: tuple[str, ...], path: str) -> None:
    found = [{"slug": "ann", "name": "", "role": "admin"}, {"slug": "lab", "name": "The\x07 lab", "role": None}]
    signed_in.on("GET", path, body={"success": True, "results": found})
    assert cli("org", "list", *options).stdout == "ann\t\tadmin\nlab\tThe lab\t\n"
    assert json.loads(cli("org", "list", *options, "--json").stdout) == found


def test_members_shows_names_and_roles(cli: Cli, signed_in: SmallServer) -> None:
    found = [{"user_id": 1, "username": "ann", "role": "admin"}]
    signed_in.on("GET", "/api/v2/o/a%2Fb/members/", body={"success": True, "results": found})
    assert cli("org", "members", "a/b").stdout == "ann\tadmin\n"
    assert json.loads(cli("org", "members", "a/b", "--json").stdout) == found


def test_another_role_is_one_line(cli: Cli, signed_in: SmallServer) -> None:
    assert "'king' is not one of" in complaint(cli("org", "add-member", "lab", "bob", "--role", "king"))
    assert signed_in.calls == []


def test_the_servers_no_is_shown(cli: Cli, signed_in: SmallServer) -> None:
    refused = {"error": "Not authorized to organization 'lab'", "status": "Failed"}
    signed_in.on("GET", "/api/v2/o/lab/members/", 403, refused)
    assert complaint(cli("org", "members", "lab")) == "Not authorized to organization 'lab'"
