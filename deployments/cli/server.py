"""``serve`` and ``init``: run a server on this machine, and prepare its data directory."""

import os
import sys
from typing import Annotated

import typer

from deployments.cli.asking import read_password
from deployments.cli.errors import CliError
from deployments.cli.options import Data, PasswordStdin
from deployments.cli.terminal import warn

_CLIENT_VARIABLES = ("GRAPHSIDE_TOKEN", "GRAPHSIDE_PASSWORD")


def serve(
    port: Annotated[int | None, typer.Option(help="The port to listen on. Default: GRAPHSIDE_PORT, else 8000.")] = None,
    host: Annotated[
        str | None, typer.Option(help="The address to listen on. Default: GRAPHSIDE_HOST, else 127.0.0.1.")
    ] = None,
    data: Data = None,
) -> None:
    """Run a server on this machine, in the foreground, until Ctrl-C.

    Every setting can also be given as a GRAPHSIDE_* variable. Options override variables.
    """
    from deployments.launch import serve as launch

    given = {"GRAPHSIDE_PORT": port, "GRAPHSIDE_HOST": host, "GRAPHSIDE_DATA": data}
    environment = server_environment({name: str(value) for name, value in given.items() if value is not None})
    raise typer.Exit(launch(environment))


def init(
    data: Data = None,
    admin: Annotated[
        str | None,
        typer.Option(help="The name of the first admin. Default: GRAPHSIDE_ADMIN_USERNAME, else admin."),
    ] = None,
    password_stdin: PasswordStdin = False,
) -> None:
    """Prepare a data directory for `serve run`: folders, keys, catalog and the first admin.

    `graphside serve` does this by itself. A directory that is already prepared is migrated and keeps its users. The
    admin's password is read from standard input or GRAPHSIDE_ADMIN_PASSWORD, or else generated and shown once: on the
    terminal, or if there is none, in a file that only you can read.
    """
    from deployments.launch.datadir import make_private, prepare, require_unused
    from deployments.launch.errors import LaunchError
    from deployments.launch.greeting import password_lines
    from deployments.launch.machine.instance import Instance
    from deployments.launch.options import read_options

    given = {"GRAPHSIDE_DATA": data, "GRAPHSIDE_ADMIN_USERNAME": admin}
    environment = server_environment({name: str(value) for name, value in given.items() if value is not None})
    if environment.pop("GRAPHSIDE_JWT_SECRET", None):
        warn("GRAPHSIDE_JWT_SECRET is ignored; `serve run` reads the key from the file that jwt_key_file names")
    if password_stdin:
        environment["GRAPHSIDE_ADMIN_PASSWORD"] = read_password("the admin", from_stdin=True)
    try:
        options = read_options(environment)
        make_private(options.data_dir)
        with Instance(options.data_dir):
            require_unused(options.data_dir)
            first = prepare(options)
    except LaunchError as error:
        raise CliError(str(error)) from None
    print(f"{options.data_dir} is ready")
    if first is None:
        print("it already has users; none was added")
        return
    print(f"{first.username} is the first admin")
    for line in password_lines(options.data_dir, first, is_terminal=sys.stdout.isatty()):
        print(line.strip())


def server_environment(given: dict[str, str]) -> dict[str, str]:
    """Return this process's environment without the variables of a client, updated with ``given``."""
    return {**{name: value for name, value in os.environ.items() if name not in _CLIENT_VARIABLES}, **given}
