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


BOB = "/api/v2/o/lab/members/bob/"


@pytest.mark.parametrize(
    ("arguments", "method", "path", "status", "body", "says"),
    [
        (
            ("add", "lab", "--name", "The lab"),
            "POST",
            "/api/v2/admin/organizations/",
            201,
            {"slug": "lab", "name": "The lab"},
            "added lab",
        ),
        (("add-member", "lab", "bob"), "PUT", BOB, 200, {"role": "member"}, "bob is a member of lab"),
        (
            ("add-member", "lab", "bob", "--role", "admin"),
            "PUT",
            BOB,
            200,
            {"role": "admin"},
            "bob is an admin of lab",
        ),
        (("remove-member", "lab", "bob"), "DELETE", BOB, 204, None, "bob is not in lab"),
    ],
)
def test_changes_go_to_the_route_of_the_organisation(
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
    assert cli("org", *arguments).stdout == f"{says}\n"
    assert signed_in.calls[0].body == body


def test_another_role_is_one_line(cli: Cli, signed_in: SmallServer) -> None:
    assert "'king' is not one of" in complaint(cli("org", "add-member", "lab", "bob", "--role", "king"))
    assert signed_in.calls == []


def test_the_servers_no_is_shown(cli: Cli, signed_in: SmallServer) -> None:
    refused = {"error": "Not authorized to organization 'lab'", "status": "Failed"}
    signed_in.on("GET", "/api/v2/o/lab/members/", 403, refused)
    assert complaint(cli("org", "members", "lab")) == "Not authorized to organization 'lab'"
