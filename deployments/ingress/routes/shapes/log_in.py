"""Answers to log-ins and sign-ins."""

from typing import Annotated, Literal

from pydantic import Field

from deployments.ingress.fields import Name, Token, Word
from deployments.ingress.routes.shapes.base import Absent, Shape
from deployments.ingress.routes.shapes.users import UserShown

Jwt = Annotated[Token, Field(description="A JWT, for `Authorization: Bearer`.", examples=["eyJhbGciOiJIUzI1NiIs…"])]


class ActiveOrganization(Shape):
    """The organization that the request names, else the user's personal one."""

    slug: Name = Field(examples=["ann"])
    is_found: bool
    is_member: bool


class LoggedIn(Shape):
    """A token and its user."""

    token: Jwt
    user: UserShown
    active_organization: ActiveOrganization | Absent = Field(
        None, description="Only if `org_name` was sent, or if there are several organizations."
    )


class TokenShown(Shape):
    """A valid token."""

    token: Jwt


class LoggedOut(Shape):
    """The log-in has ended."""

    success: Literal[True]
    status: Literal["OK"]


class SessionBegun(Shape):
    """The session's user; the session itself is in the cookies."""

    success: Literal[True]
    user: UserShown


class CsrfToken(Shape):
    """A token for `X-CSRFToken`. Its text differs each time; the secret behind it stays the same."""

    csrfmiddlewaretoken: Word = Field(examples=["bWFza2VkIHNlY3JldCBvZiBhIGNvb2tpZQ"])
