"""Options that several commands share."""

from pathlib import Path
from typing import Annotated

import typer

Url = Annotated[
    str | None,
    typer.Option(help="The URL of the server. Default: GRAPHSIDE_URL, else the server that you signed in to."),
]
PasswordStdin = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from the first line of standard input.")
]
Data = Annotated[
    Path | None, typer.Option(help="The data directory. Default: GRAPHSIDE_DATA, else .graphside in this directory.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the server's answer as JSON.")]
Most = Annotated[int, typer.Option("--limit", min=1, help="List at most this many, newest first.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")]
