"""Flags, groups and the audit log, for administrators."""

from typing import Any, Literal

from pydantic import Field

from auth.flags import Scope
from deployments.ingress.routes.shapes.base import Shape, Time
from deployments.ingress.routes.shapes.page import Page
from deployments.ingress.routes.shapes.users import Username


class FlagShown(Shape):
    """One setting of a flag."""

    name: str = Field(examples=["flag_python_endpoint_enabled_users"])
    scope: Scope
    username: Username | None = Field(description="The user, if the scope is `user`.")
    value: bool
    group: str | None = Field(description="The group, if the scope is `group`.")
    percent: int | None = Field(ge=0, le=100, description="The percentage of all users, if the scope is `percent`.")


class FlagList(Shape):
    """All settings of all flags."""

    success: Literal[True]
    flags: list[FlagShown]


class GroupShown(Shape):
    """A group with the names of its members."""

    name: str = Field(min_length=1, max_length=150, examples=["analysts"])
    members: list[Username]


class GroupList(Shape):
    """All groups, by name."""

    success: Literal[True]
    groups: list[GroupShown]


class GroupMade(Shape):
    """The new group, without members."""

    success: Literal[True]
    group: GroupShown


class AuditShown(Shape):
    """A line of the audit log."""

    id: int = Field(examples=[41])
    at: Time
    actor_id: int | None = Field(description="Null if the caller was not signed in or could not prove who they are.")
    actor: str = Field(examples=["admin"])
    address: str = Field(examples=["203.0.113.9"])
    action: str = Field(examples=["user.add"])
    target: str = Field(examples=["user:ann"])
    outcome: str = Field(examples=["ok"])
    detail: dict[str, Any]


class AuditPage(Page[AuditShown]):
    """Lines of the audit log, newest first."""
