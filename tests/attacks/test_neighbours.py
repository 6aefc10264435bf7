"""Two users of one dataset, with one holder between them: neither learns or changes anything of the other's runs."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

import httpx
import pytest

from tests.attacks import reaches
from tests.attacks.arena import Arena
from tests.conftest import PASSWORD, Person
from tests.waiting import SLOW_S, eventually

pytestmark = pytest.mark.e2e

WAITS = """
import os, time
MARKER = {marker!r}
def task(g):
    g._edges['mine'] = MARKER
    print(MARKER, flush=True)
    open('note-' + MARKER, 'w').write(MARKER)  # last: tests that wait for this run look for this file
    deadline = time.monotonic() + {seconds}
    while time.monotonic() < deadline: time.sleep(0.01)
    return MARKER
"""
LOOKS = """
import gc, os, random, threading
import numpy as np
def task(g):
    found = [name for name in os.listdir('.')] + [name for name in g._edges.columns if name == 'mine']
    found += [thread.name for thread in threading.enumerate()[1:]]
    return [found, random.random(), float(np.random.random()), os.getcwd()]
"""


@pytest.fixture(scope="module")
def bob(arena: Arena) -> Iterator[Person]:
    """Another user, who may read the arena's dataset and run Python."""
    admin, name = arena.person.http, f"bob{uuid4().hex[:8]}"
    assert admin.post("/api/v2/admin/users/", json={"username": name, "password": PASSWORD}).status_code == 201
    change = {"user": name, "value": True}
    assert admin.put("/api/v2/admin/flags/flag_python_endpoint_enabled_users/", json=change).status_code == 200
    shared = admin.post("/api/v2/share/link/", json={"obj_pk": arena.dataset_id, "mode": "public"})
    assert shared.status_code == 200, shared.text
    person = arena.server.log_in(name)
    yield person
    person.http.close()
    admin.post("/api/v2/share/link/", json={"obj_pk": arena.dataset_id, "mode": "private"})


@contextmanager
def running(
    arena: Arena, person: Person, marker: str, seconds: float = 3
) -> Iterator[tuple[str, list[httpx.Response]]]:
    """A run of that person's that is under way: its id, and what comes of it once the block has ended."""
    run_id, answers = uuid4().hex, list[httpx.Response]()
    code = WAITS.format(marker=marker, seconds=seconds)
    thread = threading.Thread(
        target=lambda: answers.append(person.run(arena.dataset_id, code, run_id=run_id, run_label=marker))
    )
    thread.start()
    eventually(lambda: bool(list(arena.place.scratch_root.glob(f"*/note-{marker}"))))
    try:
        yield run_id, answers
    finally:
        thread.join()


def looked(person: Person, arena: Arena, code: str) -> list[object]:
    answer = person.run(arena.dataset_id, code, timeout_s=SLOW_S)
    assert answer.status_code == 200, answer.text
    found: list[object] = answer.json()
    return found


def test_nothing_of_a_run_is_in_the_run_beside_it_or_after_it(arena: Arena, bob: Person) -> None:
    marker = uuid4().hex
    search = reaches.searching_memory([marker.encode()])
    with running(arena, arena.person, marker, seconds=4) as (_, answers):
        (note,) = arena.place.scratch_root.glob(f"*/note-{marker}")
        beside = looked(bob, arena, LOOKS)
        assert beside[0] == []
        assert looked(bob, arena, search) == []
        assert looked(bob, arena, reaches.reading([str(note), str(note.parent)])) == []
        pids = [seat.pid for holder in arena.place.template.children() for seat in holder.children()]
        assert looked(bob, arena, reaches.looking_at_processes(pids, marker)) == []
    assert answers[0].text == marker
    after = looked(bob, arena, LOOKS)
    assert after[0] == []
    assert after[1:] != beside[1:], "random state is passed on"
    assert looked(bob, arena, search) == []


def test_nobody_ends_sees_or_finds_another_s_run(arena: Arena, bob: Person) -> None:
    marker, nobodys = uuid4().hex, uuid4().hex
    with running(arena, arena.person, marker) as (run_id, answers):
        for method, path in (("POST", "/api/v2/runs/{}/cancel"), ("GET", "/api/v2/runs/{}")):
            told = []
            for one in (run_id, nobodys):
                answer = bob.http.request(method, path.format(one))
                body = answer.json()
                told.append((answer.status_code, body["type"], body["error"].replace(one, "")))
            assert told[0] == told[1], "the answers distinguish a run of another user from an absent run"
            assert told[0][0] == 404
        for query in ("", f"?run_label={marker}", "?state=running", f"?dataset_id={arena.dataset_id}"):
            assert marker not in bob.http.get(f"/api/v2/runs{query}").text
    assert answers[0].status_code == 200
    assert answers[0].text == marker


def test_an_id_of_another_s_run_is_no_way_to_it(arena: Arena, bob: Person) -> None:
    """Before it, while it runs and once it has ended; the receipt stays its owner's."""
    marker, run_id = uuid4().hex, uuid4().hex
    assert bob.http.post(f"/api/v2/runs/{run_id}/cancel").status_code == 404
    code = WAITS.format(marker=marker, seconds=0)
    assert arena.person.run(arena.dataset_id, code, run_id=run_id).text == marker, (
        "a cancel from elsewhere waited for it"
    )
    taken = bob.run(arena.dataset_id, code.replace(marker, "forged"), run_id=run_id)
    assert (taken.status_code, taken.json()["type"]) == (409, "RunExists")
    receipt = arena.person.http.get(f"/api/v2/runs/{run_id}").json()
    assert (receipt["cause"], receipt["stdout"]) == ("ok", f"{marker}\n")
    with running(arena, arena.person, marker) as (going_on, answers):
        taken = bob.run(arena.dataset_id, code.replace(marker, "forged"), run_id=going_on)
        assert (taken.status_code, taken.json()["type"]) == (409, "RunExists")
    assert answers[0].text == marker


def test_a_run_that_is_killed_beside_another_leaves_it_alone(arena: Arena, bob: Person) -> None:
    marker = uuid4().hex
    ends = (
        "import os\ndef task(g): os.kill(os.getpid(), 9)",
        "import os, signal\ndef task(g): os.kill(os.getppid(), 9)",
        "def task(g): return bytearray(2**40)",
        "import os\ndef task(g):\n    while True: pass",
        "import ctypes\ndef task(g): ctypes.string_at(0)",
    )
    with running(arena, arena.person, marker) as (_, answers):
        for code in ends:
            assert bob.run(arena.dataset_id, code, timeout_s=0.3).status_code in (200, 422)
    assert answers[0].text == marker


def test_cancelling_one_run_leaves_the_others_alone(arena: Arena, bob: Person) -> None:
    one, other = uuid4().hex, uuid4().hex
    with running(arena, arena.person, one) as (_, kept), running(arena, bob, other, seconds=50) as (run_id, ended):
        assert bob.http.post(f"/api/v2/runs/{run_id}/cancel").status_code == 200
    assert kept[0].text == one
    assert ended[0].json()["type"] == "TaskCancelled"
    assert one not in ended[0].text
    assert ended[0].json()["stdout"] == f"{other}\n"
