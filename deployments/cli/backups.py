"""``backup`` and ``restore``: what a data directory holds, somewhere else and back."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deployments.cli.doctor.findings import size
from deployments.cli.errors import CliError
from deployments.cli.options import Data
from deployments.cli.server import launch_options
from deployments.cli.terminal import printable

if TYPE_CHECKING:
    from deployments.launch.backup import Summary


def backup(
    target: Annotated[Path, typer.Argument(metavar="TARGET", help="Where the backup is written.")],
    data: Data = None,
) -> None:
    """Back up the catalog and all stored tables of a data directory."""
    from deployments.launch.backup import back_up
    from deployments.launch.errors import LaunchError

    try:
        summary = back_up(launch_options(data), target)
    except LaunchError as error:
        raise CliError(str(error)) from None
    print(f"{printable(target)} has {_said(summary)}")


def restore(
    source: Annotated[Path, typer.Argument(metavar="SOURCE", help="What `graphside backup` wrote.")],
    data: Data = None,
) -> None:
    """Make a data directory of a backup. Stop its server first."""
    from deployments.launch.backup import restore as bring_back
    from deployments.launch.errors import LaunchError

    try:
        options = launch_options(data)
        summary = bring_back(options, source)
    except LaunchError as error:
        raise CliError(str(error)) from None
    print(f"{printable(options.data_dir)} has {_said(summary)}")


def _said(summary: "Summary") -> str:
    counts = f"{summary.users} users, {summary.datasets} datasets, {summary.files} files, {summary.tables} tables"
    return f"{counts}, {size(summary.byte_count)}"
