"""Feature flags, and groups of users for whom flags can be set; for administrators."""

from dataclasses import asdict
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from auth.errors import GroupExists, InvalidName, UnknownFlag, UnknownGroup, UnknownUser
from auth.names import normal
from deployments.ingress.callers.call import Call
from deployments.ingress.errors import InvalidRequest
from deployments.ingress.fields import Name
from deployments.ingress.json_answers import JsonAnswer, json_answer_of
from deployments.ingress.routes.shapes.administration import FlagList, GroupList, GroupMade
from deployments.ingress.routes.shapes.base import Done
from deployments.ingress.routing.declarations import json_answer, link
from deployments.ingress.routing.parameters import NAME
from deployments.ingress.routing.routes import Routes

routes = Routes()


class NewGroup(BaseModel):
    """A new group of users."""

    name: Annotated[Name, Field(examples=["analysts"], json_schema_extra=NAME)]


class FlagChange(BaseModel):
    """A setting of a feature flag; a null ``value`` removes the setting.

    The setting is for one ``user``, one ``group``, ``staff`` (if true) or a ``percent`` of all users. If none of these
    is given, it is for everyone.
    """

    model_config = ConfigDict(strict=True)

    value: bool | None = Field(examples=[True])
    user: Name | None = Field(None, examples=["ann"])
    group: Name | None = None
    staff: bool = False
    percent: int | None = Field(None, ge=0, le=100)


@routes.on("GET", "/api/v2/admin/flags", access="admin", answers={200: FlagList})
async def list_flags(call: Call[None]) -> Response:
    """List all settings of all flags."""
    settings = await call.services.ask(call.services.flags.list)
    return await json_answer_of(
        call.services, lambda: {"success": True, "flags": [asdict(setting) for setting in settings]}
    )


@routes.on(
    "PUT",
    "/api/v2/admin/flags/{flag}",
    access="admin",
    body=FlagChange,
    answers={200: Done},
    errors=(UnknownFlag, UnknownGroup, UnknownUser),
    audit=("flag.set",),
)
async def set_flag(call: Call[FlagChange]) -> Response:
    """Set a flag. The setting holds on every replica within seconds."""
    body, flags, flag = call.body, call.services.flags, call.path["flag"]
    scopes = [body.user is not None, body.group is not None, body.staff, body.percent is not None]
    if sum(scopes) > 1:
        raise InvalidRequest("give only one of user, group, staff and percent")
    told = body.model_dump(exclude_defaults=True)
    if body.user is not None:
        told["user"] = normal(body.user)
        await call.services.change(flags.set_for_user, flag, body.user, body.value)
    elif body.group is not None:
        await call.services.change(flags.set_for_group, flag, body.group, body.value)
    elif body.staff:
        await call.services.change(flags.set_for_staff, flag, body.value)
    elif body.percent is not None:
        await call.services.change(flags.set_for_percent, flag, body.percent, body.value)
    else:
        await call.services.change(flags.set_for_everyone, flag, body.value)
    call.note("flag.set", f"flag:{flag}", **told)
    return JsonAnswer({"success": True})


@routes.on("GET", "/api/v2/admin/groups", access="admin", answers={200: GroupList})
async def list_groups(call: Call[None]) -> Response:
    """List all groups with the names of their members."""
    groups = await call.services.ask(call.services.groups.list)
    return await json_answer_of(call.services, lambda: {"success": True, "groups": [asdict(group) for group in groups]})


@routes.on(
    "POST",
    "/api/v2/admin/groups",
    access="admin",
    body=NewGroup,
    answers={
        201: json_answer(GroupMade, links={"remove": link("flags_remove_group", group="$response.body#/group/name")})
    },
    errors=(InvalidName, GroupExists),
    audit=("group.add",),
)
async def add_group(call: Call[NewGroup]) -> Response:
    """Add a group."""
    await call.services.change(call.services.groups.add, call.body.name)
    call.note("group.add", f"group:{call.body.name}")
    return JsonAnswer({"success": True, "group": {"name": call.body.name, "members": []}}, 201)


@routes.on(
    "DELETE",
    "/api/v2/admin/groups/{group}",
    access="admin",
    answers={204: None},
    errors=(UnknownGroup,),
    audit=("group.remove",),
)
async def remove_group(call: Call[None]) -> Response:
    """Remove a group, and all flag settings for it."""
    group = call.path["group"]
    await call.services.change(call.services.groups.remove, group)
    call.note("group.remove", f"group:{group}")
    return Response(status_code=204)


@routes.on(
    "PUT",
    "/api/v2/admin/groups/{group}/members/{username}",
    access="admin",
    answers={200: Done},
    errors=(UnknownGroup, UnknownUser),
    audit=("group.add_member",),
)
async def add_member(call: Call[None]) -> Response:
    """Add a user to a group. Idempotent."""
    group, username = call.path["group"], call.username
    await call.services.change(call.services.groups.add_member, group, username)
    call.note("group.add_member", f"group:{group}", username=username)
    return JsonAnswer({"success": True})


@routes.on(
    "DELETE",
    "/api/v2/admin/groups/{group}/members/{username}",
    access="admin",
    answers={204: None},
    errors=(UnknownGroup, UnknownUser),
    audit=("group.remove_member",),
)
async def remove_member(call: Call[None]) -> Response:
    """Remove a user from a group. Idempotent."""
    group, username = call.path["group"], call.username
    await call.services.change(call.services.groups.remove_member, group, username)
    call.note("group.remove_member", f"group:{group}", username=username)
    return Response(status_code=204)
