"""Options that several commands have."""

from pathlib import Path
from typing import Annotated

import typer

Url = Annotated[str | None, typer.Option(help="The server (also GRAPHSIDE_URL); else the one that you signed in to.")]
PasswordStdin = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from the first line of standard input.")
]
Data = Annotated[Path | None, typer.Option(help="The data directory (also GRAPHSIDE_DATA; default ./.graphside).")]
AsJson = Annotated[bool, typer.Option("--json", help="Print what the server answered as JSON.")]
Most = Annotated[int, typer.Option("--limit", min=1, help="The most to list, newest first.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask whether you are sure.")]
