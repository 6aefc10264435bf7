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
    """Who may use a dataset besides its owner and the invited users."""

    PRIVATE = "private"
    ORGANIZATION = "organization"
    PUBLIC = "public"


class Action(StrEnum):
    """What a user may do. Each action includes the ones before it.

    view: see the dataset and run tasks on it; edit: change its tables; share: change its share.
    """

    VIEW = "view"
    EDIT = "edit"
    SHARE = "share"


_SENT = {Action.VIEW: "10", Action.EDIT: "20", Action.SHARE: "30"}
_SAID = {number: action.value for action, number in _SENT.items()}


def share(
    dataset: Annotated[str, typer.Argument(metavar="DATASET", help="The id of the dataset.")],
    mode: Annotated[
        Mode | None,
        typer.Option(
            metavar="private|organization|public",
            help="Share it with nobody else, with the members of its organization, or with everybody who has its id.",
        ),
    ] = None,
    invite: Annotated[
        list[str] | None,
        typer.Option(
            metavar="WHO[:view|edit|share]",
            help="Invite an email address or a username. Give the option again to invite more.",
        ),
    ] = None,
    members_may: Annotated[
        Action, typer.Option(metavar="view|edit|share", help="What the members of the organization may do.")
    ] = Action.VIEW,
    message: Annotated[str, typer.Option(help="A message that is stored with the share.")] = "",
    as_json: AsJson = False,
    url: Url = None,
) -> None:
    """Set who may use a dataset; this replaces the earlier share. Without --mode, show who may use it."""
    if mode is None and (invite or message):
        raise WrongInput("give --mode too: this replaces the whole share, earlier invitations included")
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
    """Return ``ann@example.org:edit`` in the form that the server takes. Raises ``WrongInput``."""
    who, colon, word = text.rpartition(":")
    if not colon:
        who, word = text, Action.VIEW.value
    if not who or word not in list(Action):
        raise WrongInput(f"--invite {printable(text)} is not one of WHO, WHO:view, WHO:edit and WHO:share")
    return {"email": who, "action": _SENT[Action(word)]}


def _rows(data: dict[str, Any]) -> list[tuple[object, str]]:
    """Return who may do what: the owner, the users that the mode adds, then the invited users."""
    mode, may = data.get("mode"), _SAID.get(str(data.get("mode_action")), "view")
    rows: list[tuple[object, str]] = [("its owner", "everything")]
    if mode == Mode.ORGANIZATION:
        rows.append((f"organization {data.get('organization') or ''}", may))
    if mode == Mode.PUBLIC:
        rows.append(("everybody who has the id", "view"))
    guests = data.get("invited_users")
    for guest in guests if isinstance(guests, list) else []:
        if isinstance(guest, dict):
            rows.append((guest.get("email"), _SAID.get(str(guest.get("action")), "view")))
    return rows
