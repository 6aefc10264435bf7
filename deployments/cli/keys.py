"""``key create``, ``key revoke``, ``key list``."""

import sys
from typing import Annotated

import typer

from deployments.cli.answers import expect, objects
from deployments.cli.connection import connect, segment
from deployments.cli.options import AsJson, Url
from deployments.cli.terminal import moment, printable, show_json, show_rows

app = typer.Typer(help="Create, revoke and list personal keys. Programs sign in with them instead of your password.")

_PATH = "/api/v2/auth/pkey/"


@app.command()
def create(
    name: Annotated[str, typer.Argument(metavar="[NAME]", help="What the key is for.")] = "",
    url: Url = None,
) -> None:
    """Create a key and print it; it is shown only once.

    If the output is not a terminal, it is ID:SECRET, which `graphside login --key-stdin` reads.
    """
    made = connect(url).send("POST", _PATH, {"name": name})
    key_id, secret = printable(expect(made, "id", str)), printable(expect(made, "secret", str))
    if sys.stdout.isatty():
        print(f"personal_key_id      {key_id}\npersonal_key_secret  {secret}\n(shown this once)")
    else:
        print(f"{key_id}:{secret}")


@app.command()
def revoke(key_id: Annotated[str, typer.Argument(metavar="ID", help="The id of the key.")], url: Url = None) -> None:
    """Revoke a key. Every token that was issued for it ends."""
    connect(url).send("DELETE", f"{_PATH}{segment(key_id)}/")
    print(f"{printable(key_id)} is revoked; its tokens have ended")


@app.command("list")
def list_keys(as_json: AsJson = False, url: Url = None) -> None:
    """List your keys: id, name, state, time of creation, time of last use."""
    keys = objects(connect(url).send("GET", _PATH), "results")
    if as_json:
        return show_json(keys)
    rows = [
        (
            key.get("id"),
            key.get("name"),
            "revoked" if key.get("revoked_at") else "active",
            moment(key.get("created_at")),
            moment(key.get("last_used_at")),
        )
        for key in keys
    ]
    show_rows(("id", "name", "state", "created", "last used"), rows)
