"""Users, as they themselves and administrators see them."""

from typing import Annotated, Literal

from pydantic import Field

from auth.listing import MOST_LISTED
from deployments.ingress.fields import Email, Id, Name, Title, Whole
from deployments.ingress.routes.shapes.base import Shape

Username = Annotated[Name, Field(min_length=1, examples=["ann"])]


class UserShown(Shape):
    """A user."""

    id: Id = Field(examples=[7])
    username: Username
    name: Title = Field(examples=["Ann Example"])
    email: Email = Field(examples=["ann@example.org"])


class AccountShown(UserShown):
    """A user, with their rights."""

    is_admin: bool = Field(examples=[False])


class ListedAccount(AccountShown):
    """A user in the list of all users."""

    is_active: bool = Field(description="True if the user may sign in.")


class UserAdded(Shape):
    """The new user."""

    success: Literal[True]
    user: AccountShown


class AccountList(Shape):
    """All users, by name."""

    success: Literal[True]
    users: list[ListedAccount] = Field(max_length=MOST_LISTED)


class Membership(Shape):
    """An organization that the user is in."""

    slug: Name = Field(examples=["acme"])
    name: Title = Field(examples=["Acme"])
    role: Literal["member", "admin"]


class StoredBytes(Shape):
    """How much the user has stored, in bytes."""

    used: Whole = Field(examples=[4096])
    allowed: Whole | None = Field(description="The most that the user may store; null if there is no limit.")


class Me(Shape):
    """The caller."""

    success: Literal[True]
    user: AccountShown
    organizations: list[Membership] = Field(max_length=MOST_LISTED)
    stored_bytes: StoredBytes
