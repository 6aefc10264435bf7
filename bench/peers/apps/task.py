"""The data and ``task(g)``, the same for every peer that runs a text in its own process.

``g`` has the part of a Plottable that the benchmark's tasks use: its edges. Every peer uses the standard library's
JSON.
"""

import json
import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any  # what a user's function takes and gives

import pyarrow as pa

EDGES_FILE = "PEER_EDGES"
"""The variable that names an Arrow file of the edges."""

LIMIT_S = "PEER_LIMIT_S"
"""The variable that says how long a call may take, for peers that have a limit of their own."""


def load(path: str | Path | None = None) -> Any:
    """Load the graph. Its edges are a pandas frame in this process's memory."""
    with pa.memory_map(str(path or os.environ[EDGES_FILE])) as file:
        return graph(pa.ipc.open_file(file).read_all().to_pandas())


def graph(edges: Any) -> Any:
    """Return a graph of this frame."""
    return SimpleNamespace(_edges=edges)


def limit_s() -> float:
    return float(os.environ[LIMIT_S])


def run(text: str, graph: Any) -> Any:
    """Run the text's ``task`` and return its result."""
    namespace: dict[str, Any] = {"__name__": "task"}
    exec(compile(text, "<task>", "exec"), namespace)
    return namespace["task"](graph)


def run_to_json(text: str, graph: Any) -> str:
    return json.dumps(run(text, graph))
