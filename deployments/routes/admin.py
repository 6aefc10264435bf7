"""Users and feature flags, for administrators; what the command line talks to."""

import asyncio
from dataclasses import asdict
from typing import Any

from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from auth.errors import Forbidden
from auth.principal import Principal
from deployments.body import checked, read_json
from deployments.errors import InvalidRequest
from deployments.routing import Routes
from deployments.services import Services, services_of

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


class FlagChange(BaseModel):
    """Body of ``PUT /api/v2/admin/flags/<flag>/``: for ``user``, else for everyone; ``value`` null unsets."""

    value: bool | None
    user: str | None = None


@routes.on("POST", "/api/v2/admin/users")
async def add_user(request: Request) -> Response:
    """Add a user. The Python endpoint stays closed to him until a flag opens it."""
    services = await _admin(request)
    body = checked(NewUser, await read_json(request))
    principal = await asyncio.to_thread(
        services.users.add, body.username, body.password, body.email, body.name, body.admin
    )
    services.snapshot.forget()
    return JSONResponse({"success": True, "user": _shown(principal)}, 201)


@routes.on("GET", "/api/v2/admin/users")
async def list_users(request: Request) -> Response:
    """All users."""
    services = await _admin(request)
    accounts = await asyncio.to_thread(services.users.list)
    shown = [{**_shown(account.principal), "is_active": account.is_active} for account in accounts]
    return JSONResponse({"success": True, "users": shown})


@routes.on("POST", "/api/v2/admin/users/{username}/password")
async def set_password(request: Request) -> Response:
    """Set a password: one's own, or as an administrator anybody's. Earlier tokens of that user end."""
    services = services_of(request)
    principal = await services.principal(request)
    username = request.path_params["username"]
    if not principal.is_admin and principal.username != username:
        raise Forbidden
    body = checked(NewPassword, await read_json(request))
    await asyncio.to_thread(services.users.set_password, username, body.password)
    services.snapshot.forget()
    return JSONResponse({"success": True})


@routes.on("GET", "/api/v2/admin/flags")
async def list_flags(request: Request) -> Response:
    """Every setting of a flag: ``name``, ``scope`` (everyone or user), ``username``, ``value``."""
    services = await _admin(request)
    settings = await asyncio.to_thread(services.flags.listing)
    return JSONResponse({"success": True, "flags": [asdict(setting) for setting in settings]})


@routes.on("PUT", "/api/v2/admin/flags/{flag}")
async def set_flag(request: Request) -> Response:
    """Set a flag; it holds on every replica within seconds."""
    services = await _admin(request)
    raw = await read_json(request)
    if "value" not in raw:
        raise InvalidRequest("value: must be true, false or null")
    body = checked(FlagChange, raw)
    flag = request.path_params["flag"]
    if body.user is None:
        await asyncio.to_thread(services.flags.set_for_everyone, flag, body.value)
    else:
        await asyncio.to_thread(services.flags.set_for_user, flag, body.user, body.value)
    services.snapshot.forget()
    return JSONResponse({"success": True})


async def _admin(request: Request) -> Services:
    services = services_of(request)
    principal = await services.principal(request)
    if not principal.is_admin:
        raise Forbidden("Only an administrator may do this.")
    return services


def _shown(principal: Principal) -> dict[str, Any]:
    return {
        "id": principal.user_id,
        "username": principal.username,
        "email": principal.email,
        "name": principal.name,
        "is_admin": principal.is_admin,
    }
