"""What can go wrong when somebody says who they are, or asks for what they may not have.

AuthError
├── Unauthenticated         no principal: not signed in, disabled, or the token's session has ended
│   ├── TokenInvalid        malformed, forged, or not meant for this server
│   └── TokenExpired        was good once; clients sign in again when they read this (protocol 1.3)
├── InvalidCredentials      unknown name or wrong password: never which of the two
├── TooManyAttempts         too many failed log-ins lately for this name from this address
├── Forbidden               known, and not allowed
│   └── EndpointDisabled    the Python endpoint is off for this user (protocol 4.8)
├── Taken                   the name is somebody's already
│   ├── UserExists
│   ├── OrganizationExists
│   └── GroupExists
├── Unknown                 no such thing
│   ├── UnknownUser
│   ├── UnknownOrganization
│   ├── UnknownGroup
│   ├── UnknownKey
│   └── UnknownFlag         no feature is switched by this flag
├── InvalidName             a name of the wrong length or with the wrong characters
│   └── InvalidUsername
└── WeakSecret              a password or a signing key that is too easy to guess or to read

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
    """The message is the very text that PyGraphistry looks up to sign in again (protocol 1.3)."""

    def __init__(self) -> None:
        super().__init__("Token has expired.")


class InvalidCredentials(AuthError):
    """``username`` is whose account it would have been, None for nobody's: for the audit, never for the caller."""

    def __init__(self, username: str | None = None) -> None:
        super().__init__("Unable to log in with provided credentials.")
        self.username = username


class TooManyAttempts(AuthError):
    """``retry_after_s``: when the oldest of the ``limit`` failures will be forgotten, in whole seconds.

    ``is_first`` of a row of refusals: one line of audit will do for all of them.
    """

    def __init__(self, limit: int, retry_after_s: int, is_first: bool) -> None:
        super().__init__("Too many failed log-ins; wait before the next one.")
        self.limit = limit
        self.retry_after_s = retry_after_s
        self.is_first = is_first
        self.fields = {"limit_name": "login_attempts", "limit": limit, "retry_after_s": retry_after_s}


class Forbidden(AuthError):
    def __init__(self, message: str = "You do not have permission to perform this action.") -> None:
        super().__init__(message)


class EndpointDisabled(Forbidden):
    """``switch`` is the first of the three switches that says no."""

    def __init__(self, switch: Switch, message: str) -> None:
        super().__init__(message)
        self.switch: Switch = switch


class Taken(AuthError):
    """The name is somebody's already."""


class UserExists(Taken):
    def __init__(self, username: str) -> None:
        super().__init__(f"User {username} exists already.")
        self.username = username


class OrganizationExists(Taken):
    """Also where a user has the name: his own organisation is called so (protocol 1.7)."""

    def __init__(self, slug: str) -> None:
        super().__init__(f"The name {slug} is taken, by an organization or by a user.")
        self.slug = slug


class GroupExists(Taken):
    def __init__(self, name: str) -> None:
        super().__init__(f"Group {name} exists already.")
        self.name = name


class Unknown(AuthError):
    """There is no such thing, or none that the caller may know of."""


class UnknownUser(Unknown):
    def __init__(self, username: str) -> None:
        super().__init__(f"There is no user {username!r}.")
        self.username = username


class UnknownOrganization(Unknown):
    """The message is the one of protocol 1.6."""

    def __init__(self, slug: str) -> None:
        super().__init__(f"No such organization id '{slug}'")
        self.slug = slug


class UnknownGroup(Unknown):
    def __init__(self, name: str) -> None:
        super().__init__(f"There is no group {name!r}.")
        self.name = name


class UnknownKey(Unknown):
    def __init__(self, key_id: str) -> None:
        super().__init__(f"You have no personal key {key_id!r}.")
        self.key_id = key_id


class UnknownFlag(Unknown):
    def __init__(self, name: str, known: tuple[str, ...]) -> None:
        super().__init__(f"There is no flag {name!r}; flags are {', '.join(known)}.")
        self.name = name
        self.known = known


class InvalidName(AuthError):
    """A name with the wrong characters. The message says which are right."""


class InvalidUsername(InvalidName):
    def __init__(self, username: str) -> None:
        super().__init__("A username has 1 to 150 characters: letters, digits and @ . + - _")
        self.username = username


class WeakSecret(AuthError):
    """The message says what is wrong and what would do."""
