"""``group list``, ``group add``, ``group rm``, ``group member add``, ``group member rm``."""

import json

import pytest

from tests.unit.cli.conftest import Cli, SmallServer, complaint

GROUPS = "/api/v2/admin/groups/"


def test_list_names_the_members(cli: Cli, signed_in: SmallServer) -> None:
    groups = [{"name": "lab", "members": ["ann", "bob"]}, {"name": "empty\x1b[2J", "members": []}]
    signed_in.on("GET", GROUPS, body={"success": True, "groups": groups})
    assert cli("group", "list").stdout == "lab\tann, bob\nempty [2J\t\n"
    assert json.loads(cli("group", "list", "--json").stdout) == groups


@pytest.mark.parametrize(
    ("arguments", "method", "path", "status", "body", "says"),
    [
        (("add", "lab"), "POST", GROUPS, 201, {"name": "lab"}, "added lab"),
        (("rm", "a/b"), "DELETE", f"{GROUPS}a%2Fb/", 204, None, "removed a/b"),
        (("member", "add", "lab", "bob"), "PUT", f"{GROUPS}lab/members/bob/", 200, None, "bob is in lab"),
        (("member", "rm", "lab", "bob"), "DELETE", f"{GROUPS}lab/members/bob/", 204, None, "bob is not in lab"),
    ],
)
def test_changes_go_to_the_route_of_the_group(
    cli: Cli,
    signed_in: SmallServer,
    arguments: tuple[str, ...],
    method: str,
    path: str,
    status: int,
    body: object,
    says: str,
) -> None:
    signed_in.on(method, path, status, {"success": True})
    assert cli("group", *arguments).stdout == f"{says}\n"
    assert signed_in.calls[0].body == body


def test_the_servers_no_is_shown(cli: Cli, signed_in: SmallServer) -> None:
    signed_in.on("DELETE", f"{GROUPS}nope/", 404, {"error": "There is no group 'nope'."})
    assert complaint(cli("group", "rm", "nope")) == "There is no group 'nope'."


def test_an_answer_that_is_no_list_of_groups_is_no_graphside(cli: Cli, signed_in: SmallServer) -> None:
    signed_in.on("GET", GROUPS, body={"groups": ["lab"]})
    assert complaint(cli("group", "list")) == "the server's answer has invalid groups; is it a graphside server?"
