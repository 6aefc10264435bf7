"""``group list``, ``group add``, ``group rm``, ``group member add``, ``group member rm``."""

from typing import Annotated

import typer

from deployments.cli.answers import objects
from deployments.cli.connection import connect, segment
from deployments.cli.options import AsJson, Url
from deployments.cli.terminal import printable, show_json, show_rows

app = typer.Typer(help="List, add and remove groups of users. A flag can be set for a group.")
member = typer.Typer(help="Add users to a group and remove them.")
app.add_typer(member, name="member")

_PATH = "/api/v2/admin/groups/"

Group = Annotated[str, typer.Argument(metavar="GROUP", help="The name of the group.")]
User = Annotated[str, typer.Argument(metavar="USER", help="The username.")]


@app.command("list")
def list_groups(as_json: AsJson = False, url: Url = None) -> None:
    """List all groups: name, members."""
    groups = objects(connect(url).send("GET", _PATH), "groups")
    if as_json:
        return show_json(groups)
    show_rows(("group", "members"), [(group.get("name"), ", ".join(map(str, _members(group)))) for group in groups])


@app.command()
def add(group: Group, url: Url = None) -> None:
    """Add a group without members."""
    connect(url).send("POST", _PATH, {"name": group})
    print(f"added {printable(group)}")


@app.command()
def rm(group: Group, url: Url = None) -> None:
    """Remove a group and the flag settings for it. Its users stay."""
    connect(url).send("DELETE", f"{_PATH}{segment(group)}/")
    print(f"removed {printable(group)}")


@member.command("add")
def add_member(group: Group, user: User, url: Url = None) -> None:
    """Add a user to a group."""
    connect(url).send("PUT", f"{_PATH}{segment(group)}/members/{segment(user)}/")
    print(f"{printable(user)} is in {printable(group)}")


@member.command("rm")
def remove_member(group: Group, user: User, url: Url = None) -> None:
    """Remove a user from a group."""
    connect(url).send("DELETE", f"{_PATH}{segment(group)}/members/{segment(user)}/")
    print(f"{printable(user)} is not in {printable(group)}")


def _members(group: dict[str, object]) -> list[object]:
    members = group.get("members")
    return members if isinstance(members, list) else []
