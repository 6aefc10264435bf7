"""``org list``, ``org add``, ``org members``, ``org add-member``, ``org remove-member``."""

from enum import StrEnum
from typing import Annotated

import typer

from deployments.cli.answers import objects
from deployments.cli.connection import connect, segment
from deployments.cli.options import AsJson, Url
from deployments.cli.terminal import printable, show_json, show_rows

app = typer.Typer(help="Organisations and who is in them.")

Slug = Annotated[str, typer.Argument(metavar="ORG", help="Its slug, as in URLs.")]
User = Annotated[str, typer.Argument(metavar="USER")]


class Role(StrEnum):
    """What a member may do: an admin takes people in and lets them go."""

    MEMBER = "member"
    ADMIN = "admin"


@app.command("list")
def list_organizations(
    everyones: Annotated[bool, typer.Option("--all", help="All that there are; for administrators.")] = False,
    as_json: AsJson = False,
    url: Url = None,
) -> None:
    """List the organisations that you are in: slug, name, your role."""
    path = "/api/v2/admin/organizations/" if everyones else "/api/v2/organizations/"
    found = objects(connect(url).send("GET", path), "results")
    if as_json:
        return show_json(found)
    show_rows(("org", "name", "role"), [(org.get("slug"), org.get("name"), org.get("role") or "") for org in found])


@app.command()
def add(
    slug: Slug,
    name: Annotated[str, typer.Option(help="A name for eyes.")] = "",
    url: Url = None,
) -> None:
    """Make an organisation, without members; for administrators."""
    connect(url).send("POST", "/api/v2/admin/organizations/", {"slug": slug, "name": name})
    print(f"added {printable(slug)}")


@app.command()
def members(slug: Slug, as_json: AsJson = False, url: Url = None) -> None:
    """List who is in it: name, role."""
    found = objects(connect(url).send("GET", f"/api/v2/o/{segment(slug)}/members/"), "results")
    if as_json:
        return show_json(found)
    show_rows(("name", "role"), [(member.get("username"), member.get("role")) for member in found])


@app.command("add-member")
def add_member(
    slug: Slug,
    user: User,
    role: Annotated[Role, typer.Option(metavar="member|admin")] = Role.MEMBER,
    url: Url = None,
) -> None:
    """Take a user in, or change his role."""
    connect(url).send("PUT", f"/api/v2/o/{segment(slug)}/members/{segment(user)}/", {"role": role.value})
    print(f"{printable(user)} is {'an admin' if role is Role.ADMIN else 'a member'} of {printable(slug)}")


@app.command("remove-member")
def remove_member(slug: Slug, user: User, url: Url = None) -> None:
    """Let a user go."""
    connect(url).send("DELETE", f"/api/v2/o/{segment(slug)}/members/{segment(user)}/")
    print(f"{printable(user)} is not in {printable(slug)}")
