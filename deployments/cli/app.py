"""Puts all commands together, and turns every error into one line and an exit status."""

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
    """Prints an error as one line on standard error, instead of typer's box or Python's traceback."""

    def main(self, *args: Any, **options: Any) -> None:
        try:
            status = super().main(*args, **{"prog_name": "graphside", **options, "standalone_mode": False})
        except typer.TyperException as error:
            sys.exit(_complain(error.format_message() + _help_hint(error), error.exit_code))
        except typer.Abort:
            sys.exit(_complain("stopped", 1))
        except Exception as error:  # the process ends here, so that nobody above can handle it
            if sys.flags.dev_mode:
                raise
            more = "python -X dev -m deployments.cli shows where"
            sys.exit(_complain(f"unexpected {type(error).__name__}: {error} ({more})", 1))
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
    show_version: Annotated[bool, typer.Option("--version", help="Show the version and exit.")] = False,
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


def _complain(text: str, status: int) -> int:
    print(f"graphside: {printable(text)}", file=sys.stderr)
    return status


def _help_hint(error: typer.TyperException) -> str:
    context = getattr(error, "ctx", None)  # only errors in the arguments have one
    return f" See {context.command_path} --help" if context is not None else ""


def _version() -> str:
    try:
        return version("graphside")
    except PackageNotFoundError:
        return "unknown: graphside is not installed"
