"""What a user is asked for on the terminal: names, passwords, whether he is sure."""

import getpass
import sys

from deployments.cli.errors import WrongInput
from deployments.cli.terminal import printable


def ask(what: str, option: str) -> str:
    """A line typed by the user. Raises ``WrongInput``, naming the option to use, where there is no terminal."""
    if not sys.stdin.isatty():
        raise WrongInput(f"no terminal to ask for the {what} on; use {option}")
    print(f"{what}: ", end="", file=sys.stderr, flush=True)
    answer = sys.stdin.readline().strip()
    if not answer:
        raise WrongInput(f"no {what} was given")
    return answer


def read_password(of: str, *, from_stdin: bool, twice: bool = False, instead: str = "--password-stdin") -> str:
    """The password of ``of``: the first line of standard input, or typed unseen.

    ``twice`` for a new one, which nobody could correct. ``instead`` names what works without a terminal. Raises
    ``WrongInput``.
    """
    if from_stdin:
        password = sys.stdin.readline().rstrip("\r\n")
    elif not sys.stdin.isatty():
        raise WrongInput(f"no terminal to ask for a password on; use {instead}")
    else:
        password = getpass.getpass(f"password of {of}: ")
        if twice and getpass.getpass("once more: ") != password:
            raise WrongInput("the two passwords differ")
    if not password:
        raise WrongInput("the password is empty")
    try:
        password.encode()
    except UnicodeEncodeError:
        raise WrongInput("the password is not UTF-8 text") from None
    return password


def read_secret_line(what: str) -> str:
    """The first line of standard input. Raises ``WrongInput`` where it is empty."""
    line = sys.stdin.readline().strip()
    if not line:
        raise WrongInput(f"no {what} was given")
    return line


def confirm(question: str) -> None:
    """Returns once the user has typed yes. Raises ``WrongInput`` where he types anything else, or cannot type."""
    if not sys.stdin.isatty():
        raise WrongInput("no terminal to ask on whether you are sure; use --yes")
    print(f"{printable(question)} [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise WrongInput("nothing was changed")
