"""Flags, groups and the audit log, for administrators."""

from typing import Annotated, Literal

from pydantic import Field

from auth.audit import MOST_LINE
from auth.flags import Scope
from auth.listing import MOST_LISTED
from deployments.ingress.fields import Id, Name, Options, Word
from deployments.ingress.routes.shapes.base import Shape, Time
from deployments.ingress.routes.shapes.page import Page
from deployments.ingress.routes.shapes.users import Username

Line = Annotated[str, Field(max_length=MOST_LINE)]


class FlagShown(Shape):
    """One setting of a flag."""

    name: Word = Field(examples=["flag_python_endpoint_enabled_users"])
    scope: Scope
    username: Username | None = Field(description="The user, if the scope is `user`.")
    value: bool
    group: Name | None = Field(description="The group, if the scope is `group`.")
    percent: int | None = Field(ge=0, le=100, description="The percentage of all users, if the scope is `percent`.")


class FlagList(Shape):
    """All settings of all flags."""

    success: Literal[True]
    flags: list[FlagShown] = Field(max_length=MOST_LISTED)


class GroupShown(Shape):
    """A group with the names of its members."""

    name: Name = Field(min_length=1, examples=["analysts"])
    members: list[Username] = Field(max_length=MOST_LISTED)


class GroupList(Shape):
    """All groups, by name."""

    success: Literal[True]
    groups: list[GroupShown] = Field(max_length=MOST_LISTED)


class GroupMade(Shape):
    """The new group, without members."""

    success: Literal[True]
    group: GroupShown


class AuditShown(Shape):
    """A line of the audit log."""

    id: Id = Field(examples=[41])
    at: Time
    actor_id: Id | None = Field(description="Null if the caller was not signed in or could not prove who they are.")
    actor: Line = Field(examples=["admin"])
    address: Line = Field(examples=["203.0.113.9"])
    action: Word = Field(examples=["user.add"])
    target: Line = Field(examples=["user:ann"])
    outcome: Word = Field(examples=["ok"])
    detail: Options


class AuditPage(Page[AuditShown]):
    """Lines of the audit log, newest first."""
