"""Everything is killed at random moments of a mixed load, over and over: what was acknowledged is there, whole.

``GRAPHSIDE_SOAK_KILLS`` says how often (50); ``GRAPHSIDE_SOAK_SEED`` repeats the choices of an earlier run, which
prints its own.
"""

import os
import random
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import psutil
import pyarrow as pa
import pytest
import sqlalchemy as sa

from catalog.engine import open_catalog, sqlite_url
from catalog.tables import dataset_tables, files, objects
from runtime.datasets.records import Datasets
from runtime.datasets.store.local import LocalStore
from runtime.datasets.store.sweep import sweep
from tests.conftest import LiveServer, Person, arrow_file, free_port
from tests.waiting import WITHIN_S, eventually

KILLS = int(os.environ.get("GRAPHSIDE_SOAK_KILLS", "50"))
SEED = int(os.environ.get("GRAPHSIDE_SOAK_SEED", str(random.SystemRandom().randrange(2**31))))
WORKERS = 4
LONGEST_LOAD_S = 4.0
LOOK = 'def task(g): return None if g._edges is None else [len(g._edges), int(g._edges["w"].sum())]'

pytestmark = [pytest.mark.soak, pytest.mark.e2e, pytest.mark.timeout(600 + 120 * KILLS)]


def edges(number: int) -> tuple[pa.Table, list[int]]:
    """A table that is like no other, and what ``LOOK`` says of it."""
    rows = 500 + number % 5000
    table = pa.table({"s": list(range(rows)), "d": list(range(1, rows + 1)), "w": [number] * rows})
    return table, [rows, rows * number]


@dataclass
class Known:
    """What a client knows of a dataset. What was asked for and not answered is uncertain: either may be so."""

    id: str
    content: list[int] | None = None
    asked_content: list[int] | None = None
    mode: str = "private"
    asked_mode: str | None = None
    deleted: bool = False
    asked_deletion: bool = False


@dataclass
class Client:
    """One of several clients that work with the server at the same time; it ends when the server ends."""

    person: Person
    moments: random.Random
    modes: list[str]
    known: list[Known] = field(default_factory=list)
    files: dict[str, bool] = field(default_factory=dict)
    acknowledged: int = 0

    def work(self, killing: threading.Event) -> None:
        """Until the server is being killed; what was asked last may then stay uncertain."""
        try:
            while not killing.is_set():
                self._step()
                self.acknowledged += 1
        except (httpx.TransportError, Dying):
            if not killing.is_set():
                raise

    def _step(self) -> None:
        living = [known for known in self.known if not known.asked_deletion]
        attached = [known for known in living if known.content is not None]
        steps = [self._create, self._upload_file]
        if living:
            steps += [lambda: self._attach(self.moments.choice(living))] * 2
        if attached:
            steps += [lambda: self._share(self.moments.choice(attached))]
            steps += [lambda: self._delete(self.moments.choice(attached))]
        self.moments.choice(steps)()

    def _create(self) -> None:
        body = {"name": "soak", "metadata": {}, "node_encodings": {"bindings": {}},
                "edge_encodings": {"bindings": {"source": "s", "destination": "d"}}}  # fmt: skip
        answer = self._send("POST", "/api/v2/upload/datasets/", json=body)
        self.known.append(Known(answer.json()["data"]["dataset_id"]))

    def _upload_file(self) -> None:
        made = self._send("POST", "/api/v2/files/", json={"file_type": "arrow", "name": "soak"}).json()["file_id"]
        self.files[made] = False
        self._send("POST", f"/api/v2/upload/files/{made}", content=arrow_file(edges(1)[0]))
        self.files[made] = True

    def _attach(self, known: Known) -> None:
        table, known.asked_content = edges(self.moments.randrange(1, 100_000))
        self._send("POST", f"/api/v2/upload/datasets/{known.id}/edges/arrow", content=arrow_file(table))
        known.content, known.asked_content = known.asked_content, None

    def _share(self, known: Known) -> None:
        known.asked_mode = self.moments.choice(self.modes)
        self._send("POST", "/api/v2/share/link/", json=share_of(known.id, known.asked_mode))
        known.mode, known.asked_mode = known.asked_mode, None

    def _delete(self, known: Known) -> None:
        known.asked_deletion = True
        self._send("DELETE", f"/api/v2/datasets/{known.id}/")
        known.deleted = True

    def _send(self, method: str, path: str, **body: Any) -> httpx.Response:
        answer = self.person.http.request(method, path, **body)
        if answer.status_code >= 500:  # other parts of the server were killed before the front was
            raise Dying(answer.text)
        assert answer.is_success, f"{method} {path}: {answer.text}"
        return answer


class Dying(Exception):
    """The server said that it cannot."""


def share_of(dataset_id: str, mode: str) -> dict[str, Any]:
    return {"obj_pk": dataset_id, "obj_type": "dataset", "mode": mode, "notify": False, "invited_users": [],
            "mode_action": "10", "message": ""}  # fmt: skip


@pytest.fixture
def server(tmp_path: Path) -> Iterator[LiveServer]:
    live = LiveServer(tmp_path / "data", free_port(), {"GRAPHSIDE_LOG_LEVEL": "WARNING"}).start()
    yield live
    live.stop()


