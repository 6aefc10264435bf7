"""What goes to the screen, and passwords that come from it."""

import getpass
import sys
from collections.abc import Sequence

from deployments.cli.errors import WrongInput


def printable(text: object) -> str:
    """The text as one line in which nothing moves the cursor or changes colours: servers send what users chose."""
    return " ".join("".join(c if c.isprintable() else " " for c in str(text)).split())


def warn(text: str) -> None:
    """One line beside the output."""
    print(f"graphside: {printable(text)}", file=sys.stderr)


def show_rows(headings: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """A table for eyes; where the output is no terminal, lines with tabs and no heading, for ``cut`` and ``awk``."""
    lines = [[printable(cell) for cell in row] for row in rows]
    if not sys.stdout.isatty():
        for line in lines:
            print("\t".join(line))
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*headings, box=None, pad_edge=False, header_style="bold")
    for line in lines:
        table.add_row(*(Text(cell) for cell in line))
    Console().print(table)


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
