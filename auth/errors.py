"""What can go wrong when somebody says who they are, or asks for what they may not have.

AuthError
├── Unauthenticated       no principal: not signed in, disabled, or the token predates a new password
│   ├── TokenInvalid      malformed, forged, or not meant for this server
│   └── TokenExpired      was good once; clients sign in again when they read this (contract 1.3)
├── InvalidCredentials    unknown name or wrong password: never which of the two
├── Forbidden             known, and not allowed
│   └── EndpointDisabled  the Python endpoint is off for this user (contract 4.8)
├── UserExists            the name is taken
├── UnknownUser           no such name
├── InvalidUsername       a name of the wrong length or with the wrong characters
├── WeakSecret            a password or a signing key that is too easy to guess or to read
└── UnknownFlag           no feature is switched by this flag

No message or field holds a secret.
"""

from typing import Literal

Switch = Literal["ENABLE_PYTHON_ENDPOINT", "flag_python_endpoint_disabled", "flag_python_endpoint_enabled_users"]


class AuthError(Exception):
    """Base of the tree. ``message`` is one readable sentence."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class Unauthenticated(AuthError):
    def __init__(self, message: str = "Authentication credentials were not provided or are no longer valid.") -> None:
        super().__init__(message)


class TokenInvalid(Unauthenticated):
    """``reason`` is for the log: a caller who forges learns nothing from it."""

    def __init__(self, reason: str) -> None:
        super().__init__("The token is not valid.")
        self.reason = reason


class TokenExpired(Unauthenticated):
    """The message is the very text that PyGraphistry looks up to sign in again (contract 1.3)."""

    def __init__(self) -> None:
        super().__init__("Token has expired.")


class InvalidCredentials(AuthError):
    def __init__(self) -> None:
        super().__init__("Unable to log in with provided credentials.")


class Forbidden(AuthError):
    def __init__(self, message: str = "You do not have permission to perform this action.") -> None:
        super().__init__(message)


class EndpointDisabled(Forbidden):
    """``switch`` is the first of the three switches that says no."""

    def __init__(self, switch: Switch, message: str) -> None:
        super().__init__(message)
        self.switch: Switch = switch


class UserExists(AuthError):
    def __init__(self, username: str) -> None:
        super().__init__(f"User {username} exists already.")
        self.username = username


class UnknownUser(AuthError):
    def __init__(self, username: str) -> None:
        super().__init__(f"There is no user {username!r}.")
        self.username = username


class InvalidUsername(AuthError):
    def __init__(self, username: str) -> None:
        super().__init__("A username has 1 to 150 characters: letters, digits and @ . + - _")
        self.username = username


class WeakSecret(AuthError):
    """The message says what is wrong and what would do."""


class UnknownFlag(AuthError):
    def __init__(self, name: str, known: tuple[str, ...]) -> None:
        super().__init__(f"There is no flag {name!r}; flags are {', '.join(known)}.")
        self.name = name
        self.known = known
