"""``org list``, ``org add``, ``org members``, ``org add-member``, ``org remove-member``."""

from enum import StrEnum
from typing import Annotated

import typer

from deployments.cli.answers import objects
from deployments.cli.connection import connect, segment
from deployments.cli.options import AsJson, Url
from deployments.cli.terminal import printable, show_json, show_rows

app = typer.Typer(help="List and add organizations, and change who is in them.")

Slug = Annotated[str, typer.Argument(metavar="ORG", help="The slug of the organization, as in URLs.")]
User = Annotated[str, typer.Argument(metavar="USER", help="The username.")]


class Role(StrEnum):
    """The role of a member. An admin may add and remove members."""

    MEMBER = "member"
    ADMIN = "admin"


@app.command("list")
def list_organizations(
    every: Annotated[bool, typer.Option("--all", help="All organizations; for administrators.")] = False,
    as_json: AsJson = False,
    url: Url = None,
) -> None:
    """List the organizations that you are in: slug, name, your role."""
    path = "/api/v2/admin/organizations/" if every else "/api/v2/organizations/"
    found = objects(connect(url).send("GET", path), "results")
    if as_json:
        return show_json(found)
    show_rows(("org", "name", "role"), [(org.get("slug"), org.get("name"), org.get("role") or "") for org in found])


@app.command()
def add(
    slug: Slug,
    name: Annotated[str, typer.Option(help="The name that people see. Default: the slug.")] = "",
    url: Url = None,
) -> None:
    """Add an organization without members; for administrators."""
    connect(url).send("POST", "/api/v2/admin/organizations/", {"slug": slug, "name": name})
    print(f"added {printable(slug)}")


@app.command()
def members(slug: Slug, as_json: AsJson = False, url: Url = None) -> None:
    """List the members of an organization: name, role."""
    found = objects(connect(url).send("GET", f"/api/v2/o/{segment(slug)}/members/"), "results")
    if as_json:
        return show_json(found)
    show_rows(("name", "role"), [(member.get("username"), member.get("role")) for member in found])


@app.command("add-member")
def add_member(
    slug: Slug,
    user: User,
    role: Annotated[
        Role, typer.Option(metavar="member|admin", help="An admin may add and remove members.")
    ] = Role.MEMBER,
    url: Url = None,
) -> None:
    """Add a user to an organization, or change their role."""
    connect(url).send("PUT", f"/api/v2/o/{segment(slug)}/members/{segment(user)}/", {"role": role.value})
    print(f"{printable(user)} is {'an admin' if role is Role.ADMIN else 'a member'} of {printable(slug)}")


@app.command("remove-member")
def remove_member(slug: Slug, user: User, url: Url = None) -> None:
    """Remove a user from an organization."""
    connect(url).send("DELETE", f"/api/v2/o/{segment(slug)}/members/{segment(user)}/")
    print(f"{printable(user)} is not in {printable(slug)}")
