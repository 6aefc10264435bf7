"""``python -m bench.apps.bare``: the same work without a server, in one warm process.

The process has the libraries of our template. It reads one JSON object a line (``do``: the name of a step, and the
step's arguments) and answers each with one JSON object: the seconds that each part of the step took.
"""

import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
from graphistry.pygraphistry import bind

from runtime.datasets.frames import map_frame

_FORKS = 9


class Bare:
    """The loaded data and the steps. Each method is a step."""

    def __init__(self) -> None:
        self._graph: Any = None  # graphistry's Plottable is a protocol that mypy cannot follow

    def load(self, file: str) -> dict[str, float]:
        """Map an Arrow file and build its frame. ``load``: as pyarrow does it; ``ours``: as our holders do it."""
        self._graph = None
        began = time.perf_counter()
        with pa.memory_map(file) as source:
            frame = pa.ipc.open_file(source).read_all().to_pandas()
        loaded = time.perf_counter() - began
        self._graph = bind().edges(frame, "s", "d")
        began = time.perf_counter()
        descriptor = os.open(file, os.O_RDONLY)
        try:
            map_frame(descriptor)
        finally:
            os.close(descriptor)
        return {"load": loaded, "ours": time.perf_counter() - began}

    def run(self, source: str) -> dict[str, float]:
        """Compile a task and run it on the loaded graph."""
        began = time.perf_counter()
        names: dict[str, Any] = {}
        exec(source, names)
        names["task"](self._graph)
        return {"run": time.perf_counter() - began}

    def records(self, rows: int, into: str) -> dict[str, float]:
        """Turn the first rows into a document with ``to_dict('records')`` and ``json.dumps``.

        The file is written after the clock stopped.
        """
        edges = self._graph._edges.head(rows)
        began = time.perf_counter()
        text = json.dumps({"nodes": [], "edges": edges.to_dict("records")})
        taken = time.perf_counter() - began
        Path(into).write_text(text)
        return {"records": taken}

    def write_parquet(self, into: str) -> dict[str, float]:
        """Write the edges as a Parquet file."""
        return {"write": _timed(lambda: self._graph._edges.to_parquet(into, index=False))}

    def write_csv(self, into: str) -> dict[str, float]:
        """Write the edges as a CSV file. ``write``: with pandas; ``arrow``: with pyarrow."""
        edges = self._graph._edges
        arrow = _timed(lambda: pa.csv.write_csv(pa.Table.from_pandas(edges, preserve_index=False), into))
        return {"write": _timed(lambda: edges.to_csv(into, index=False)), "arrow": arrow}

    def write_table(self, file: str, into: str) -> dict[str, float]:
        """Read an Arrow file and write it as a Parquet file. Only the writing is timed."""
        table = pa.ipc.open_file(pa.memory_map(file)).read_all()
        return {"write": _timed(lambda: pa.parquet.write_table(table, into))}

    def read_parquet(self, file: str) -> dict[str, float]:
        """Read a file with ``pandas.read_parquet``."""
        return {"read": _timed(lambda: pd.read_parquet(file))}

    def fork(self) -> dict[str, float]:
        """Fork children that end at once.

        Return the median time until one is reaped, because one may meet a busy moment.
        """
        return {"fork": statistics.median(_timed(_fork) for _ in range(_FORKS))}


class _Step(Protocol):
    def __call__(self, **arguments: object) -> dict[str, float]: ...


def _timed(step: Callable[[], object]) -> float:
    began = time.perf_counter()
    step()
    return time.perf_counter() - began


def _fork() -> None:
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)


def main() -> None:
    """Serve steps until standard input ends."""
    bare = Bare()
    print(json.dumps({}), flush=True)
    for line in sys.stdin:
        order = json.loads(line)
        step: _Step = getattr(bare, order.pop("do"))
        print(json.dumps(step(**order)), flush=True)


if __name__ == "__main__":
    main()
