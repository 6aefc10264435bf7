"""``dataset list``, ``dataset show``, ``dataset rm``; ``put`` and ``share`` have files of their own."""

from typing import Annotated, Any  # Any: JSON values

import typer

from deployments.cli.asking import confirm
from deployments.cli.connection import connect, segment
from deployments.cli.dataset_put import put
from deployments.cli.dataset_share import share
from deployments.cli.options import AsJson, Most, Url, Yes
from deployments.cli.pages import listed
from deployments.cli.terminal import moment, printable, show_fields, show_json, show_rows

app = typer.Typer(help="Upload, list, share and delete datasets.")

_PATH = "/api/v2/datasets/"


@app.command("list")
def list_datasets(
    search: Annotated[str | None, typer.Option(help="Only those with this in name, description or id.")] = None,
    most: Most = 100,
    as_json: AsJson = False,
    url: Url = None,
) -> None:
    """List datasets: id, name, counts of nodes and edges, when they were made."""
    found = listed(connect(url), _PATH, most, {"search": search})
    if as_json:
        return show_json(found)
    rows = [
        (
            dataset.get("dataset_id"),
            dataset.get("name"),
            dataset.get("node_count"),
            dataset.get("edge_count"),
            moment(dataset.get("created_at")),
        )
        for dataset in found
    ]
    show_rows(("id", "name", "nodes", "edges", "created"), rows)


@app.command()
def show(
    dataset: Annotated[str, typer.Argument(metavar="DATASET", help="Its id.")], as_json: AsJson = False, url: Url = None
) -> None:
    """Show what a dataset is: its name, its tables, which columns are bound to what."""
    found = connect(url).send("GET", f"{_PATH}{segment(dataset)}/")
    if as_json:
        return show_json(found)
    show_fields(
        {
            "id": found.get("dataset_id"),
            "name": found.get("name"),
            "description": found.get("description"),
            "nodes": found.get("node_count"),
            "edges": found.get("edge_count"),
            **_bindings(found, "edge_encodings"),
            **_bindings(found, "node_encodings"),
            "created": moment(found.get("created_at")),
            "updated": moment(found.get("updated_at")),
        }
    )


@app.command()
def rm(
    datasets: Annotated[list[str], typer.Argument(metavar="DATASET...", help="Their ids.")],
    yes: Yes = False,
    url: Url = None,
) -> None:
    """Delete datasets. Runs that have them finish first."""
    server = connect(url)
    paths = {dataset: f"{_PATH}{segment(dataset)}/" for dataset in datasets}
    if not yes:
        confirm(f"delete {', '.join(paths)} for good?")
    for dataset, path in paths.items():
        server.send("DELETE", path)
        print(f"deleted {printable(dataset)}")


app.command()(put)
app.command()(share)


def _bindings(dataset: dict[str, Any], encodings: str) -> dict[str, object]:
    """The columns that are bound, by what they are bound to."""
    found = dataset.get(encodings)
    bindings = found.get("bindings") if isinstance(found, dict) else None
    return {printable(role): column for role, column in bindings.items()} if isinstance(bindings, dict) else {}
