"""``dataset put``."""

from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from deployments.cli.answers import expect
from deployments.cli.connection import connect
from deployments.cli.errors import WrongInput
from deployments.cli.file_types import COMPRESSION_ENDINGS, TYPE_ENDINGS, table_file
from deployments.cli.options import Url
from deployments.cli.terminal import counted, printable, remark
from deployments.cli.uploading import UploadedTable, forget, upload
from runtime.datasets.file_types import FILE_TYPE_NAMES

_TYPES = ", ".join(FILE_TYPE_NAMES)

HELP = f"""Upload a graph and print the id of the new dataset.

The ending of a file's name says what it is: {" ".join(TYPE_ENDINGS)}. --type says it for a file with another name.

A file may be compressed, as edges.csv.gz is: {" ".join(COMPRESSION_ENDINGS)}.

The options of each type of file are those of an upload over HTTP; docs/formats.md lists them.
"""


def put(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The table of edges.")],
    source: Annotated[str, typer.Option(help="The column with the node where each edge starts.")],
    destination: Annotated[str, typer.Option(help="The column with the node where each edge ends.")],
    nodes: Annotated[Path | None, typer.Option(metavar="FILE", help="The table of nodes; needs --node.")] = None,
    node: Annotated[str | None, typer.Option(help="The column with the nodes' ids; needs --nodes.")] = None,
    name: Annotated[
        str | None, typer.Option(help="The name of the dataset. Default: the name of FILE without its ending.")
    ] = None,
    description: Annotated[str, typer.Option(help="The description of the dataset.")] = "",
    option: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=VALUE", help="How to read FILE, such as sep=';' or header=none. May be repeated."),
    ] = None,
    nodes_option: Annotated[
        list[str] | None, typer.Option(metavar="NAME=VALUE", help="How to read the table of nodes. May be repeated.")
    ] = None,
    file_type: Annotated[
        str | None,
        typer.Option("--type", metavar="TYPE", help=f"The type of FILE, if its ending does not say it: {_TYPES}."),
    ] = None,
    nodes_type: Annotated[str | None, typer.Option(metavar="TYPE", help="The type of the table of nodes.")] = None,
    org: Annotated[str | None, typer.Option(help="The organization of the dataset.")] = None,
    url: Url = None,
) -> None:
    if (nodes is None) != (node is None):
        raise WrongInput("--nodes FILE and --node COLUMN must be given together")
    for name_of_option, value in (("--nodes-option", nodes_option), ("--nodes-type", nodes_type)):
        if value and nodes is None:
            raise WrongInput(f"{name_of_option} needs --nodes FILE")
    files = {"edges": table_file(file, option or (), file_type)}
    if nodes is not None:
        files["nodes"] = table_file(nodes, nodes_option or (), nodes_type, prefix="nodes-")
    server = connect(url)
    with ExitStack() as uploaded:
        tables: dict[str, UploadedTable] = {}
        for role, table in files.items():
            tables[role] = upload(server, table)
            # A dataset keeps its tables when the files that they came from are deleted.
            uploaded.callback(forget, server, tables[role].file_id)
        bound = {"source": source, "destination": destination}
        _require(file, tables["edges"], bound)
        if nodes is not None and node is not None:
            _require(nodes, tables["nodes"], {"node": node})
        body: dict[str, object] = {
            "name": files["edges"].stem if name is None else name,
            "description": description,
            "metadata": {"agent": "graphside", "apiversion": "3"},
            "edge_encodings": {"bindings": bound},
            "node_encodings": {"bindings": {} if node is None else {"node": node}},
            **{f"{role}_files": [table.file_id] for role, table in _by_wire_name(tables).items()},
            **({} if org is None else {"org_name": org}),
        }
        answer = server.send("POST", "/api/v2/upload/datasets/", body)
        dataset = printable(expect(expect(answer, "data", dict), "dataset_id", str))
    print(dataset)
    counts = ", ".join(counted(table.row_count, role.removesuffix("s")) for role, table in tables.items())
    remark(f"{counts}; to run a task on it: graphside run FILE.py --dataset {dataset}")


def _by_wire_name(tables: dict[str, UploadedTable]) -> dict[str, UploadedTable]:
    """Return the tables under the words with which the body's keys begin: ``edge`` and ``node``."""
    return {role.removesuffix("s"): table for role, table in tables.items()}


def _require(path: Path, table: UploadedTable, bound: dict[str, str]) -> None:
    """Raise ``WrongInput`` if the table lacks a column that is to be bound."""
    for role, column in bound.items():
        if column not in table.columns:
            known = ", ".join(map(printable, table.columns[:20])) + (", …" if len(table.columns) > 20 else "")
            raise WrongInput(f"{printable(path)} has no column {printable(column)} for --{role}; it has {known}")
