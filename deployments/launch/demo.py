"""A small graph to try the server with: Zachary's karate club, uploaded through the server's own API.

34 members of a club, 78 friendships, and the side of each member when the club split (Zachary 1977, public data).
"""

import io
import json
from dataclasses import dataclass
from pathlib import Path

import httpx
import pyarrow as pa

_FRIENDS = {
    1: (2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 14, 18, 20, 22, 32),
    2: (3, 4, 8, 14, 18, 20, 22, 31),
    3: (4, 8, 9, 10, 14, 28, 29, 33),
    4: (8, 13, 14),
    5: (7, 11),
    6: (7, 11, 17),
    7: (17,),
    9: (31, 33, 34),
    10: (34,),
    14: (34,),
    15: (33, 34),
    16: (33, 34),
    19: (33, 34),
    20: (34,),
    21: (33, 34),
    23: (33, 34),
    24: (26, 28, 30, 33, 34),
    25: (26, 28, 32),
    26: (32,),
    27: (30, 34),
    28: (34,),
    29: (32, 34),
    30: (33, 34),
    31: (33, 34),
    32: (33, 34),
    33: (34,),
}
_WITH_THE_INSTRUCTOR = frozenset((1, 2, 3, 4, 5, 6, 7, 8, 9, 11, 12, 13, 14, 17, 18, 20, 22))
_NAMED = {1: "Mr. Hi", 34: "John A."}
_TIMEOUT_S = 30.0

TASK = 'def task(g): return g.get_degrees()._nodes.nlargest(3, "degree")[["name", "degree"]].to_dict("records")'
"""The task of the line that ``make serve`` prints: who has most friends."""


@dataclass(frozen=True, slots=True)
class Demo:
    """The demo dataset and who owns it."""

    dataset_id: str
    username: str


class DemoFailed(Exception):
    """The server did not accept the demo graph. The message is one line."""


def edges() -> pa.Table:
    """Return 78 rows with the columns ``source`` and ``target`` (string)."""
    pairs = [(member, friend) for member, friends in _FRIENDS.items() for friend in friends]
    return pa.table({"source": [_name(a) for a, _ in pairs], "target": [_name(b) for _, b in pairs]})


def nodes() -> pa.Table:
    """Return 34 rows with the columns ``name`` and ``side`` (string)."""
    members = range(1, 35)
    sides = ["instructor" if member in _WITH_THE_INSTRUCTOR else "president" for member in members]
    return pa.table({"name": [_name(member) for member in members], "side": sides})


def recall(data_dir: Path) -> Demo | None:
    """Return the demo of an earlier start, or None."""
    try:
        return Demo(**json.loads((data_dir / "demo.json").read_text()))
    except (OSError, ValueError, TypeError):
        return None


def ensure(data_dir: Path, url: str, username: str, token: str) -> Demo:
    """Return the user's demo dataset, uploading it if it is not there. Raises ``DemoFailed``."""
    known = recall(data_dir)
    headers = {"Authorization": f"Bearer {token}"}
    try:
        # trust_env=False, because a proxy cannot reach a server on this machine
        with httpx.Client(base_url=url, headers=headers, timeout=_TIMEOUT_S, trust_env=False) as client:
            if known is not None and client.get(f"/api/v2/upload/datasets/{known.dataset_id}").is_success:
                return known
            demo = Demo(_upload(client), username)
    except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
        raise DemoFailed(f"{type(error).__name__}: {error}".splitlines()[0]) from error
    (data_dir / "demo.json").write_text(json.dumps({"dataset_id": demo.dataset_id, "username": username}))
    return demo


def _upload(client: httpx.Client) -> str:
    body = {
        "name": "Karate club",
        "description": "Zachary's karate club: 34 members, 78 friendships.",
        "metadata": {"agent": "graphside"},
        "node_encodings": {"bindings": {"node": "name"}},
        "edge_encodings": {"bindings": {"source": "source", "destination": "target"}},
        "node_files": [_upload_file(client, "Karate club nodes", nodes())],
        "edge_files": [_upload_file(client, "Karate club edges", edges())],
    }
    answer = client.post("/api/v2/upload/datasets/", json=body).raise_for_status().json()
    return str(answer["data"]["dataset_id"])


def _upload_file(client: httpx.Client, name: str, table: pa.Table) -> str:
    created = client.post("/api/v2/files/", json={"file_type": "arrow", "name": name})
    file_id = str(created.raise_for_status().json()["file_id"])
    sink = io.BytesIO()
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    answer = client.post(f"/api/v2/upload/files/{file_id}", content=sink.getvalue()).raise_for_status().json()
    if not (answer["is_valid"] and answer["is_uploaded"]):
        raise ValueError(f"{name}: {answer.get('errors')}")
    return file_id


def _name(member: int) -> str:
    return _NAMED.get(member, f"Member {member}")
