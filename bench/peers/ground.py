"""What all subjects of a run have in common, and our own server as a subject."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from bench.client import Call
from bench.peers.held import Leavings
from bench.peers.subject import Plain
from bench.servers import Server, Stage

OURS = "graphside"
EDGES = 1_000_000
_NODES = 100_000


@dataclass(frozen=True, slots=True)
class Ground:
    """The common ground of all subjects.

    ``edges``: the Arrow file that all have loaded. ``limit_s``: the time limit of a call, for subjects that can have
    one. ``workers``: the number of processes, for subjects that have several; each has the data.
    """

    folder: Path
    edges: Path
    limit_s: float
    workers: int
    tell: Callable[[str], None]


def edges_file(folder: Path) -> Path:
    """Return the edges as an Arrow file (24 MB): ``s``, ``d`` (int64), ``w`` (float64)."""
    path = folder / "peers-edges.arrow"
    random = np.random.default_rng(7)
    ids = {name: pa.array(random.integers(0, _NODES, EDGES)) for name in ("s", "d")}
    table = pa.table({**ids, "w": pa.array(random.random(EDGES))})
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    return path


def ours(stage: Stage, ground: Ground) -> Plain:
    """Start our server, with default settings and the edges as a dataset."""
    (server,) = stage.running(OURS)
    path, headers = _upload(server, ground.edges)

    def call(task: str) -> Call:
        return Call.post("127.0.0.1", server.port, path, {"execute": task, "timeout_s": ground.limit_s}, headers)

    def end() -> Leavings:
        server.stop()
        return Leavings(True, 0)

    return Plain(OURS, call, server.pid, end)


def _upload(server: Server, file: Path) -> tuple[str, dict[str, str]]:
    """Upload the edges. Return the path that runs tasks on them, and the headers for that."""
    with server.client() as client:
        body = {
            "name": "bench",
            "metadata": {},
            "node_encodings": {"bindings": {}},
            "edge_encodings": {"bindings": {"source": "s", "destination": "d"}},
        }
        created = client.post("/api/v2/upload/datasets/", json=body).raise_for_status().json()
        dataset_id = created["data"]["dataset_id"]
        path = f"/api/v2/upload/datasets/{dataset_id}/edges/arrow"
        client.post(path, content=file.read_bytes()).raise_for_status()
        return f"/api/v2/datasets/{dataset_id}/python", {"Authorization": client.headers["Authorization"]}
