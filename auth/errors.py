"""Errors of signing in and of permissions.

AuthError
├── Unauthenticated         the caller is not signed in, or is disabled, or their session has ended
│   ├── TokenInvalid        the token is malformed, forged, or meant for another server
│   └── TokenExpired        the token has expired; clients then sign in again (protocol 1.3)
├── InvalidCredentials      the name is unknown or the password is wrong; the error never says which
├── TooManyAttempts         too many recent log-ins for this name from this address have failed
│   └── TooManyWaiting      too many log-ins from this address wait, or this one has waited too long
├── Forbidden               the caller is signed in but may not do this
│   └── EndpointDisabled    the Python endpoint is off for this user (protocol 4.8)
├── Taken                   the name is in use
│   ├── UserExists
│   ├── OrganizationExists
│   └── GroupExists
├── Unknown                 the thing does not exist, or the caller may not know that it does
│   ├── UnknownUser
│   ├── UnknownOrganization
│   ├── UnknownGroup
│   ├── UnknownKey
│   └── UnknownFlag
├── InvalidName             the name has the wrong length or wrong characters
│   └── InvalidUsername
└── WeakSecret              a password or signing key is too short, or other users can read its file

No message or field holds a secret.
"""

from typing import Literal

from auth.names import shown

Switch = Literal["ENABLE_PYTHON_ENDPOINT", "flag_python_endpoint_disabled", "flag_python_endpoint_enabled_users"]


class AuthError(Exception):
    """Base of the tree. ``message`` is a sentence for the caller."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class Unauthenticated(AuthError):
    """The request has no valid token, key or session."""

    def __init__(self, message: str = "the request has no credentials that are valid now") -> None:
        super().__init__(message)


class TokenInvalid(Unauthenticated):
    """``reason`` says why, for us: the caller does not see it, so that a forger learns nothing."""

    def __init__(self, reason: str) -> None:
        super().__init__("the token is not valid")
        self.reason = reason


class TokenExpired(Unauthenticated):
    """The message never changes: PyGraphistry looks for it and then signs in again (protocol 1.3)."""

    def __init__(self) -> None:
        super().__init__("Token has expired.")


class InvalidCredentials(AuthError):
    """The username does not exist or the password is wrong.

    ``username`` is the account that somebody tried, None if it does not exist. Only the audit log may see it.
    """

    def __init__(self, username: str | None = None) -> None:
        super().__init__("Unable to log in with provided credentials.")
        self.username = username


class TooManyAttempts(AuthError):
    """Too many log-ins failed lately.

    ``retry_after_s`` is the time until the oldest of the ``limit`` failures is forgotten, in whole seconds.

    ``is_first`` is true for the first of several refusals in a row: the audit log gets one line for all of them.
    """

    def __init__(self, limit: int, retry_after_s: int, is_first: bool, *, limit_name: str = "login_attempts") -> None:
        super().__init__("too many log-ins failed; try again later")
        self.limit = limit
        self.retry_after_s = retry_after_s
        self.is_first = is_first
        self.fields = {"limit_name": limit_name, "limit": limit, "retry_after_s": retry_after_s}


class TooManyWaiting(TooManyAttempts):
    """Too many log-ins from one address wait for each other, or one of them has waited too long."""

    def __init__(self, message: str, limit: int, is_first: bool) -> None:
        super().__init__(limit, 1, is_first, limit_name="waiting_log_ins")
        self.args, self.message = (message,), message


class Forbidden(AuthError):
    """The caller is signed in but may not do this."""

    def __init__(self, message: str = "you do not have permission for this action") -> None:
        super().__init__(message)


class EndpointDisabled(Forbidden):
    """The Python endpoint is switched off for this user.

    ``switch`` is the first of the three switches that turns the endpoint off.
    """

    def __init__(self, switch: Switch, message: str) -> None:
        super().__init__(message)
        self.switch: Switch = switch


class Taken(AuthError):
    """The name is in use."""


class UserExists(Taken):
    """A user or an organization has this name already, or one that looks like it."""

    def __init__(self, username: str, like: str | None = None) -> None:
        told = f"user {shown(username)} already exists"
        if like is not None and like != username:
            told = f"the name {shown(username)} looks like {like}, which exists already"
        super().__init__(f"{told}; choose another name")
        self.username = username


class OrganizationExists(Taken):
    """An organization or a user has this name already, or one that looks like it.

    Each user has a personal organization of the same name (protocol 1.7).
    """

    def __init__(self, slug: str) -> None:
        super().__init__(f"the name {shown(slug)} is taken by an organization or a user; choose another name")
        self.slug = slug


class GroupExists(Taken):
    """A group has this name already."""

    def __init__(self, name: str) -> None:
        super().__init__(f"group {shown(name)} already exists; choose another name")
        self.name = name


class Unknown(AuthError):
    """The thing does not exist, or the caller may not know of it."""


class UnknownUser(Unknown):
    """There is no user with this name."""

    def __init__(self, username: str) -> None:
        super().__init__(f"there is no user {shown(username)!r}")
        self.username = username


class UnknownOrganization(Unknown):
    """There is no organization with this name.

    The message never changes (protocol 1.6).
    """

    def __init__(self, slug: str) -> None:
        super().__init__(f"No such organization id '{shown(slug)}'")
        self.slug = slug


class UnknownGroup(Unknown):
    """There is no group with this name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"there is no group {shown(name)!r}")
        self.name = name


class UnknownKey(Unknown):
    """The caller has no personal key with this id."""

    def __init__(self, key_id: str) -> None:
        super().__init__(f"you have no personal key {shown(key_id)!r}")
        self.key_id = key_id


class UnknownFlag(Unknown):
    """There is no feature flag with this name."""

    def __init__(self, name: str, known: tuple[str, ...]) -> None:
        super().__init__(f"there is no flag {shown(name)!r}; the flags are {', '.join(known)}")
        self.name = name
        self.known = known


class InvalidName(AuthError):
    """The name has a wrong length or a wrong character. The error sentence says which names are valid."""


class InvalidUsername(InvalidName):
    """No account can have this name. The error sentence says which names are valid."""

    def __init__(self, username: str, *, mixes_scripts: bool = False, unusual: str | None = None) -> None:
        told = "a username has 1 to 150 characters: letters, digits and @ . + - _"
        if unusual is not None:
            told = f"a new username has letters and digits of scripts in everyday use: U+{ord(unusual):04X} is not one"
        if mixes_scripts:
            told = "a word in a username has letters of one script: this one mixes letters that look like each other"
        super().__init__(told)
        self.username = username


class WeakSecret(AuthError):
    """The password is too short or too long.

    Also raised for a signing key that is too short, or that other users can read.
    """
