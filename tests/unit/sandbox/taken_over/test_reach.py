"""A parser or a holder that was taken over reaches no network, file, process or secret of the server."""

import json
import os
from pathlib import Path
from typing import Any
from uuid import uuid4

import pyarrow as pa
import pytest

from runtime.engines.base import DatasetSource
from tests.attacks import reaches
from tests.attacks.listeners import Listener
from tests.unit.sandbox.conftest import Rig
from tests.unit.sandbox.taken_over.conftest import HOLDER, JOB, job, needs_walls, refusal


def both(rig: Rig, code: str) -> list[Any]:
    """Return the ways that go through from a job, and from a holder."""
    by_holder = refusal(rig, code + HOLDER).partition("through: ")[2]
    return [job(rig, code + JOB)["through"], json.loads(by_holder)]


@needs_walls
def test_neither_reaches_the_network(taken: Rig) -> None:
    listeners = Listener.all_kinds()
    try:
        addresses: list[Any] = [listener.address for listener in listeners]
        assert both(taken, reaches.connecting(addresses)) == [[], []]
        assert not any(listener.visitors for listener in listeners)
    finally:
        for listener in listeners:
            listener.close()


@needs_walls
def test_neither_reads_or_changes_a_file(taken: Rig, neighbour: DatasetSource, tmp_path: Path) -> None:
    """Other uploads, stored tables, keys, the catalog: all of the server's are files."""
    other = taken.store.incoming()
    other.write_bytes(b"another upload")
    secret = tmp_path / "jwt.key"
    secret.write_text("secret")
    stored = taken.root / "objects"
    (table,) = stored.rglob(f"{neighbour.tables['edges']}*")
    scratch = [str(taken.scratch / name) for name in sorted(taken.scratch_dirs())]
    paths = [other, other.parent, secret, tmp_path, table, stored, taken.root]
    try:
        for path in paths:
            path.read_bytes() if path.is_file() else os.listdir(path)
        assert job(taken, reaches.reading(map(str, paths)) + JOB)["through"] == []
        assert job(taken, reaches.reading(scratch) + JOB)["through"] == []
        assert refusal(taken, reaches.reading(map(str, paths)) + HOLDER).endswith("through: []")
        assert table.exists()
        assert secret.read_text() == "secret"
    finally:
        other.unlink()


@needs_walls
def test_neither_looks_at_other_processes_or_has_the_servers_environment(taken: Rig) -> None:
    pids = [os.getpid(), taken.template.pid or 0]
    code = reaches.looking_at_processes(pids, "GRAPHSIDE_CANARY")
    assert job(taken, code + JOB)["through"] == []


@needs_walls
def test_no_secret_is_in_the_memory_of_either(taken: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    marker = f"marker-{uuid4().hex}-{uuid4().hex}"
    other = taken.dataset(pa.table({"s": [marker], "d": ["x"], "w": [1.0]}))
    find = "def task(g): return g._edges['s'].iloc[0]"
    assert bytes(taken.run(other, find).result).decode().strip('"') == marker
    monkeypatch.setenv("GRAPHSIDE_LATE", marker)
    for through in both(taken, reaches.searching_memory([marker.encode()])):
        assert through == []
