"""Users, as they themselves and administrators see them."""

from typing import Annotated, Literal

from pydantic import Field

from deployments.ingress.routes.shapes.base import Shape

Username = Annotated[str, Field(min_length=1, max_length=150, examples=["ann"])]


class UserShown(Shape):
    """A user."""

    id: int = Field(examples=[7])
    username: Username
    name: str = Field(examples=["Ann Example"])
    email: str = Field(examples=["ann@example.org"])


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
    users: list[ListedAccount]


class Membership(Shape):
    """An organization that the user is in."""

    slug: str = Field(examples=["acme"])
    name: str = Field(examples=["Acme"])
    role: Literal["member", "admin"]


class StoredBytes(Shape):
    """How much the user has stored, in bytes."""

    used: int = Field(ge=0, examples=[4096])
    allowed: int | None = Field(ge=0, description="The most that the user may store; null if there is no limit.")


class Me(Shape):
    """The caller."""

    success: Literal[True]
    user: AccountShown
    organizations: list[Membership]
    stored_bytes: StoredBytes
