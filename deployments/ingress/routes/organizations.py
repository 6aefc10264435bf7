"""Organizations and their members."""

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from auth.errors import Forbidden, InvalidName, OrganizationExists, UnknownOrganization, UnknownUser
from auth.organizations import Organization, Role, not_authorized
from auth.principal import Principal
from deployments.ingress.callers.call import Call
from deployments.ingress.fields import Name, Title
from deployments.ingress.json_answers import JsonAnswer, json_answer_of
from deployments.ingress.routes.shapes.organizations import (
    MemberList,
    MemberSet,
    OrganizationList,
    OrganizationMade,
    Switched,
)
from deployments.ingress.routing.declarations import JSON, json_answer, link, unread_body
from deployments.ingress.routing.routes import Routes
from deployments.ingress.services import Services

routes = Routes()


class NewOrganization(BaseModel):
    """A new organization."""

    model_config = ConfigDict(strict=True)

    slug: Name = Field(examples=["acme"], json_schema_extra={"pattern": "^[a-z0-9][a-z0-9._-]{0,149}$"})
    name: Title = Field("", description="The name that people see; by default the slug.", examples=["Acme Ltd"])


class NewRole(BaseModel):
    """The role of a member."""

    role: Role = Field("member", examples=["member"])


async def active_organization(
    services: Services, principal: Principal, asked: str | None
) -> dict[str, str | bool] | None:
    """Return the active organization for a log-in (protocol 1.2): what the client asks for, else the user's own.

    Return None if the client asks for none and there is no choice, because at most one organization was ever made.
    Clients then switch nothing, which saves them a request with every token (protocol 9.3).
    """
    if asked is None:
        count = await services.snapshot.get(("organizations",), services.organizations.count)
        if count <= 1:
            return None
        return {"slug": principal.username, "is_found": True, "is_member": True}
    try:
        found = await services.ask(services.organizations.find, principal, asked)
    except UnknownOrganization:
        return {"slug": asked, "is_found": False, "is_member": False}
    return {"slug": asked, "is_found": True, "is_member": found.role is not None}


@routes.on(
    "POST",
    "/api/v2/o/{slug}/switch",
    answers={200: Switched},
    errors=(Forbidden, UnknownOrganization),
    audit=("organization.switch",),
)
async def switch(call: Call[None]) -> Response:
    """Check if the caller can make an organization active.

    Nothing is stored, because each request names its organization. A body is ignored.
    """
    slug = call.path["slug"]
    try:
        await call.services.ask(call.services.organizations.enter, call.principal, slug)
    except Forbidden:
        call.note("organization.switch", f"organization:{slug}", "refused")
        raise
    return JsonAnswer({"status": "OK", "message": f"Switched to organization: {slug}", "data": []})


@routes.on("GET", "/api/v2/organizations", answers={200: OrganizationList})
async def list_own(call: Call[None]) -> Response:
    """List the organizations that you are in, your personal one first."""
    found = await call.services.ask(call.services.organizations.of, call.principal)
    return await json_answer_of(call.services, lambda: _list_of(map(shown_organization, found)))


@routes.on("GET", "/api/v2/admin/organizations", access="admin", answers={200: OrganizationList})
async def list_all(call: Call[None]) -> Response:
    """List all organizations but the personal ones; for administrators."""
    found = await call.services.ask(call.services.organizations.list)
    return await json_answer_of(call.services, lambda: _list_of(map(shown_organization, found)))


@routes.on(
    "POST",
    "/api/v2/admin/organizations",
    access="admin",
    body=NewOrganization,
    answers={
        201: json_answer(
            OrganizationMade,
            links={"members": link("organizations_list_members", slug="$response.body#/organization/slug")},
        )
    },
    errors=(InvalidName, OrganizationExists),
    audit=("organization.add",),
)
async def add(call: Call[NewOrganization]) -> Response:
    """Add an organization without members; for administrators."""
    made = await call.services.change(call.services.organizations.add, call.body.slug, call.body.name)
    call.note("organization.add", f"organization:{made.slug}")
    return JsonAnswer({"success": True, "organization": shown_organization(made)}, 201)


@routes.on(
    "GET",
    "/api/v2/o/{slug}/members",
    answers={200: MemberList},
    errors=(Forbidden, UnknownOrganization),
    audit=("organization.members",),
)
async def list_members(call: Call[None]) -> Response:
    """List the members of an organization; for its members and for administrators."""
    await _check_role(call, ("member", "admin"))
    members = await call.services.ask(call.services.organizations.members, call.path["slug"])
    return await json_answer_of(call.services, lambda: _list_of(map(asdict, members)))


@routes.on(
    "PUT",
    "/api/v2/o/{slug}/members/{username}",
    body=unread_body({JSON: NewRole}, is_required=False),
    answers={200: MemberSet},
    errors=(Forbidden, UnknownOrganization, UnknownUser),
    audit=("organization.set_member", "organization.members"),
)
async def set_member(call: Call[None]) -> Response:
    """Add a member or change their role; for admins of the organization and for administrators."""
    await _check_role(call, ("admin",))
    body = await call.read(NewRole, is_required=False)
    slug, username = call.path["slug"], call.username
    await call.services.change(call.services.organizations.set_member, slug, username, body.role, call.principal)
    call.note("organization.set_member", f"organization:{slug}", username=username, role=body.role)
    return JsonAnswer({"success": True, "status": "OK"})


@routes.on(
    "DELETE",
    "/api/v2/o/{slug}/members/{username}",
    answers={204: None},
    errors=(Forbidden, UnknownOrganization, UnknownUser),
    audit=("organization.remove_member", "organization.members"),
)
async def remove_member(call: Call[None]) -> Response:
    """Remove a member; for admins of the organization and for administrators. Members can remove themselves."""
    leaves = call.username == call.principal.username
    await _check_role(call, ("admin", "member") if leaves else ("admin",))
    slug, username = call.path["slug"], call.username
    await call.services.change(call.services.organizations.remove_member, slug, username, call.principal)
    call.note("organization.remove_member", f"organization:{slug}", username=username)
    return Response(status_code=204)


async def _check_role(call: Call[None], roles: tuple[Role, ...]) -> None:
    """Raise ``UnknownOrganization``; ``Forbidden`` if the caller has none of the roles and is not an administrator."""
    slug = call.path["slug"]
    found = await call.services.ask(call.services.organizations.find, call.principal, slug)
    if found.id is None:
        raise Forbidden("your personal organization has one member: you")
    if found.role not in roles and not call.principal.is_admin:
        call.note("organization.members", f"organization:{slug}", "refused")
        raise not_authorized(slug)


def _list_of(results: Iterable[dict[str, Any]]) -> dict[str, Any]:
    return {"success": True, "results": list(results)}


def shown_organization(organization: Organization) -> dict[str, Any]:
    """Return an organization as its members see it."""
    return {"slug": organization.slug, "name": organization.name, "role": organization.role}
