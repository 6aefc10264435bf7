"""Datasets on a server of ours, and calls to them."""

from dataclasses import dataclass

from bench.client import Call
from bench.datasets import Edges
from bench.servers import Server, Stage
from bench.transfer import Transfer, upload

HOST = "127.0.0.1"

_DESCRIPTION = {
    "name": "bench",
    "metadata": {},
    "node_encodings": {"bindings": {}},
    "edge_encodings": {"bindings": {"source": "s", "destination": "d"}},
}


@dataclass(frozen=True, slots=True)
class Hosted:
    """A dataset on a server."""

    server: Server
    dataset_id: str

    @classmethod
    def of(cls, stage: Stage, server: Server, edges: Edges, number: int = 0) -> "Hosted":
        """Return the dataset of these edges. The first call uploads it.

        Other numbers are other datasets with the same edges. Raises ``NoRoom``.
        """
        name = f"{edges.name}#{number}"
        if name not in server.dataset_ids:
            hosted = cls.empty(server)
            hosted.upload(stage, edges)
            server.dataset_ids[name] = hosted.dataset_id
        return cls(server, server.dataset_ids[name])

    @classmethod
    def empty(cls, server: Server) -> "Hosted":
        """Make a dataset without tables."""
        with server.client() as client:
            created = client.post("/api/v2/upload/datasets/", json=_DESCRIPTION).raise_for_status().json()
        return cls(server, created["data"]["dataset_id"])

    def upload(self, stage: Stage, edges: Edges) -> Transfer:
        """Upload these edges to the dataset."""
        path = f"/api/v2/upload/datasets/{self.dataset_id}/edges/arrow"
        return upload(HOST, self.server.port, path, edges.file(stage.folder), {"Authorization": self._authorization()})

    def call(self, task: str, **fields: object) -> Call:
        """Return a call that runs ``task``. ``fields`` are added to the body."""
        path = f"/api/v2/datasets/{self.dataset_id}/python"
        body = {"execute": task, **fields}
        return Call.post(HOST, self.server.port, path, body, {"Authorization": self._authorization()})

    def delete(self) -> None:
        """Delete the dataset from its server."""
        with self.server.client() as client:
            client.delete(f"/api/v2/datasets/{self.dataset_id}").raise_for_status()
        kept = self.server.dataset_ids
        self.server.dataset_ids = {name: one for name, one in kept.items() if one != self.dataset_id}

    def _authorization(self) -> str:
        with self.server.client() as client:
            return str(client.headers["Authorization"])
