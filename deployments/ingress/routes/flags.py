"""Feature flags, and the groups of users for whom they can be set; for administrators."""

import asyncio
from dataclasses import asdict
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from auth.errors import GroupExists, InvalidName, UnknownFlag, UnknownGroup, UnknownUser
from deployments.ingress.body import checked, read_json
from deployments.ingress.errors import InvalidRequest
from deployments.ingress.routes.admin import admin_of
from deployments.ingress.routes.shapes.administration import FlagList, GroupList, GroupMade
from deployments.ingress.routes.shapes.base import Done
from deployments.ingress.routing.declarations import json_answer, link
from deployments.ingress.routing.parameters import NAME
from deployments.ingress.routing.routes import Routes

routes = Routes()


class NewGroup(BaseModel):
    """Body of ``POST /api/v2/admin/groups/``."""

    name: Annotated[str, Field(examples=["analysts"], json_schema_extra=NAME)]


class FlagChange(BaseModel):
    """Body of ``PUT /api/v2/admin/flags/<flag>/``: ``value`` null unsets.

    For ``user``, for ``group``, for ``staff`` (true), or for ``percent`` of all users; for everyone where none of them
    is given.
    """

    model_config = ConfigDict(strict=True)

    value: bool | None = Field(examples=[True])
    user: str | None = Field(None, examples=["ann"])
    group: str | None = None
    staff: bool = False
    percent: int | None = Field(None, ge=0, le=100)


@routes.on("GET", "/api/v2/admin/flags", access="admin", answers={200: FlagList})
async def list_flags(request: Request) -> Response:
    """Every setting of a flag: ``name``, ``scope``, ``value``, and ``username``, ``group`` or ``percent``."""
    services, _ = await admin_of(request)
    settings = await asyncio.to_thread(services.flags.listing)
    return JSONResponse({"success": True, "flags": [asdict(setting) for setting in settings]})


@routes.on(
    "PUT",
    "/api/v2/admin/flags/{flag}",
    access="admin",
    body=FlagChange,
    answers={200: Done},
    errors=(UnknownFlag, UnknownGroup, UnknownUser),
)
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


@routes.on("GET", "/api/v2/admin/groups", access="admin", answers={200: GroupList})
async def list_groups(request: Request) -> Response:
    """Every group of users for whom a flag can be set, with its members' names."""
    services, _ = await admin_of(request)
    groups = await asyncio.to_thread(services.groups.list)
    return JSONResponse({"success": True, "groups": [asdict(group) for group in groups]})


@routes.on(
    "POST",
    "/api/v2/admin/groups",
    access="admin",
    body=NewGroup,
    answers={
        201: json_answer(GroupMade, links={"remove": link("flags_remove_group", group="$response.body#/group/name")})
    },
    errors=(InvalidName, GroupExists),
)
async def add_group(request: Request) -> Response:
    """Make a group."""
    services, admin = await admin_of(request)
    body = checked(NewGroup, await read_json(request))
    await services.change(services.groups.add, body.name)
    services.note(request, admin, "group.add", f"group:{body.name}")
    return JSONResponse({"success": True, "group": {"name": body.name, "members": []}}, 201)


@routes.on("DELETE", "/api/v2/admin/groups/{group}", access="admin", answers={204: None}, errors=(UnknownGroup,))
async def remove_group(request: Request) -> Response:
    """Take a group away, and what flags were set for it."""
    services, admin = await admin_of(request)
    group = request.path_params["group"]
    await services.change(services.groups.remove, group)
    services.note(request, admin, "group.remove", f"group:{group}")
    return Response(status_code=204)


@routes.on(
    "PUT",
    "/api/v2/admin/groups/{group}/members/{username}",
    access="admin",
    answers={200: Done},
    errors=(UnknownGroup, UnknownUser),
)
async def add_member(request: Request) -> Response:
    """Put a user into a group. Twice is once."""
    services, admin = await admin_of(request)
    group, username = request.path_params["group"], request.path_params["username"]
    await services.change(services.groups.add_member, group, username)
    services.note(request, admin, "group.add_member", f"group:{group}", username=username)
    return JSONResponse({"success": True})


@routes.on(
    "DELETE",
    "/api/v2/admin/groups/{group}/members/{username}",
    access="admin",
    answers={204: None},
    errors=(UnknownGroup, UnknownUser),
)
async def remove_member(request: Request) -> Response:
    """Take a user out of a group, if he is in it."""
    services, admin = await admin_of(request)
    group, username = request.path_params["group"], request.path_params["username"]
    await services.change(services.groups.remove_member, group, username)
    services.note(request, admin, "group.remove_member", f"group:{group}", username=username)
    return Response(status_code=204)
