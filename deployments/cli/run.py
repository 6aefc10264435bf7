"""``run``."""

import sys
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryFile
from typing import Annotated

import typer

from deployments.cli.connection import connect
from deployments.cli.errors import WrongInput
from deployments.cli.options import Url
from deployments.cli.result_file import result_file
from deployments.cli.run_call import RunCall
from deployments.cli.screen import show_result
from deployments.cli.sizes import byte_count
from deployments.cli.task_source import read_source
from deployments.cli.terminal import remark


class Engine(StrEnum):
    """What the task's frames are made of."""

    PANDAS = "pandas"
    CUDF = "cudf"


class Format(StrEnum):
    """How tables are written."""

    JSON = "json"
    CSV = "csv"
    PARQUET = "parquet"


class OutputType(StrEnum):
    """What the task returns."""

    JSON = "json"
    TABLE = "table"
    NODES = "nodes"
    EDGES = "edges"
    ALL = "all"
    SHAPE = "shape"


def run(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Defines task(g); - is standard input.")],
    dataset: Annotated[str, typer.Option(help="The id of the dataset that the task gets.")],
    engine: Annotated[Engine | None, typer.Option(metavar="pandas|cudf")] = None,
    format_: Annotated[Format, typer.Option("--format", metavar="json|csv|parquet")] = Format.JSON,
    output_type: Annotated[
        OutputType | None,
        typer.Option(
            metavar="json|table|nodes|edges|all|shape",
            help="What the task returns. Default: json; table with --format csv or parquet.",
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("-o", "--output", metavar="OUT", help="Write the result there; - is standard output.")
    ] = None,
    timeout: Annotated[float | None, typer.Option(metavar="S", help="Seconds after which the run is ended.")] = None,
    memory: Annotated[str | None, typer.Option(metavar="SIZE", help="What it may use, such as 2GiB.")] = None,
    label: Annotated[str | None, typer.Option(metavar="TEXT", help="Kept with the run; see `graphside runs`.")] = None,
    url: Url = None,
) -> None:
    """Run a task on a dataset and print what it returns, or write it to a file.

    On a terminal tables show their first rows and JSON is indented; elsewhere the result is what the server sent.

    Ctrl-C cancels the run. A task that fails ends this command with status 1.
    """
    if output_type is None:
        output_type = OutputType.JSON if format_ is Format.JSON else OutputType.TABLE
    asked = {
        "engine": engine,
        "output_type": output_type,
        "format": format_,
        "timeout_s": timeout,
        "memory_bytes": None if memory is None else byte_count(memory, "--memory"),
        "run_label": label,
    }
    on_screen = out is None and sys.stdout.isatty()
    if on_screen and output_type is OutputType.ALL and format_ is not Format.JSON:
        raise WrongInput("a zip of tables is nothing for a terminal; use -o FILE, or --format json")
    source = read_source(file)
    given = {name: value for name, value in asked.items() if value is not None}
    call = RunCall(connect(url), dataset, source, given)
    if on_screen:
        with TemporaryFile() as spool:
            content_type = call.write_to(spool)
            spool.seek(0)
            show_result(spool, content_type, output_type)
    elif out is None or str(out) == "-":
        call.write_to(sys.stdout.buffer)
    else:
        with result_file(out) as target:
            call.write_to(target)
        remark(f"wrote {out}")
