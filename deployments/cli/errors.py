"""Errors that end a command. Each is the last line on standard error; the exit status is 1.

CliError
├── WrongInput      the arguments, the input or the environment cannot be used
├── NotSignedIn     there is no token, or the server no longer accepts it
├── Unreachable     no answer came
└── Refused         the server refused; ``status`` is the HTTP status, ``body`` the rest of the answer

No message holds a password or a token.
"""

from collections.abc import Mapping
from typing import Any  # JSON values

from typer import TyperException


class CliError(TyperException):
    """``message`` is the line without the program's name."""


class WrongInput(CliError):
    pass


class NotSignedIn(CliError):
    def __init__(self, url: str | None, reason: str = "") -> None:
        said = f" ({reason})" if reason else ""
        super().__init__(f"sign in first: graphside login {url or 'URL'}{said}")


class Unreachable(CliError):
    pass


class Refused(CliError):
    def __init__(self, message: str, status: int, body: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.body = body or {}
