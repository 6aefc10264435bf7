"""All commands together, and the one place where what went wrong becomes a line and an exit status."""

import sys
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated, Any  # Any: typer's own signatures

import typer
from typer.core import TyperGroup

from deployments.cli import (
    backups,
    datasets,
    flags,
    groups,
    keys,
    organizations,
    runs,
    server,
    signing_in,
    users,
)
from deployments.cli.doctor.command import doctor
from deployments.cli.run import run
from deployments.cli.terminal import printable


class OneLineGroup(TyperGroup):
    """Ends with a line on standard error where typer would show a box, and Python a traceback."""

    def main(self, *args: Any, **options: Any) -> None:
        try:
            status = super().main(*args, **{"prog_name": "graphside", **options, "standalone_mode": False})
        except typer.TyperException as error:
            sys.exit(_say(error.format_message() + _where_to_look(error), error.exit_code))
        except typer.Abort:
            sys.exit(_say("stopped", 1))
        except Exception as error:  # the end of the process: nobody above could say it better
            if sys.flags.dev_mode:
                raise
            more = "python -X dev -m deployments.cli tells more"
            sys.exit(_say(f"unexpected {type(error).__name__}: {error} ({more})", 1))
        sys.exit(status if isinstance(status, int) else 0)


app = typer.Typer(
    name="graphside",
    cls=OneLineGroup,
    invoke_without_command=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


@app.callback()
def graphside(
    context: typer.Context,
    show_version: Annotated[bool, typer.Option("--version", help="Show the version and end.")] = False,
) -> None:
    """Send a Python function to the graph instead of the graph to the function."""
    if show_version:
        print(_version())
        raise typer.Exit
    if context.invoked_subcommand is None:
        print(context.get_help())


app.command()(server.serve)
app.command()(server.init)
app.command()(doctor)
app.command()(backups.backup)
app.command()(backups.restore)
app.command()(signing_in.login)
app.command()(signing_in.logout)
app.command()(signing_in.token)
app.add_typer(keys.app, name="key")
app.add_typer(datasets.app, name="dataset")
app.command()(run)
app.add_typer(runs.app, name="runs")
app.add_typer(users.app, name="user")
app.add_typer(groups.app, name="group")
app.add_typer(organizations.app, name="org")
app.add_typer(flags.app, name="flag")


def _say(text: str, status: int) -> int:
    print(f"graphside: {printable(text)}", file=sys.stderr)
    return status


def _where_to_look(error: typer.TyperException) -> str:
    context = getattr(error, "ctx", None)  # of errors in how a command was typed
    return f" See {context.command_path} --help" if context is not None else ""


def _version() -> str:
    try:
        return version("graphside")
    except PackageNotFoundError:
        return "unknown: graphside is not installed"
