"""``dataset share``."""

from enum import StrEnum
from typing import Annotated, Any  # Any: JSON values

import typer

from deployments.cli.answers import expect
from deployments.cli.connection import connect, segment
from deployments.cli.errors import WrongInput
from deployments.cli.options import AsJson, Url
from deployments.cli.terminal import printable, show_json, show_rows

_PATH = "/api/v2/share/link/"


class Mode(StrEnum):
    """Who besides the owner and those invited."""

    PRIVATE = "private"
    ORGANIZATION = "organization"
    PUBLIC = "public"


class Action(StrEnum):
    """What somebody may do: see and run, also change tables, also change the share."""

    VIEW = "view"
    EDIT = "edit"
    SHARE = "share"


_SENT = {Action.VIEW: "10", Action.EDIT: "20", Action.SHARE: "30"}
_SAID = {number: action.value for action, number in _SENT.items()}


def share(
    dataset: Annotated[str, typer.Argument(metavar="DATASET", help="Its id.")],
    mode: Annotated[
        Mode | None,
        typer.Option(metavar="private|organization|public", help="Nobody else, its organisation's members, or all."),
    ] = None,
    invite: Annotated[
        list[str] | None,
        typer.Option(metavar="WHO[:view|edit|share]", help="An e-mail address or a username; may be given again."),
    ] = None,
    members_may: Annotated[
        Action, typer.Option(metavar="view|edit|share", help="What the organisation's members may do.")
    ] = Action.VIEW,
    message: Annotated[str, typer.Option(help="Kept with the share.")] = "",
    as_json: AsJson = False,
    url: Url = None,
) -> None:
    """Set who may use a dataset; this replaces what was set before. Without --mode: show it."""
    if mode is None and (invite or message):
        raise WrongInput("say --mode too: a share is set as a whole, and who was invited before is not kept")
    guests = [_guest(text) for text in invite or []]
    server = connect(url)
    if mode is None:
        answer = server.send("GET", f"{_PATH}{segment(dataset)}/")
    else:
        body = {
            "obj_pk": dataset,
            "obj_type": "dataset",
            "mode": mode.value,
            "notify": False,
            "invited_users": guests,
            "mode_action": _SENT[members_may],
            "message": message,
        }
        answer = server.send("POST", _PATH, body)
    data = expect(answer, "data", dict)
    if as_json:
        return show_json(data)
    show_rows(("who", "may"), _rows(data))


def _guest(text: str) -> dict[str, str]:
    """``ann@example.org:edit`` as the server takes it. Raises ``WrongInput``."""
    who, colon, word = text.rpartition(":")
    if not colon:
        who, word = text, Action.VIEW.value
    if not who or word not in list(Action):
        raise WrongInput(f"--invite {printable(text)}: say WHO, or WHO:view, WHO:edit or WHO:share")
    return {"email": who, "action": _SENT[Action(word)]}


def _rows(data: dict[str, Any]) -> list[tuple[object, str]]:
    """Who may do what: all whom the mode lets in, then those invited."""
    mode, may = data.get("mode"), _SAID.get(str(data.get("mode_action")), "view")
    rows: list[tuple[object, str]] = [("its owner", "everything")]
    if mode == Mode.ORGANIZATION:
        rows.append((f"organisation {data.get('organization') or ''}", may))
    if mode == Mode.PUBLIC:
        rows.append(("everybody who has the id", "view"))
    guests = data.get("invited_users")
    for guest in guests if isinstance(guests, list) else []:
        if isinstance(guest, dict):
            rows.append((guest.get("email"), _SAID.get(str(guest.get("action")), "view")))
    return rows
