"""What a task may return for each output type (protocol 4.5), and the error if it returned something else."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeGuard

import pandas as pd

from runtime.errors import ResultNotSerializable
from runtime.results.frames import is_cudf, is_frame
from runtime.results.kinds import OutputType
from runtime.results.record_frames import frame_of_records
from runtime.text import type_name

if TYPE_CHECKING:
    from runtime.results.frames import Frame

_GRAPH: Final = "a graph, or a dict with the keys 'nodes' and 'edges'"
_ONE_TABLE: Final = "a graph or a DataFrame"
_EXPECTED: Final = {
    "all": _GRAPH,
    "nodes": _ONE_TABLE,
    "edges": _ONE_TABLE,
    "shape": _GRAPH,
    "table": "a DataFrame",
}


@dataclass(frozen=True, slots=True)
class Graph:
    """The two tables of a graph. Each is a frame, a list of records (dicts), or None if the graph does not have it."""

    nodes: "Frame | None"
    edges: "Frame | None"


def graph_of_plottable(value: object) -> Graph | None:
    """Return the tables of a graphistry Plottable; None for anything else."""
    ours = any(str(cls.__module__).partition(".")[0] == "graphistry" for cls in type(value).__mro__)
    if not ours or not hasattr(value, "_nodes") or not hasattr(value, "_edges"):
        return None
    return Graph(nodes=value._nodes, edges=value._edges)


def graph_of(value: object, output_type: OutputType) -> Graph:
    """Return the tables of the value for ``all``, ``nodes``, ``edges`` or ``shape``.

    For ``nodes`` and ``edges`` a bare frame stands for that table.

    Raises:
        ResultNotSerializable: the value is not a graph.
    """
    graph = graph_of_plottable(value)
    if graph is None and isinstance(value, dict) and value and set(value) <= {"nodes", "edges"}:
        graph = Graph(nodes=value.get("nodes"), edges=value.get("edges"))
    if graph is None and output_type in ("nodes", "edges") and _is_table(value):
        graph = Graph(nodes=value, edges=value)
    if graph is None:
        raise _refused(value, output_type)
    for name, part in (("nodes", graph.nodes), ("edges", graph.edges)):
        if part is not None and not _is_table(part):
            raise ResultNotSerializable(
                f"the {name} of the returned graph are of type {type_name(type(part))}, not a DataFrame"
                f"{_hint(part, output_type)}"
            )
    return graph


def table_of(value: object) -> "Frame":
    """Return the value, which is a frame. Raise ``ResultNotSerializable`` for anything else."""
    if not _is_table(value):
        raise _refused(value, "table")
    return value


def shape_of(graph: Graph) -> pd.DataFrame:
    """Return two rows, ``nodes`` and ``edges``, with ``kind``, ``rows``, ``cols``. A missing table has 0 and 0."""
    shapes = [(0, 0) if part is None else as_frame(part).shape for part in (graph.nodes, graph.edges)]
    return pd.DataFrame(
        {
            "kind": ["nodes", "edges"],
            "rows": [rows for rows, _ in shapes],
            "cols": [cols for _, cols in shapes],
        }
    )


def as_frame(part: "Frame") -> "Frame":
    """Return a frame for the writers of CSV and Parquet. Records become a frame."""
    return frame_of_records(part) if isinstance(part, list) else part


def _is_table(value: object) -> "TypeGuard[Frame]":
    if isinstance(value, list):
        return all(issubclass(kind, dict) for kind in set(map(type, value)))
    return is_frame(value)


def _refused(value: object, output_type: OutputType) -> ResultNotSerializable:
    returned = "nothing (None)" if value is None else f"a value of type {type_name(type(value))}"
    return ResultNotSerializable(
        f"the task returned {returned}; output_type {output_type!r} needs {_EXPECTED[output_type]}"
        f"{_hint(value, output_type)}"
    )


def _hint(value: object, output_type: OutputType) -> str:
    if value is None:
        return "; does the task end with a return statement?"
    if isinstance(value, pd.Series) or is_cudf(value, "Series"):
        return "; call .to_frame() on the value, or .reset_index() to keep its labels"
    if graph_of_plottable(value) is not None:
        return "; return one of the graph's tables, or ask for output_type 'all', 'nodes' or 'edges'"
    if hasattr(value, "compute"):
        return "; call .compute() on the value"
    if output_type in ("all", "shape") and isinstance(value, dict):
        return "; the dict has other keys"
    return "" if is_frame(value) else "; other values can be sent with output_type 'json'"
