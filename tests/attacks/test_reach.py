"""A task reaches nothing around it: tried with the real addresses and paths of the live server, in each mode.

Each test first shows that the way is open to a process that nothing confines.
"""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any
from uuid import uuid4

import pyarrow as pa
import pytest

from tests.attacks import reaches
from tests.attacks.arena import Arena
from tests.attacks.surroundings import Surroundings, answers
from tests.waiting import eventually

pytestmark = pytest.mark.e2e


def through(arena: Arena, code: str) -> Any:
    """The ways that went through."""
    answer = arena.person.run(arena.dataset_id, code, engine="pandas", timeout_s=30)
    assert answer.status_code == 200, answer.text
    assert arena.canary not in answer.text
    return answer.json()


def unreachable(arena: Arena, addresses: list[tuple[str, int]] | list[str]) -> None:
    assert addresses
    assert all(answers(address) for address in addresses), "the addresses of this test are wrong"
    assert through(arena, reaches.connecting(addresses)) == []


def unreadable(arena: Arena, paths: list[Path]) -> None:
    assert paths
    for path in paths:
        path.read_bytes() if path.is_file() else sorted(path.iterdir())
    assert through(arena, reaches.reading(map(str, paths))) == []
    assert all(path.exists() for path in paths)


@pytest.mark.claim(12)
def test_a_task_cannot_reach_the_control_store_of_ray(arena: Arena) -> None:
    unreachable(arena, Surroundings(arena.server).listening("gcs_server"))


@pytest.mark.claim(12)
def test_a_task_cannot_reach_the_raylet(arena: Arena) -> None:
    around = Surroundings(arena.server)
    unreachable(arena, around.listening("raylet/raylet"))
    unreachable(arena, around.sockets("raylet"))


@pytest.mark.claim(12)
def test_a_task_cannot_reach_the_dashboard(arena: Arena) -> None:
    unreachable(arena, Surroundings(arena.server).listening("dashboard.py"))


@pytest.mark.claim(12)
def test_a_task_cannot_reach_the_object_store(arena: Arena) -> None:
    unreachable(arena, Surroundings(arena.server).sockets("plasma"))


@pytest.mark.claim(12)
def test_a_task_cannot_reach_the_replicas(arena: Arena) -> None:
    unreachable(arena, Surroundings(arena.server).listening("ServeReplica"))


@pytest.mark.claim(12)
def test_a_task_cannot_reach_the_server_s_http_port(arena: Arena) -> None:
    unreachable(arena, [("127.0.0.1", arena.server.port)])
    unreachable(arena, Surroundings(arena.server).listening("haproxy"))


@pytest.mark.claim(13)
def test_a_task_cannot_read_the_environment_of_the_server(arena: Arena) -> None:
    pids = Surroundings(arena.server).pids()
    assert arena.canary.encode() in Path(f"/proc/{pids[0]}/environ").read_bytes()
    assert through(arena, reaches.looking_at_processes(pids, "SERVER_CANARY")) == []


@pytest.mark.claim(13)
def test_a_task_cannot_read_the_keys(arena: Arena) -> None:
    keys = arena.server.data / "keys"
    unreadable(arena, [keys, *(path for path in keys.iterdir())])


@pytest.mark.claim(13)
def test_a_task_cannot_read_the_catalog(arena: Arena) -> None:
    unreadable(arena, sorted(arena.server.data.glob("catalog.sqlite*")))


@pytest.mark.claim(13)
def test_a_task_cannot_read_logs_or_the_server_s_folders(arena: Arena) -> None:
    data = arena.server.data
    logs = [path for path in (data / "logs").rglob("*") if path.is_file()]
    unreadable(arena, [data, data / "objects", data / "server.json", *logs[:5]])


def test_a_task_cannot_read_the_bytes_of_another_dataset(arena: Arena) -> None:
    marker = f"marker-{uuid4().hex}"
    known = set((arena.server.data / "objects").rglob("*.arrow"))
    other = arena.person.upload(pa.table({"src": [marker], "dst": ["x"]}), source="src", destination="dst")
    loaded = arena.person.run(other, "def task(g): return len(g._edges)")
    assert loaded.status_code == 200  # it is in a holder beside ours now
    (file,) = set((arena.server.data / "objects").rglob("*.arrow")) - known
    assert marker.encode() in file.read_bytes()
    unreadable(arena, [file, file.parent])
    seen = arena.person.run(other, reaches.searching_memory([marker.encode()]), timeout_s=60)
    assert seen.status_code == 200, seen.text
    assert seen.json(), "the search finds nothing even where it is"
    assert through(arena, reaches.searching_memory([marker.encode()])) == []
    arena.person.http.delete(f"/api/v2/datasets/{other}")


def test_no_secret_of_the_server_is_in_the_memory_of_a_task(arena: Arena) -> None:
    secrets = [path.read_bytes().strip() for path in (arena.server.data / "keys").iterdir() if path.is_file()]
    token = arena.person.token.encode()
    assert through(arena, reaches.searching_memory([arena.canary.encode(), token[-40:], *secrets])) == []


def test_a_task_cannot_reach_the_scratch_of_another_run(arena: Arena) -> None:
    code = "import time\ndef task(g):\n    open('note', 'w').write('mine')\n    time.sleep(3)"
    other = threading.Thread(target=arena.person.run, args=(arena.dataset_id, code))
    other.start()
    found = eventually(lambda: list(arena.place.scratch_root.glob("*/note")))
    unreadable(arena, [found[0], found[0].parent])
    assert found[0].read_text() == "mine"
    other.join()
    # All that it can list of the directory above are the names of directories that it may not enter.
    unreadable(arena, [arena.place.scratch_root])
