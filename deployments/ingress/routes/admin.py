"""Users and the audit log, for administrators."""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import Response

from auth.audit import AuditLine
from auth.errors import (
    Forbidden,
    InvalidCredentials,
    InvalidUsername,
    TooManyAttempts,
    UnknownUser,
    UserExists,
    WeakSecret,
)
from auth.names import MOST_CHARACTERS
from auth.principal import Principal
from deployments.ingress.callers.call import Call
from deployments.ingress.callers.session import has_key_token
from deployments.ingress.errors import InvalidRequest
from deployments.ingress.fields import Email, Name, Password, Title
from deployments.ingress.json_answers import JsonAnswer, json_answer_of
from deployments.ingress.paging import list_page, page_of
from deployments.ingress.routes.shapes.administration import AuditPage
from deployments.ingress.routes.shapes.base import Done
from deployments.ingress.routes.shapes.users import AccountList, UserAdded
from deployments.ingress.routing.declarations import JSON, Parameter, json_answer, link, text_of, unread_body
from deployments.ingress.routing.parameters import NAME, PAGE
from deployments.ingress.routing.routes import Routes
from deployments.ingress.services import address_of

routes = Routes()

Username = Annotated[Name, Field(examples=["ann"], json_schema_extra=NAME)]
NewSecret = Annotated[Password, Field(examples=["correct horse battery"], json_schema_extra={"minLength": 8})]
"""``auth`` checks more of these two."""

_TIME: Final = {
    "type": "string",
    "maxLength": 64,
    "anyOf": [{"format": "date-time"}, {"format": "date"}, {"maxLength": 0}],
}


class NewUser(BaseModel):
    """A new user."""

    model_config = ConfigDict(strict=True)

    username: Username
    password: NewSecret
    email: Email = Field("", examples=["ann@example.org"])
    name: Title = Field("", examples=["Ann Example"])
    admin: bool = False


class NewPassword(BaseModel):
    """A new password."""

    password: NewSecret
    current_password: Password | None = Field(None, description="If it is sent, it must be the current password.")


@routes.on(
    "POST",
    "/api/v2/admin/users",
    access="admin",
    body=NewUser,
    answers={
        201: json_answer(
            UserAdded,
            links={
                "disable": link("admin_disable_user", username="$response.body#/user/username"),
                "enable": link("admin_enable_user", username="$response.body#/user/username"),
            },
        )
    },
    errors=(InvalidUsername, WeakSecret, UserExists),
    audit=("user.add",),
)
async def add_user(call: Call[NewUser]) -> Response:
    """Add a user. The Python endpoint stays closed to them until a feature flag opens it."""
    body = call.body
    password = await call.services.credentials.hashed(body.password)
    added = await call.services.change(
        call.services.users.add, body.username, password, body.email, body.name, body.admin
    )
    call.note("user.add", f"user:{added.username}", is_admin=body.admin)
    return JsonAnswer({"success": True, "user": shown_account(added)}, 201)


@routes.on("GET", "/api/v2/admin/users", access="admin", answers={200: AccountList})
async def list_users(call: Call[None]) -> Response:
    """List all users."""
    accounts = await call.services.ask(call.services.users.list)

    def content() -> dict[str, Any]:
        shown = [{**shown_account(account.principal), "is_active": account.is_active} for account in accounts]
        return {"success": True, "users": shown}

    return await json_answer_of(call.services, content)


@routes.on(
    "POST",
    "/api/v2/admin/users/{username}/password",
    body=unread_body({JSON: NewPassword}),
    answers={200: Done},
    errors=(InvalidCredentials, WeakSecret, Forbidden, UnknownUser, TooManyAttempts),
    audit=("user.password",),
)
async def set_password(call: Call[None]) -> Response:
    """Set your own password, or as an administrator the password of any user.

    All earlier tokens of that user end. If ``current_password`` is sent, it must be right. A token that was given for a
    personal key needs it for one's own password, because a stolen key must not be able to take over the account.
    """
    username = call.username
    if not call.principal.is_admin and call.principal.username != username:
        call.note("user.password", f"user:{username}", "refused")
        raise Forbidden
    body = await call.read(NewPassword)
    if body.current_password is not None:
        await _check_password(call, username, body.current_password)
    elif call.principal.username == username and await has_key_token(call.request, call.services):
        call.note("user.password", f"user:{username}", "refused")
        raise Forbidden("send current_password, or sign in with your password, to set your own password")
    password = await call.services.credentials.hashed(body.password)
    await call.services.change(call.services.users.set_password, username, password)
    call.note("user.password", f"user:{username}")
    return JsonAnswer({"success": True})


