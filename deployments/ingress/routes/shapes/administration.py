"""Flags, groups and the audit, for administrators."""

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
    username: Username | None = Field(description="For whom, where the scope is `user`.")
    value: bool
    group: str | None = Field(description="For which, where the scope is `group`.")
    percent: int | None = Field(ge=0, le=100, description="Of all users, where the scope is `percent`.")


class FlagList(Shape):
    """Every setting of every flag."""

    success: Literal[True]
    flags: list[FlagShown]


class GroupShown(Shape):
    """A group, with its members' names."""

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
    """A line of the audit."""

    id: int = Field(examples=[41])
    at: Time
    actor_id: int | None = Field(description="Null for nobody, and for somebody who could not prove who he is.")
    actor: str = Field(examples=["admin"])
    address: str = Field(examples=["203.0.113.9"])
    action: str = Field(examples=["user.add"])
    target: str = Field(examples=["user:ann"])
    outcome: str = Field(examples=["ok"])
    detail: dict[str, Any]


class AuditPage(Page[AuditShown]):
    """Lines of the audit, newest first."""
