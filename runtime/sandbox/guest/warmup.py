"""Imports, and a first use of each code path, in the template, so that no run has to pay for them.

A first use costs 10-20 ms of imports and page faults, which every run would otherwise pay in its own process.
"""

import io
import os

import graphistry  # noqa: F401  imported for the children
import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from runtime.datasets.frames import map_frame
from runtime.datasets.plottable import build_plottable
from runtime.datasets.tables import canonical, write_canonical
from runtime.results.encoding import encode
from runtime.results.kinds import FORMATS
from runtime.sandbox.guest import event_loops, holder, parse_job
from runtime.sandbox.guest.device import loader as device_loader
from runtime.sandbox.guest.device import seat as device_seat
from runtime.source import load_task

FORKED = (device_loader, device_seat, holder, parse_job)
"""The modules that children of the template run. They are imported here, so that the import is paid once."""

_TASK = """
def task(g):
    return g.materialize_nodes().get_degrees()
"""

_PAYLOAD = {
    "name": "warm-up",
    "edge_encodings": {"bindings": {"source": "s", "destination": "d"}},
    "node_encodings": {"bindings": {}},
    "metadata": {},
}


def warm_up() -> None:
    """Load a small graph, run a task on it, encode its result in every format."""
    event_loops.do_without_sockets()
    pa.set_cpu_count(1)
    pa.set_io_thread_count(1)
    frame = pd.DataFrame({"s": ["a", "b"], "d": ["b", "c"], "weight": [1.0, 2.0], "hits": [1, 2]})
    graph = build_plottable(_through_file(frame), None, _PAYLOAD)
    value = load_task(_TASK).task(graph)
    encode({"x": 1}, "json", "json", True, io.BytesIO())
    for file_format in FORMATS:
        encode(value, "all", file_format, True, io.BytesIO())
    encode(_of_many_types(), "table", "json", True, io.BytesIO())
    graph.hop(pd.DataFrame({"id": ["a"]}), hops=1)


def _of_many_types() -> pd.DataFrame:
    """Return a frame that is long enough to be written by columns."""

    counts = range(1000)
    frame = pd.DataFrame({"n": counts, "weight": 0.5, "flag": True, "text": "a", "kind": "b", "escaped": '"'})
    frame["at"] = pd.to_datetime(frame["n"], unit="s")
    frame["gap"] = frame["n"].astype("Int64").where(frame["n"] > 0)
    return frame.assign(kind=frame["kind"].astype("category"), text=frame["text"].where(frame["n"] > 0))


def _through_file(frame: pd.DataFrame) -> pd.DataFrame:
    fd = os.memfd_create("warm-up")
    try:
        write_canonical(canonical(pa.Table.from_pandas(frame, preserve_index=False)), fd)
        return map_frame(fd)
    finally:
        os.close(fd)
