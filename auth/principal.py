"""The user for whom a request acts."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Principal:
    """A user who is signed in and active."""

    user_id: int
    username: str
    email: str
    name: str
    is_admin: bool
