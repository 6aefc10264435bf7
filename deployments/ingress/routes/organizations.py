"""Organisations: which there are, who is in them, which one is active (protocol 1.2, 1.6)."""

import asyncio
from dataclasses import asdict
from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from auth.errors import Forbidden, InvalidName, OrganizationExists, UnknownOrganization, UnknownUser
from auth.organizations import Organization, Role
from auth.principal import Principal
from deployments.ingress.body import checked, read_json
from deployments.ingress.routes.admin import admin_of
from deployments.ingress.routes.shapes.organizations import (
    MemberList,
    MemberSet,
    OrganizationList,
    OrganizationMade,
    Switched,
)
from deployments.ingress.routing.declarations import json_answer, json_body, link
from deployments.ingress.routing.routes import Routes
from deployments.ingress.services import Services, services_of

routes = Routes()


class NewOrganization(BaseModel):
    """Body of ``POST /api/v2/admin/organizations/``."""

    model_config = ConfigDict(strict=True)

    slug: str = Field(examples=["acme"], json_schema_extra={"pattern": "^[a-z0-9][a-z0-9._-]{0,149}$"})
    name: str = Field("", description="For people; else the slug.", examples=["Acme Ltd"])


class NewRole(BaseModel):
    """Body of ``PUT /api/v2/o/<slug>/members/<username>/``."""

    role: Role = Field("member", examples=["member"])


async def active_organization(
    services: Services, principal: Principal, asked: str | None
) -> dict[str, str | bool] | None:
    """What a log-in answers (protocol 1.2): what the client asked for, else the user's own.

    None, which leaves the key out, where nobody asked and there is no choice (at most one was ever made): clients
    then switch nothing, which saves them a request with every token (protocol 9.3).
    """
    if asked is None:
        count = await services.snapshot.get(("organizations",), services.organizations.count)
        if count <= 1:
            return None
        return {"slug": principal.username, "is_found": True, "is_member": True}
    try:
        found = await asyncio.to_thread(services.organizations.find, principal, asked)
    except UnknownOrganization:
        return {"slug": asked, "is_found": False, "is_member": False}
    return {"slug": asked, "is_found": True, "is_member": found.role is not None}


@routes.on("POST", "/api/v2/o/{slug}/switch", answers={200: Switched}, errors=(Forbidden, UnknownOrganization))
async def switch(request: Request) -> Response:
    """Whether an organization can be made the active one (protocol 1.6).

    Requests name theirs, so nothing is kept. A body is not read.
    """
    services = services_of(request)
    principal = await services.principal(request)
    slug = request.path_params["slug"]
    try:
        await asyncio.to_thread(services.organizations.enter, principal, slug)
    except Forbidden:
        services.note(request, principal, "organization.switch", f"organization:{slug}", "refused")
        raise
    return JSONResponse({"status": "OK", "message": f"Switched to organization: {slug}", "data": []})


@routes.on("GET", "/api/v2/organizations", answers={200: OrganizationList})
async def list_own(request: Request) -> Response:
    """The organizations that one is in: one's own first."""
    services = services_of(request)
    principal = await services.principal(request)
    found = await asyncio.to_thread(services.organizations.of, principal)
    return JSONResponse({"success": True, "results": [shown_organization(organization) for organization in found]})


@routes.on("GET", "/api/v2/admin/organizations", access="admin", answers={200: OrganizationList})
async def list_all(request: Request) -> Response:
    """Every organization that was made; for administrators."""
    services, _ = await admin_of(request)
    found = await asyncio.to_thread(services.organizations.list)
    return JSONResponse({"success": True, "results": [shown_organization(organization) for organization in found]})


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
)
async def add(request: Request) -> Response:
    """Make an organization, without members; for administrators."""
    services, admin = await admin_of(request)
    body = checked(NewOrganization, await read_json(request))
    made = await services.change(services.organizations.add, body.slug, body.name)
    services.note(request, admin, "organization.add", f"organization:{made.slug}")
    return JSONResponse({"success": True, "organization": shown_organization(made)}, 201)


@routes.on("GET", "/api/v2/o/{slug}/members", answers={200: MemberList}, errors=(Forbidden, UnknownOrganization))
async def list_members(request: Request) -> Response:
    """Who is in it; for its members and for administrators."""
    services, _ = await _within(request, ("member", "admin"))
    members = await asyncio.to_thread(services.organizations.members, request.path_params["slug"])
    return JSONResponse({"success": True, "results": [asdict(member) for member in members]})


@routes.on(
    "PUT",
    "/api/v2/o/{slug}/members/{username}",
    body=json_body(NewRole, is_required=False),
    answers={200: MemberSet},
    errors=(Forbidden, UnknownOrganization, UnknownUser),
)
async def set_member(request: Request) -> Response:
    """Take somebody in, or change his role; for the organization's admins and for administrators."""
    services, principal = await _within(request, ("admin",))
    body = checked(NewRole, await read_json(request, empty={}))
    slug, username = request.path_params["slug"], request.path_params["username"]
    await services.change(services.organizations.set_member, slug, username, body.role)
    services.note(
        request, principal, "organization.set_member", f"organization:{slug}", username=username, role=body.role
    )
    return JSONResponse({"success": True, "status": "OK"})


@routes.on(
    "DELETE",
    "/api/v2/o/{slug}/members/{username}",
    answers={204: None},
    errors=(Forbidden, UnknownOrganization, UnknownUser),
)
async def remove_member(request: Request) -> Response:
    """Let somebody go; for the organization's admins and for administrators."""
    services, principal = await _within(request, ("admin",))
    slug, username = request.path_params["slug"], request.path_params["username"]
    await services.change(services.organizations.remove_member, slug, username)
    services.note(request, principal, "organization.remove_member", f"organization:{slug}", username=username)
    return Response(status_code=204)


async def _within(request: Request, roles: tuple[Role, ...]) -> tuple[Services, Principal]:
    """Raises ``UnknownOrganization``, ``Forbidden`` for somebody with no such role who is no administrator either."""
    services = services_of(request)
    principal = await services.principal(request)
    slug = request.path_params["slug"]
    found = await asyncio.to_thread(services.organizations.find, principal, slug)
    if found.id is None:
        raise Forbidden("Your own organization has one member, you.")
    if found.role not in roles and not principal.is_admin:
        services.note(request, principal, "organization.members", f"organization:{slug}", "refused")
        raise Forbidden(f"Not authorized to organization '{slug}'")
    return services, principal


def shown_organization(organization: Organization) -> dict[str, Any]:
    """An organisation as its members see it."""
    return {"slug": organization.slug, "name": organization.name, "role": organization.role}
