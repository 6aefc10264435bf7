"""``group list``, ``group add``, ``group rm``, ``group member add``, ``group member rm``."""

import json

from tests.unit.cli.conftest import Cli, SmallServer, complaint

GROUPS = "/api/v2/admin/groups/"


def test_list_names_the_members(cli: Cli, signed_in: SmallServer) -> None:
    groups = [{"name": "lab", "members": ["ann", "bob"]}, {"name": "empty\x1b[2J", "members": []}]
    signed_in.on("GET", GROUPS, body={"success": True, "groups": groups})
    assert cli("group", "list").stdout == "lab\tann, bob\nempty [2J\t\n"
    assert json.loads(cli("group", "list", "--json").stdout) == groups


def test_the_servers_no_is_shown(cli: Cli, signed_in: SmallServer) -> None:
    signed_in.on("DELETE", f"{GROUPS}nope/", 404, {"error": "there is no group 'nope'"})
    assert complaint(cli("group", "rm", "nope")) == "there is no group 'nope'"


def test_an_answer_that_is_no_list_of_groups_is_no_graphside(cli: Cli, signed_in: SmallServer) -> None:
    signed_in.on("GET", GROUPS, body={"groups": ["lab"]})
    assert complaint(cli("group", "list")) == "the server's answer has invalid groups; is it a graphside server?"
