"""Organizations and their members."""

from typing import Literal

from pydantic import Field

from auth.listing import MOST_LISTED
from auth.organizations import Role
from deployments.ingress.fields import Id, Name, Title, Word
from deployments.ingress.routes.shapes.base import Shape
from deployments.ingress.routes.shapes.users import Username


class OrganizationShown(Shape):
    """An organization."""

    slug: Name = Field(min_length=1, examples=["acme"])
    name: Title = Field(examples=["Acme Ltd"])
    role: Role | None = Field(description="The caller's role; null if they are not a member.")


class OrganizationList(Shape):
    """Organizations."""

    success: Literal[True]
    results: list[OrganizationShown] = Field(max_length=MOST_LISTED)


class OrganizationMade(Shape):
    """The new organization, without members."""

    success: Literal[True]
    organization: OrganizationShown


class MemberShown(Shape):
    """A member of an organization."""

    user_id: Id = Field(examples=[7])
    username: Username
    role: Role


class MemberList(Shape):
    """The members, by name."""

    success: Literal[True]
    results: list[MemberShown] = Field(max_length=MOST_LISTED)


class MemberSet(Shape):
    """The user is a member with this role now."""

    success: Literal[True]
    status: Literal["OK"]


class Switched(Shape):
    """The caller can make the organization active."""

    status: Literal["OK"]
    message: Title = Field(examples=["Switched to organization: acme"])
    data: list[Word] = Field(max_length=0)
