"""``backup`` and ``restore``: all that a server has, in one file and back."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deployments.cli.doctor.findings import size
from deployments.cli.errors import CliError
from deployments.cli.options import Data
from deployments.cli.server import server_environment
from deployments.cli.terminal import counted, printable

if TYPE_CHECKING:
    from deployments.launch.backup import Summary
    from deployments.launch.options import Options


def backup(
    target: Annotated[Path, typer.Argument(metavar="TARGET", help="A new file.")],
    data: Data = None,
) -> None:
    """Write the catalog and all stored tables to one file. The server may run."""
    from deployments.launch.backup import back_up
    from deployments.launch.errors import LaunchError

    try:
        summary = back_up(_options(data), target)
    except LaunchError as error:
        raise CliError(str(error)) from None
    print(f"{printable(target)} has {_said(summary)}")


def restore(
    source: Annotated[Path, typer.Argument(metavar="SOURCE", help="What `graphside backup` wrote.")],
    data: Data = None,
) -> None:
    """Bring a backup into a data directory that has no users yet."""
    from deployments.launch.backup import restore as bring_back
    from deployments.launch.errors import LaunchError

    try:
        options = _options(data)
        summary = bring_back(options, source)
    except LaunchError as error:
        raise CliError(str(error)) from None
    print(f"{printable(options.data_dir)} has {_said(summary)}")


def _options(data: Path | None) -> "Options":
    """What a server on this data directory would be started with. Raises ``LaunchError``."""
    from deployments.launch.options import read_options

    return read_options(server_environment({} if data is None else {"GRAPHSIDE_DATA": str(data)}))


def _said(summary: "Summary") -> str:
    counts = {"user": summary.users, "dataset": summary.datasets, "file": summary.files, "table": summary.tables}
    said = ", ".join(counted(count, noun) for noun, count in counts.items())
    return f"{said}, {size(summary.byte_count)}"
