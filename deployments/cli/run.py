"""``run``."""

import sys
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
from runtime.results.kinds import FORMATS, OUTPUT_TYPES, Format, OutputType
from runtime.task import ENGINES, EngineName


def run(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A file that defines task(g); - is standard input.")],
    dataset: Annotated[str, typer.Option(help="The id of the dataset that the task gets.")],
    engine: Annotated[
        EngineName | None,
        typer.Option(metavar="|".join(ENGINES), help="Default: cudf if a GPU runner is running, else pandas."),
    ] = None,
    format_: Annotated[
        Format, typer.Option("--format", metavar="|".join(FORMATS), help="The encoding of tables.")
    ] = "json",
    output_type: Annotated[
        OutputType | None,
        typer.Option(
            metavar="|".join(OUTPUT_TYPES),
            help="What the task returns. Default: json; table with --format csv or parquet.",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="OUT", help="Write the result to this file; - is standard output."),
    ] = None,
    timeout: Annotated[float | None, typer.Option(metavar="S", help="End the run after this many seconds.")] = None,
    memory: Annotated[
        str | None, typer.Option(metavar="SIZE", help="The most memory that the run may use, such as 2GiB.")
    ] = None,
    threads: Annotated[int | None, typer.Option(min=1, help="The most threads that the run may have.")] = None,
    label: Annotated[
        str | None, typer.Option(metavar="TEXT", help="A label, stored with the run; see `graphside runs list`.")
    ] = None,
    url: Url = None,
) -> None:
    """Run a task on a dataset, and print its result or write it to a file.

    On a terminal, the command shows the first rows of a table, and indents JSON. Elsewhere it writes the server's
    response unchanged.

    Ctrl-C cancels the run. If the task fails, the exit status is 1.
    """
    if output_type is None:
        output_type = "json" if format_ == "json" else "table"
    asked = {
        "engine": engine,
        "output_type": output_type,
        "format": format_,
        "timeout_s": timeout,
        "memory_bytes": None if memory is None else byte_count(memory, "--memory"),
        "threads": threads,
        "run_label": label,
    }
    on_screen = out is None and sys.stdout.isatty()
    if on_screen and output_type == "all" and format_ != "json":
        raise WrongInput("a zip archive cannot be shown on a terminal; use -o FILE, or --format json")
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
