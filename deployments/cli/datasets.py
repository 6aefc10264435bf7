"""``dataset list``, ``dataset show``, ``dataset rm``; ``put`` and ``share`` have files of their own."""

from typing import Annotated, Any  # Any: JSON values

import typer

from deployments.cli.asking import confirm
from deployments.cli.connection import connect, segment
from deployments.cli.dataset_put import HELP, put
from deployments.cli.dataset_share import share
from deployments.cli.options import AsJson, Most, Url, Yes
from deployments.cli.pages import listed
from deployments.cli.terminal import moment, printable, show_fields, show_json, show_rows

app = typer.Typer(help="Upload, list, share and delete datasets.")

_PATH = "/api/v2/datasets/"


@app.command("list")
def list_datasets(
    search: Annotated[
        str | None, typer.Option(help="Only datasets with this text in their name, description or id.")
    ] = None,
    most: Most = 100,
    as_json: AsJson = False,
    url: Url = None,
) -> None:
    """List datasets: id, name, number of nodes and of edges, time of creation."""
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
    dataset: Annotated[str, typer.Argument(metavar="DATASET", help="The id of the dataset.")],
    as_json: AsJson = False,
    url: Url = None,
) -> None:
    """Show a dataset: its name, its size, and which columns are its bindings."""
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
    datasets: Annotated[list[str], typer.Argument(metavar="DATASET...", help="The ids of the datasets.")],
    yes: Yes = False,
    url: Url = None,
) -> None:
    """Delete datasets for good. Runs that are using one can still finish."""
    server = connect(url)
    paths = {dataset: f"{_PATH}{segment(dataset)}/" for dataset in datasets}
    if not yes:
        confirm(f"delete {', '.join(paths)} for good?")
    for dataset, path in paths.items():
        server.send("DELETE", path)
        print(f"deleted {printable(dataset)}")


app.command(help=HELP)(put)
app.command()(share)


def _bindings(dataset: dict[str, Any], encodings: str) -> dict[str, object]:
    """Return the columns of the bindings, by the role that each has."""
    found = dataset.get(encodings)
    bindings = found.get("bindings") if isinstance(found, dict) else None
    return {printable(role): column for role, column in bindings.items()} if isinstance(bindings, dict) else {}