def test_after_a_kill_at_any_moment_all_acknowledged_data_is_there_and_none_is_partial(
    server: LiveServer, capsys: pytest.CaptureFixture[str]
) -> None:
    moments = random.Random(SEED)
    with capsys.disabled():
        print(f"\nGRAPHSIDE_SOAK_SEED={SEED}, {KILLS} kills")
    person = server.log_in()
    modes = modes_of(person)
    clients = [Client(person, random.Random(moments.random()), modes) for _ in range(WORKERS)]
    for kill in range(1, KILLS + 1):
        load_and_kill(server, clients, moments)
        server.start()
        person = server.log_in()
        checked = [check(person, client) for client in clients]
        check_bytes(server.data)
        clients[0].person.http.close()  # one connection pool for all
        for client in clients:
            client.person = person
        with capsys.disabled():
            done = sum(client.acknowledged for client in clients)
            print(f"kill {kill}: {done} calls acknowledged so far, {sum(checked)} datasets looked at", flush=True)
    person.http.close()
    assert all(client.acknowledged for client in clients)


def modes_of(person: Person) -> list[str]:
    """Those modes of sharing that this server has."""
    made = person.upload(edges(1)[0])
    modes = []
    for mode in ("private", "organization", "public"):
        answer = person.http.post("/api/v2/share/link/", json=share_of(made, mode))
        if answer.is_success:
            modes.append(mode)
    assert person.http.delete(f"/api/v2/datasets/{made}/").is_success
    assert "private" in modes
    return modes


def load_and_kill(server: LiveServer, clients: list[Client], moments: random.Random) -> None:
    """All clients work; at a random moment every process of the server is killed, in random order."""
    killing = threading.Event()
    before = [client.acknowledged for client in clients]
    with ThreadPoolExecutor(len(clients)) as pool:
        working = [pool.submit(client.work, killing) for client in clients]
        eventually(lambda: before != [client.acknowledged for client in clients])
        time.sleep(moments.uniform(0, LONGEST_LOAD_S))  # the moment is what this test varies
        everything = server.processes()
        moments.shuffle(everything)
        killing.set()
        for process in everything:
            try:
                process.kill()
            except psutil.NoSuchProcess:
                continue
        for worker in working:
            worker.result(WITHIN_S)
    assert server.process is not None
    server.process.wait(WITHIN_S)
    psutil.wait_procs(everything, timeout=WITHIN_S)


def check(person: Person, client: Client) -> int:
    """Every dataset of a client is as it was told, or as it last asked for; how many there are."""
    listed = {item["dataset_id"] for item in pages(person, "/api/v2/datasets/")}
    for known in client.known:
        there = known.id in listed
        if known.deleted:
            assert not there, f"{known} came back"
        elif not known.asked_deletion:
            assert there, f"{known} is gone"
        known.deleted = known.asked_deletion = not there
        if there:
            check_content(person, known)
            check_share(person, known)
    sent = {item["file_id"]: item for item in pages(person, "/api/v2/files/")}
    for file_id, whole in client.files.items():
        assert file_id in sent
        assert sent[file_id]["is_valid"] == sent[file_id]["is_uploaded"]
        assert sent[file_id]["is_uploaded"] or not whole
    client.known = [known for known in client.known if not known.deleted]
    return len(client.known)


def check_content(person: Person, known: Known) -> None:
    answer = person.run(known.id, LOOK)
    assert answer.status_code == 200, f"{known}: {answer.text}"
    found = answer.json()
    assert found in (known.content, known.asked_content), f"{known} has {found}"
    known.content, known.asked_content = found, None


def check_share(person: Person, known: Known) -> None:
    answer = person.http.get(f"/api/v2/share/link/{known.id}")
    if answer.status_code in (404, 405):  # a server that knows one mode only does not tell it
        found = "private"
    else:
        assert answer.is_success, answer.text
        found = answer.json()["data"]["mode"]
    assert found in (known.mode, known.asked_mode), f"{known} is {found}"
    known.mode, known.asked_mode = found, None


def check_bytes(data: Path) -> None:
    """Nobody works now: after a collection there is no stored table without a row, nor a row that nothing names."""
    store = LocalStore(data)
    with closing(open_catalog(sqlite_url(data / "catalog.sqlite"))) as catalog:
        sweep(store, Datasets(catalog), catalog.identity(), datetime.now(UTC))
        stored = {found.id: found.byte_count for found in store.stored()}
        with catalog.read() as connection:
            rows = connection.execute(sa.select(objects.c.id, objects.c.byte_count))
            assert stored == {row.id: row.byte_count for row in rows}
            named = set(connection.execute(sa.select(dataset_tables.c.object_id)).scalars())
            named |= set(connection.execute(sa.select(files.c.object_id)).scalars()) - {None}
    assert named == stored.keys()
    assert list((data / "incoming").iterdir()) == []


def pages(person: Person, path: str) -> Iterator[dict[str, Any]]:
    """Everything that a list has."""
    offset = 0
    while True:
        answer = person.http.get(path, params={"limit": 500, "offset": offset})
        assert answer.is_success, answer.text
        results = answer.json()["results"]
        yield from results
        offset += len(results)
        if not results:
            return
