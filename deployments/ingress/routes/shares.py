"""Share links: who else may use a dataset."""

import re
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from starlette.responses import Response

from auth.errors import Forbidden
from auth.names import email_key, normal
from deployments.ingress.callers.call import Call
from deployments.ingress.callers.dataset_access import permitted
from deployments.ingress.errors import InvalidRequest, NotFound
from deployments.ingress.fields import MOST_INVITES, Email, Prose, Word
from deployments.ingress.json_answers import JsonAnswer
from deployments.ingress.routes.shapes.datasets import Shared
from deployments.ingress.routing.declarations import json_answer, json_body
from deployments.ingress.routing.routes import Routes
from runtime.datasets.records import Access, Action, Mode, NoOrganization, RecordGone, Share
from runtime.errors import StorageFull

routes = Routes()

SHARE_BODY_BYTES: Final = 512 * 1024
"""The limit of the body of a share link: it may invite 1,000 people."""

ACTION: Final = "dataset.share"

_EMAIL: Final = re.compile(r"[^\s@]+@[^\s@]+")
_USERNAME: Final = re.compile(r"[\w.+-]{1,150}")

ActionField = Annotated[Action, BeforeValidator(lambda value: str(value) if type(value) is int else value)]


class Invitation(BaseModel):
    """An invitation. ``email`` may also be a username."""

    model_config = ConfigDict(extra="ignore")

    email: Email
    action: ActionField | None = None


class ShareLink(BaseModel):
    """How a dataset is shared. Unknown keys are ignored. ``notify`` has no effect: this server sends no mail."""

    model_config = ConfigDict(extra="ignore")

    obj_pk: Word
    obj_type: Literal["dataset"] = "dataset"
    mode: Mode = "private"
    notify: bool | None = None
    invited_users: Annotated[list[Invitation | Email], Field(max_length=MOST_INVITES)] | None = None
    mode_action: ActionField | None = None
    message: Prose | None = None


@routes.on(
    "POST",
    "/api/v2/share/link",
    body=json_body(ShareLink, most_bytes=SHARE_BODY_BYTES),
    answers={200: Shared},
    errors=(Forbidden, NotFound, StorageFull),
    audit=("dataset.share",),
)
async def share(call: Call[ShareLink]) -> Response:
    """Set who else may use a dataset. Replaces the earlier sharing."""
    body = call.body
    record = await permitted(call, body.obj_pk, Access.SHARE, ACTION)
    # A public dataset can be read by all and changed by none, whatever the action says.
    action: Action = "10" if body.mode == "public" else body.mode_action or "10"
    asked = Share(body.mode, action, invites=_invites(body, action), message=body.message or "")
    try:
        held = await call.services.change(call.services.shares.set, record.id, asked)
    except RecordGone:
        raise NotFound(f"dataset {record.id} not found") from None
    except NoOrganization:
        raise InvalidRequest(
            f"dataset {record.id} belongs to no organization, and its owner is not in exactly one; "
            "name the organization as org_name when creating the dataset"
        ) from None
    shown = _shown(record.id, held)
    call.note(ACTION, f"dataset:{record.id}", **{k: v for k, v in shown.items() if k != "obj_pk"})
    return JsonAnswer({"status": "OK", "message": "", "data": shown})


@routes.on(
    "GET",
    "/api/v2/share/link/{dataset_id}",
    answers={200: json_answer(Shared, "How the dataset is shared.")},
    errors=(Forbidden, NotFound),
    audit=("dataset.share",),
)
async def get(call: Call[None]) -> Response:
    """Get who else may use a dataset; for its owner and for users with share access."""
    dataset_id = call.path["dataset_id"]
    record = await permitted(call, dataset_id, Access.SHARE, ACTION)
    try:
        held = await call.services.ask(call.services.shares.get, record.id)
    except RecordGone:
        raise NotFound(f"dataset {record.id} not found") from None
    return JsonAnswer({"status": "OK", "message": "", "data": _shown(record.id, held)})


def _invites(body: ShareLink, action: Action) -> dict[str, Action]:
    """Return the action for each e-mail address or username; the last one counts. Raises ``InvalidRequest``."""
    invites: dict[str, Action] = {}
    for item in body.invited_users or ():
        invited = Invitation(email=item) if isinstance(item, str) else item
        invites[_name(invited.email)] = invited.action or action
    return invites


def _name(text: str) -> str:
    """Return an e-mail address in lower case, or a username in the form that accounts have."""
    text = text.strip()
    if "@" in text:
        name = email_key(text)
        valid = name.isprintable() and _EMAIL.fullmatch(name) is not None
    else:
        name = normal(text)
        valid = _USERNAME.fullmatch(name) is not None
    if not valid:
        raise InvalidRequest(f"invited_users: {text[:80]!r} is neither an e-mail address nor a username")
    return name


def _shown(dataset_id: str, share: Share) -> dict[str, Any]:
    return {
        "obj_pk": dataset_id,
        "mode": share.mode,
        "mode_action": share.action,
        "organization": share.organization,
        "invited_users": [{"email": name, "action": action} for name, action in share.invites.items()],
    }
