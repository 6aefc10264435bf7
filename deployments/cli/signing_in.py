"""``login`` and ``token``."""

import os
from typing import Annotated

import typer

from deployments.cli.connection import Server, connect, is_local
from deployments.cli.options import PasswordStdin, Url
from deployments.cli.session import load_session, save_session
from deployments.cli.terminal import ask, printable, read_password, warn


def login(
    url: Annotated[str, typer.Argument(help="The server, such as http://127.0.0.1:8000.", envvar="GRAPHSIDE_URL")],
    username: Annotated[str | None, typer.Option(help="Who signs in; asked for where it is not given.")] = None,
    password_stdin: PasswordStdin = False,
) -> None:
    """Sign in; later commands use this session."""
    server = Server(url)
    if server.url.startswith("http:") and not is_local(server.url):
        warn(f"{server.url} is not encrypted: others on the way can read the password")
    name = username or ask("username", "--username")
    session = server.log_in(name, read_password(name, from_stdin=password_stdin))
    path = save_session(session)
    print(f"signed in to {session.url} as {printable(name)} (remembered in {path})")


def token(url: Url = None) -> None:
    """Print a token that has at least half of its life left."""
    session = connect(url).refresh()
    if not os.environ.get("GRAPHSIDE_TOKEN"):
        known = load_session()
        if known is not None and known.url == session.url and known.token != session.token:
            save_session(session)
    print(printable(session.token))
