"""Asks the user on the terminal for names, passwords and confirmation."""

import getpass
import sys

from deployments.cli.errors import WrongInput
from deployments.cli.terminal import printable


def ask(what: str, option: str) -> str:
    """Return a line that the user types. Raises ``WrongInput``, naming the option to use, if there is no terminal."""
    if not sys.stdin.isatty():
        raise WrongInput(f"cannot ask for the {what} without a terminal; use {option}")
    print(f"{what}: ", end="", file=sys.stderr, flush=True)
    answer = sys.stdin.readline().strip()
    if not answer:
        raise WrongInput(f"no {what} was given")
    return answer


def read_password(of: str, *, from_stdin: bool, twice: bool = False, instead: str = "--password-stdin") -> str:
    """Return the password of the user ``of``: the first line of standard input, or typed without an echo.

    ``twice`` asks for a new password again, to catch typing errors. ``instead`` names the options that work without a
    terminal. Raises ``WrongInput``.
    """
    if from_stdin:
        password = sys.stdin.readline().rstrip("\r\n")
    elif not sys.stdin.isatty():
        raise WrongInput(f"cannot ask for a password without a terminal; use {instead}")
    else:
        password = getpass.getpass(f"password of {of}: ")
        if twice and getpass.getpass("repeat password: ") != password:
            raise WrongInput("the two passwords differ")
    if not password:
        raise WrongInput("the password is empty")
    try:
        password.encode()
    except UnicodeEncodeError:
        raise WrongInput("the password is not valid UTF-8") from None
    return password


def read_secret_line(what: str) -> str:
    """Return the first line of standard input. Raises ``WrongInput`` if it is empty."""
    line = sys.stdin.readline().strip()
    if not line:
        raise WrongInput(f"no {what} was given")
    return line


def confirm(question: str) -> None:
    """Return if the user types yes. Raises ``WrongInput`` if they type anything else, or if there is no terminal."""
    if not sys.stdin.isatty():
        raise WrongInput("cannot ask for confirmation without a terminal; use --yes")
    print(f"{printable(question)} [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise WrongInput("nothing was changed")
