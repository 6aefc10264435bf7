"""What somebody gets who has signed in."""

from typing import Annotated, Literal

from pydantic import Field

from deployments.ingress.routes.shapes.base import Absent, Shape
from deployments.ingress.routes.shapes.users import UserShown

Token = Annotated[str, Field(description="A JWT, for `Authorization: Bearer`.", examples=["eyJhbGciOiJIUzI1NiIs…"])]


class ActiveOrganization(Shape):
    """The organization that was asked for, else the user's own."""

    slug: str = Field(examples=["ann"])
    is_found: bool
    is_member: bool


class LoggedIn(Shape):
    """A token, and whose it is."""

    token: Token
    user: UserShown
    active_organization: ActiveOrganization | Absent = Field(
        None, description="Where `org_name` was sent, or there are two organizations or more."
    )


class TokenShown(Shape):
    """A token that counts."""

    token: Token


class LoggedOut(Shape):
    """The log-in has ended."""

    success: Literal[True]
    status: Literal["OK"]


class SessionBegun(Shape):
    """The session's user; the session itself is in the cookies."""

    success: Literal[True]
    user: UserShown


class CsrfToken(Shape):
    """A token for `X-CSRFToken`: another text each time, for the same secret."""

    csrfmiddlewaretoken: str = Field(examples=["bWFza2VkIHNlY3JldCBvZiBhIGNvb2tpZQ"])
