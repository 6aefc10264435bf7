"""Users, groups, feature flags and the audit, for administrators; what the command line talks to."""

import asyncio
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from pydantic import BaseModel, Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from auth.audit import AuditLine
from auth.errors import Forbidden, InvalidCredentials
from auth.principal import Principal
from deployments.body import checked, page_body, page_of, read_json
from deployments.errors import InvalidRequest
from deployments.routing import Routes
from deployments.services import Services, address_of, services_of

routes = Routes()


class NewUser(BaseModel):
    """Body of ``POST /api/v2/admin/users/``."""

    username: str
    password: str
    email: str = ""
    name: str = ""
    admin: bool = False


class NewPassword(BaseModel):
    """Body of ``POST /api/v2/admin/users/<name>/password/``."""

    password: str
    current_password: str | None = None


class NewGroup(BaseModel):
    """Body of ``POST /api/v2/admin/groups/``."""

    name: str


class FlagChange(BaseModel):
    """Body of ``PUT /api/v2/admin/flags/<flag>/``: ``value`` null unsets.

    For ``user``, for ``group``, for ``staff`` (true), or for ``percent`` of all users; for everyone where none of them
    is given.
    """

    value: bool | None
    user: str | None = None
    group: str | None = None
    staff: bool = False
    percent: int | None = Field(None, ge=0, le=100)


@routes.on("POST", "/api/v2/admin/users")
async def add_user(request: Request) -> Response:
    """Add a user. The Python endpoint stays closed to him until a flag opens it."""
    services, admin = await admin_of(request)
    body = checked(NewUser, await read_json(request))
    principal = await services.change(
        services.users.add, body.username, body.password, body.email, body.name, body.admin
    )
    services.note(request, admin, "user.add", f"user:{principal.username}", is_admin=body.admin)
    return JSONResponse({"success": True, "user": _shown(principal)}, 201)


@routes.on("GET", "/api/v2/admin/users")
async def list_users(request: Request) -> Response:
    """All users."""
    services, _ = await admin_of(request)
    accounts = await asyncio.to_thread(services.users.list)
    shown = [{**_shown(account.principal), "is_active": account.is_active} for account in accounts]
    return JSONResponse({"success": True, "users": shown})


@routes.on("POST", "/api/v2/admin/users/{username}/password")
async def set_password(request: Request) -> Response:
    """Set a password: one's own, or as an administrator anybody's. Earlier tokens of that user end.

    ``current_password``, where it is sent, must be right.
    """
    services = services_of(request)
    principal = await services.principal(request)
    username = request.path_params["username"]
    if not principal.is_admin and principal.username != username:
        services.note(request, principal, "user.password", f"user:{username}", "refused")
        raise Forbidden
    body = checked(NewPassword, await read_json(request))
    if body.current_password is not None:
        await _check_password(request, services, principal, username, body.current_password)
    await services.change(services.users.set_password, username, body.password)
    services.note(request, principal, "user.password", f"user:{username}")
    return JSONResponse({"success": True})


@routes.on("POST", "/api/v2/admin/users/{username}/disable")
async def disable_user(request: Request) -> Response:
    """Lock a user out, and end every token of his within seconds."""
    services, admin = await admin_of(request)
    principal = await services.change(services.users.disable, request.path_params["username"])
    services.note(request, admin, "user.disable", f"user:{principal.username}")
    return JSONResponse({"success": True})


@routes.on("POST", "/api/v2/admin/users/{username}/enable")
async def enable_user(request: Request) -> Response:
    """Let a user in again."""
    services, admin = await admin_of(request)
    principal = await services.change(services.users.enable, request.path_params["username"])
    services.note(request, admin, "user.enable", f"user:{principal.username}")
    return JSONResponse({"success": True})


@routes.on("GET", "/api/v2/admin/flags")
async def list_flags(request: Request) -> Response:
    """Every setting of a flag: ``name``, ``scope``, ``value``, and ``username``, ``group`` or ``percent``."""
    services, _ = await admin_of(request)
    settings = await asyncio.to_thread(services.flags.listing)
    return JSONResponse({"success": True, "flags": [asdict(setting) for setting in settings]})


