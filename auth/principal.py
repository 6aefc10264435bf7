"""Who a request acts for."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Principal:
    """A user that signed in and is active."""

    user_id: int
    username: str
    email: str
    name: str
    is_admin: bool
