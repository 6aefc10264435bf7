"""``serve`` and ``init``: the commands that make a server of this machine."""

import os
from typing import Annotated

import typer

from deployments.cli.asking import read_password
from deployments.cli.errors import CliError
from deployments.cli.options import Data, PasswordStdin
from deployments.cli.terminal import warn

_OF_THE_CLIENT = ("GRAPHSIDE_TOKEN", "GRAPHSIDE_PASSWORD")


def serve(
    port: Annotated[int | None, typer.Option(help="Also GRAPHSIDE_PORT; default 8000.")] = None,
    host: Annotated[str | None, typer.Option(help="Also GRAPHSIDE_HOST; default 127.0.0.1.")] = None,
    data: Data = None,
) -> None:
    """Run a server on this machine, in the foreground, until Ctrl-C.

    Every setting can be given as a GRAPHSIDE_* variable; options go before variables.
    """
    from deployments.launch import serve as launch

    given = {"GRAPHSIDE_PORT": port, "GRAPHSIDE_HOST": host, "GRAPHSIDE_DATA": data}
    environment = server_environment({name: str(value) for name, value in given.items() if value is not None})
    raise typer.Exit(launch(environment))


def init(
    data: Data = None,
    admin: Annotated[str | None, typer.Option(help="Name of the first admin; default admin.")] = None,
    password_stdin: PasswordStdin = False,
) -> None:
    """Prepare a data directory for `serve run`: folders, keys, catalog, the first admin.

    `graphside serve` does this by itself. A directory that is ready already is migrated and keeps its users. The
    admin's password is GRAPHSIDE_ADMIN_PASSWORD, or read from standard input, or made up and printed once.
    """
    from deployments.launch.datadir import make_private, prepare, require_unused
    from deployments.launch.errors import LaunchError
    from deployments.launch.instance import Instance
    from deployments.launch.options import read_options

    given = {"GRAPHSIDE_DATA": data, "GRAPHSIDE_ADMIN_USERNAME": admin}
    environment = server_environment({name: str(value) for name, value in given.items() if value is not None})
    if environment.pop("GRAPHSIDE_JWT_SECRET", None):
        warn("GRAPHSIDE_JWT_SECRET is for `graphside serve`; `serve run` takes the key from a file: jwt_key_file")
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
        print("it has users already: none was added")
        return
    print(f"{first.username} is the first admin")
    if first.password is not None:
        print(f"password: {first.password.get_secret_value()}\n(shown this once)")


def server_environment(given: dict[str, str]) -> dict[str, str]:
    """This process's environment, less what belongs to a client of a server, with ``given`` on top."""
    return {**{name: value for name, value in os.environ.items() if name not in _OF_THE_CLIENT}, **given}