@routes.on("PUT", "/api/v2/admin/flags/{flag}")
async def set_flag(request: Request) -> Response:
    """Set a flag; it holds on every replica within seconds."""
    services, admin = await admin_of(request)
    raw = await read_json(request)
    if "value" not in raw:
        raise InvalidRequest("value: must be true, false or null")
    body = checked(FlagChange, raw)
    flag = request.path_params["flag"]
    scopes = [body.user is not None, body.group is not None, body.staff, body.percent is not None]
    if sum(scopes) > 1:
        raise InvalidRequest("give one of user, group, staff and percent")
    if body.user is not None:
        await services.change(services.flags.set_for_user, flag, body.user, body.value)
    elif body.group is not None:
        await services.change(services.flags.set_for_group, flag, body.group, body.value)
    elif body.staff:
        await services.change(services.flags.set_for_staff, flag, body.value)
    elif body.percent is not None:
        await services.change(services.flags.set_for_percent, flag, body.percent, body.value)
    else:
        await services.change(services.flags.set_for_everyone, flag, body.value)
    services.note(request, admin, "flag.set", f"flag:{flag}", **body.model_dump(exclude_defaults=True))
    return JSONResponse({"success": True})


@routes.on("GET", "/api/v2/admin/groups")
async def list_groups(request: Request) -> Response:
    """Every group of users for whom a flag can be set, with its members' names."""
    services, _ = await admin_of(request)
    groups = await asyncio.to_thread(services.groups.list)
    return JSONResponse({"success": True, "groups": [asdict(group) for group in groups]})


@routes.on("POST", "/api/v2/admin/groups")
async def add_group(request: Request) -> Response:
    """Make a group."""
    services, admin = await admin_of(request)
    body = checked(NewGroup, await read_json(request))
    await services.change(services.groups.add, body.name)
    services.note(request, admin, "group.add", f"group:{body.name}")
    return JSONResponse({"success": True, "group": {"name": body.name, "members": []}}, 201)


@routes.on("DELETE", "/api/v2/admin/groups/{group}")
async def remove_group(request: Request) -> Response:
    """Take a group away, and what flags were set for it."""
    services, admin = await admin_of(request)
    group = request.path_params["group"]
    await services.change(services.groups.remove, group)
    services.note(request, admin, "group.remove", f"group:{group}")
    return Response(status_code=204)


@routes.on("PUT", "/api/v2/admin/groups/{group}/members/{username}")
@routes.on("DELETE", "/api/v2/admin/groups/{group}/members/{username}")
async def change_member(request: Request) -> Response:
    """Put a user into a group (PUT) or take him out (DELETE)."""
    services, admin = await admin_of(request)
    group, username = request.path_params["group"], request.path_params["username"]
    joins = request.method == "PUT"
    await services.change(services.groups.add_member if joins else services.groups.remove_member, group, username)
    services.note(
        request, admin, "group.add_member" if joins else "group.remove_member", f"group:{group}", username=username
    )
    return JSONResponse({"success": True}) if joins else Response(status_code=204)


@routes.on("GET", "/api/v2/admin/audit")
async def list_audit(request: Request) -> Response:
    """The audit, newest first: ``limit``, ``offset``, and ``actor``, ``action``, ``since``, ``until`` (ISO times)."""
    services, _ = await admin_of(request)
    limit, offset = page_of(request)
    query = request.query_params
    actor, action = query.get("actor") or None, query.get("action") or None
    since, until = _time_of(request, "since"), _time_of(request, "until")

    def ask() -> tuple[int, tuple[AuditLine, ...]]:
        return services.audit.listing(limit, offset, actor=actor, action=action, since=since, until=until)

    count, lines = await asyncio.to_thread(ask)
    results = [{**asdict(line), "at": line.at.isoformat()} for line in lines]
    return JSONResponse(page_body(request, count, limit, offset, results))


async def admin_of(request: Request) -> tuple[Services, Principal]:
    """The services and the administrator who asks for them. Raises ``Unauthenticated``, ``Forbidden``."""
    services = services_of(request)
    principal = await services.principal(request)
    if not principal.is_admin:
        services.note(request, principal, "admin", request.url.path, "refused", method=request.method)
        raise Forbidden("Only an administrator may do this.")
    return services, principal


async def _check_password(
    request: Request, services: Services, principal: Principal, username: str, password: str
) -> None:
    try:
        async with services.credentials.throttle.attempt(username, address_of(request)):
            await asyncio.to_thread(services.users.authenticate, username, password)
    except InvalidCredentials:
        services.note(request, principal, "user.password", f"user:{username}", "refused")
        raise


def _time_of(request: Request, name: str) -> datetime | None:
    text = request.query_params.get(name)
    if not text:
        return None
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidRequest(f"{name} must be an ISO time, not {text[:40]!r}") from None
    return time if time.tzinfo is not None else time.replace(tzinfo=UTC)


def shown_user(principal: Principal) -> dict[str, Any]:
    """A user as log-ins show him (contract 1.2)."""
    return {
        "id": principal.user_id,
        "username": principal.username,
        "name": principal.name,
        "email": principal.email,
    }


def _shown(principal: Principal) -> dict[str, Any]:
    return {**shown_user(principal), "is_admin": principal.is_admin}
