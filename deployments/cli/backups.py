"""``backup`` and ``restore``: everything that a server stores, to one file and back."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deployments.cli.errors import CliError
from deployments.cli.options import Data
from deployments.cli.server import server_environment
from deployments.cli.sizes import size
from deployments.cli.terminal import counted, printable

if TYPE_CHECKING:
    from deployments.launch.backup import Summary
    from deployments.launch.options import Options


def backup(
    target: Annotated[Path, typer.Argument(metavar="TARGET", help="The file to write. It must not exist.")],
    data: Data = None,
) -> None:
    """Write the catalog and all stored tables to one file. The server may be running."""
    from deployments.launch.backup import back_up
    from deployments.launch.errors import LaunchError

    try:
        summary = back_up(_options(data), target)
    except LaunchError as error:
        raise CliError(str(error)) from None
    print(f"{printable(target)} has {_counts(summary)}")


def restore(
    source: Annotated[Path, typer.Argument(metavar="SOURCE", help="A file that `graphside backup` wrote.")],
    data: Data = None,
) -> None:
    """Restore a backup into a data directory that has no users yet."""
    from deployments.launch.backup import restore as bring_back
    from deployments.launch.errors import LaunchError

    try:
        options = _options(data)
        summary = bring_back(options, source)
    except LaunchError as error:
        raise CliError(str(error)) from None
    print(f"{printable(options.data_dir)} has {_counts(summary)}")


def _options(data: Path | None) -> "Options":
    """Return the options of a server on this data directory. Raises ``LaunchError``."""
    from deployments.launch.options import read_options

    return read_options(server_environment({} if data is None else {"GRAPHSIDE_DATA": str(data)}))


def _counts(summary: "Summary") -> str:
    counts = {"user": summary.users, "dataset": summary.datasets, "file": summary.files, "table": summary.tables}
    shown = ", ".join(counted(count, noun) for noun, count in counts.items())
    return f"{shown}, {size(summary.byte_count)}"
