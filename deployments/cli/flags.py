"""``flag list``, ``flag set``."""

from enum import StrEnum
from typing import Annotated, Any  # Any: JSON values

import typer

from deployments.cli.answers import objects
from deployments.cli.connection import connect, segment
from deployments.cli.errors import WrongInput
from deployments.cli.options import AsJson, Url
from deployments.cli.terminal import printable, show_json, show_rows

app = typer.Typer(help="List and set feature flags.")


class Value(StrEnum):
    """What a flag can be set to. ``unset`` removes a setting, so that a wider scope decides."""

    ON = "on"
    OFF = "off"
    UNSET = "unset"


_SENT = {Value.ON: True, Value.OFF: False, Value.UNSET: None}


@app.command("list")
def list_flags(as_json: AsJson = False, url: Url = None) -> None:
    """List all flag settings: flag, for whom, value. A flag without a setting is off."""
    flags = objects(connect(url).send("GET", "/api/v2/admin/flags/"), "flags")
    if as_json:
        return show_json(flags)
    rows = [(flag.get("name"), _whom(flag), "on" if flag.get("value") else "off") for flag in flags]
    show_rows(("flag", "for", "value"), rows)


@app.command("set")
def set_flag(
    name: Annotated[str, typer.Argument(metavar="NAME", help="The name of the flag.")],
    value: Annotated[Value, typer.Argument(metavar="on|off|unset", help="unset removes the setting.")],
    user: Annotated[str | None, typer.Option(help="For this user only.")] = None,
    group: Annotated[str | None, typer.Option(help="For the members of this group.")] = None,
    staff: Annotated[bool, typer.Option("--staff", help="For administrators.")] = False,
    percent: Annotated[int | None, typer.Option(min=0, max=100, help="For this percentage of all users.")] = None,
    url: Url = None,
) -> None:
    """Set a flag for everyone, or for the users that one option selects. It takes effect within seconds."""
    asked = {"user": user, "group": group, "staff": staff or None, "percent": percent}
    given = {scope: value for scope, value in asked.items() if value is not None}
    if len(given) > 1:
        raise WrongInput("give only one of --user, --group, --staff and --percent")
    connect(url).send("PUT", f"/api/v2/admin/flags/{segment(name)}/", {"value": _SENT[value], **given})
    whom = _whom({"scope": next(iter(given), None), "username": user, **given})
    print(f"{printable(name)} is {value} for {printable(whom)}")


def _whom(flag: dict[str, Any]) -> str:
    """Return the users that a setting is for, in words."""
    match flag.get("scope"):
        case "user":
            return str(flag.get("username"))
        case "group":
            return f"group {flag.get('group')}"
        case "percent":
            return f"{flag.get('percent')} % of users"
        case scope:
            return str(scope or "everyone")
