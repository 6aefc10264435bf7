"""``flag list``, ``flag set``."""

from enum import StrEnum
from typing import Annotated, Any

import typer

from deployments.cli.connection import connect, expect, segment
from deployments.cli.options import Url
from deployments.cli.terminal import printable, show_rows

app = typer.Typer(help="List and set feature flags.")


class Value(StrEnum):
    """What a flag can be set to; unset leaves it to the wider scope."""

    ON = "on"
    OFF = "off"
    UNSET = "unset"


_SENT = {Value.ON: True, Value.OFF: False, Value.UNSET: None}


@app.command("list")
def list_flags(url: Url = None) -> None:
    """List every setting of a flag: its name, for whom, its value. A flag without a setting is off."""
    flags = expect(connect(url).send("GET", "/api/v2/admin/flags/"), "flags", list)
    rows = [(flag["name"], _whom(flag), "on" if flag["value"] else "off") for flag in flags]
    show_rows(("flag", "for", "value"), rows)


def _whom(flag: dict[str, Any]) -> str:
    """Whom a setting is for, in words."""
    match flag.get("scope"):
        case "user":
            return str(flag.get("username"))
        case "group":
            return f"group {flag.get('group')}"
        case "percent":
            return f"{flag.get('percent')} % of users"
        case scope:
            return str(scope or "everyone")


@app.command("set")
def set_flag(
    name: Annotated[str, typer.Argument(metavar="NAME")],
    value: Annotated[Value, typer.Argument(metavar="on|off|unset")],
    user: Annotated[str | None, typer.Option(help="For this user only; else for everyone.")] = None,
    url: Url = None,
) -> None:
    """Set a flag. It holds within seconds."""
    path = f"/api/v2/admin/flags/{segment(name)}/"
    connect(url).send("PUT", path, {"value": _SENT[value], "user": user})
    print(f"{printable(name)} is {value} for {'everyone' if user is None else printable(user)}")
