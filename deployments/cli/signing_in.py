"""``login``, ``logout`` and ``token``."""

import os
from typing import Annotated

import typer

from deployments.cli.asking import ask, read_password, read_secret_line
from deployments.cli.connection import Server, connect, is_local
from deployments.cli.errors import CliError, NotSignedIn, WrongInput
from deployments.cli.options import PasswordStdin, Url
from deployments.cli.session import forget_session, load_session, save_session
from deployments.cli.terminal import printable, warn


def login(
    url: Annotated[
        str, typer.Argument(help="The URL of the server, such as http://127.0.0.1:8000.", envvar="GRAPHSIDE_URL")
    ],
    username: Annotated[str | None, typer.Option(help="Your username. Default: ask for it.")] = None,
    password_stdin: PasswordStdin = False,
    key_stdin: Annotated[
        bool, typer.Option("--key-stdin", help="Sign in with a personal key, ID:SECRET, from standard input.")
    ] = False,
) -> None:
    """Sign in to a server. Later commands use this session."""
    if key_stdin and (username or password_stdin):
        raise WrongInput("--key-stdin cannot be combined with --username or --password-stdin")
    server = Server(url)
    if server.url.startswith("http:") and not is_local(server.url):
        secret = "key" if key_stdin else "password"
        warn(f"the connection to {server.url} is not encrypted: others on the network can read the {secret}")
    if key_stdin:
        session, who = server.log_in_with_key(_read_key()), "with a personal key"
    else:
        name = username or ask("username", "--username")
        session = server.log_in(name, read_password(name, from_stdin=password_stdin))
        who = f"as {printable(name)}"
    path = save_session(session)
    print(f"signed in to {session.url} {who} (remembered in {path})")


def logout() -> None:
    """Sign out: end the session at the server and forget it here. Does nothing if you are not signed in."""
    session = load_session()
    if session is None:
        print("you are not signed in")
        return
    try:
        Server(session.url, session.token).send("POST", "/api/v2/auth/logout/")
    except NotSignedIn:  # it had ended
        pass
    except CliError as error:
        forget_session()
        raise CliError(f"signed out here, but the token stays valid until it expires: {error.message}") from None
    forget_session()
    print(f"signed out of {session.url}")


def token(url: Url = None) -> None:
    """Print a token that has at least half of its lifetime left."""
    session = connect(url).refresh()
    if not os.environ.get("GRAPHSIDE_TOKEN"):
        known = load_session()
        if known is not None and known.url == session.url and known.token != session.token:
            save_session(session)
    print(printable(session.token))


def _read_key() -> str:
    """Return a personal key from standard input. Raises ``WrongInput``, which does not repeat the input."""
    key = read_secret_line("personal key")
    key_id, colon, secret = key.partition(":")
    if not (key_id and colon and secret and key.isascii() and key.isprintable() and " " not in key):
        raise WrongInput("a personal key looks like ID:SECRET")
    return key
