"""Organizations and who is in them."""

from typing import Any, Literal

from pydantic import Field

from auth.organizations import Role
from deployments.ingress.routes.shapes.base import Shape
from deployments.ingress.routes.shapes.users import Username


class OrganizationShown(Shape):
    """An organization."""

    slug: str = Field(min_length=1, max_length=150, examples=["acme"])
    name: str = Field(examples=["Acme Ltd"])
    role: Role | None = Field(description="That of whoever asks; null: no member.")


class OrganizationList(Shape):
    """Organizations."""

    success: Literal[True]
    results: list[OrganizationShown]


class OrganizationMade(Shape):
    """The new organization, without members."""

    success: Literal[True]
    organization: OrganizationShown


class MemberShown(Shape):
    """Somebody in an organization."""

    user_id: int = Field(examples=[7])
    username: Username
    role: Role


class MemberList(Shape):
    """Who is in it, by name."""

    success: Literal[True]
    results: list[MemberShown]


class MemberSet(Shape):
    """He is in it, in that role."""

    success: Literal[True]
    status: Literal["OK"]


class Switched(Shape):
    """The organization can be the active one."""

    status: Literal["OK"]
    message: str = Field(examples=["Switched to organization: acme"])
    data: list[Any] = Field(max_length=0)
