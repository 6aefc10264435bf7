"""Commands that change groups and organizations: each calls one route and prints one line."""

import shlex
from dataclasses import dataclass

import pytest

from tests.unit.cli.conftest import Cli, SmallServer

GROUPS = "/api/v2/admin/groups/"
ORGANIZATIONS = "/api/v2/admin/organizations/"
BOB_IN_GROUP = f"{GROUPS}lab/members/bob/"
BOB_IN_ORGANIZATION = "/api/v2/o/lab/members/bob/"
THE_LAB = {"slug": "lab", "name": "The lab"}
MEMBER, ADMIN = {"role": "member"}, {"role": "admin"}


@dataclass(frozen=True)
class Change:
    """A command line, the request that it sends, the status of the answer, and what it prints."""

    command: str
    method: str
    path: str
    body: object
    status: int
    says: str


CHANGES = (
    Change("group add lab", "POST", GROUPS, {"name": "lab"}, 201, "added lab"),
    Change("group rm a/b", "DELETE", f"{GROUPS}a%2Fb/", None, 204, "removed a/b"),
    Change("group member add lab bob", "PUT", BOB_IN_GROUP, None, 200, "bob is in lab"),
    Change("group member rm lab bob", "DELETE", BOB_IN_GROUP, None, 204, "bob is not in lab"),
    Change("org add lab --name 'The lab'", "POST", ORGANIZATIONS, THE_LAB, 201, "added lab"),
    Change("org add-member lab bob", "PUT", BOB_IN_ORGANIZATION, MEMBER, 200, "bob is a member of lab"),
    Change("org add-member lab bob --role admin", "PUT", BOB_IN_ORGANIZATION, ADMIN, 200, "bob is an admin of lab"),
    Change("org remove-member lab bob", "DELETE", BOB_IN_ORGANIZATION, None, 204, "bob is not in lab"),
)


@pytest.mark.parametrize("change", CHANGES, ids=[change.command for change in CHANGES])
def test_a_change_is_one_request_and_one_line(cli: Cli, signed_in: SmallServer, change: Change) -> None:
    signed_in.on(change.method, change.path, change.status, {"success": True})
    assert cli(*shlex.split(change.command)).stdout == f"{change.says}\n"
    (call,) = signed_in.calls
    assert (call.method, call.path, call.body) == (change.method, change.path, change.body)
