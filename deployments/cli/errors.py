"""What ends a command. Each is one line on standard error, the last one, and exit status 1.

CliError
├── WrongInput      what was typed, piped in or set in the environment cannot be used
├── NotSignedIn     there is no token, or the server does not take it any more
├── Unreachable     no answer came
└── Refused         the server said no; ``status`` is its HTTP status, ``body`` what else it said

No message holds a password or a token.
"""

from collections.abc import Mapping
from typing import Any  # JSON values

from typer import TyperException


class CliError(TyperException):
    """``message`` is the whole line, without the program's name."""


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