@routes.on(
    "POST",
    "/api/v2/admin/users/{username}/disable",
    access="admin",
    answers={200: Done},
    errors=(UnknownUser,),
    audit=("user.disable",),
)
async def disable_user(call: Call[None]) -> Response:
    """Lock a user out and end all their tokens, on every replica within seconds.

    The last active administrator cannot be locked out.
    """
    user = await call.services.change(call.services.users.disable, call.username)
    call.note("user.disable", f"user:{user.username}")
    return JsonAnswer({"success": True})


@routes.on(
    "POST",
    "/api/v2/admin/users/{username}/enable",
    access="admin",
    answers={200: Done},
    errors=(UnknownUser,),
    audit=("user.enable",),
)
async def enable_user(call: Call[None]) -> Response:
    """Let a user sign in again."""
    user = await call.services.change(call.services.users.enable, call.username)
    call.note("user.enable", f"user:{user.username}")
    return JsonAnswer({"success": True})


@routes.on(
    "GET",
    "/api/v2/admin/audit",
    access="admin",
    parameters=(
        *PAGE,
        Parameter("actor", "Only actions of this user.", text_of(MOST_CHARACTERS), "ann"),
        Parameter("action", "Only this action.", text_of(64), "user.add"),
        Parameter(
            "since",
            "Only lines from this ISO time on, in UTC by default.",
            _TIME,
            "2026-03-01T00:00:00Z",
        ),
        Parameter("until", "Only lines before this time.", _TIME, "2026-04-01T00:00:00Z"),
    ),
    answers={200: AuditPage},
    errors=(InvalidRequest,),
)
async def list_audit(call: Call[None]) -> Response:
    """List the audit log, newest first."""
    limit, offset = page_of(call.request)
    query = call.request.query_params
    actor, action = query.get("actor") or None, query.get("action") or None
    since, until = _time_of(call.request, "since"), _time_of(call.request, "until")

    def ask() -> tuple[int, tuple[AuditLine, ...]]:
        return call.services.audit.list(limit, offset, actor=actor, action=action, since=since, until=until)

    count, lines = await call.services.ask(ask)
    results = ({**asdict(line), "at": line.at.isoformat()} for line in lines)
    return await list_page(call, count, limit, offset, results)


async def _check_password(call: Call[None], username: str, password: str) -> None:
    try:
        await call.services.credentials.check_password(username, password, address_of(call.request))
    except InvalidCredentials:
        call.note("user.password", f"user:{username}", "refused")
        raise


def _time_of(request: Request, name: str) -> datetime | None:
    text = request.query_params.get(name)
    if not text:
        return None
    try:
        time = datetime.fromisoformat(text.upper())  # fromisoformat does not accept t and z, which the standard does
        return time.astimezone(UTC) if time.tzinfo is not None else time.replace(tzinfo=UTC)
    except (ValueError, OverflowError):  # OverflowError: the zone leads out of the calendar
        raise InvalidRequest(f"{name} must be an ISO time, not {text[:40]!r}") from None


def shown_user(principal: Principal) -> dict[str, Any]:
    """Return a user as log-ins show them (protocol 1.2)."""
    return {
        "id": principal.user_id,
        "username": principal.username,
        "name": principal.name,
        "email": principal.email,
    }


def shown_account(principal: Principal) -> dict[str, Any]:
    """Return a user as they themselves and administrators see them."""
    return {**shown_user(principal), "is_admin": principal.is_admin}
