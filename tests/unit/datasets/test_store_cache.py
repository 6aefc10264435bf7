"""A node's copies: one fetch for all who wait, a budget, nothing half-made, whoever dies."""

import fcntl
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import uuid4

import pytest

from runtime.datasets.store.node_cache import NodeCache
from runtime.errors import DatasetTooLarge, Overloaded, StoreUnavailable
from tests.waiting import WITHIN_S, eventually

BUDGET = 1000


class Source:
    """What a remote store would be: contents by id, and how often each was fetched."""

    def __init__(self, cache: NodeCache) -> None:
        self.cache = cache
        self.contents: dict[str, bytes] = {}
        self.fetched: list[str] = []
        self.before_end: Callable[[], None] = lambda: None

    def new(self, size: int) -> str:
        object_id = uuid4().hex
        self.contents[object_id] = os.urandom(size)
        return object_id

    def open(self, object_id: str) -> int:
        content = self.contents[object_id]

        def fetch(part: Path) -> None:
            self.fetched.append(object_id)
            assert part.stat().st_size == len(content)
            with part.open("r+b") as file:
                file.write(content)
            self.before_end()

        return self.cache.open(object_id, lambda: len(content), fetch)

    def read(self, object_id: str) -> bytes:
        with os.fdopen(self.open(object_id), "rb") as data:
            return data.read()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def source(root: Path) -> Source:
    cache = NodeCache(root, BUDGET)
    cache.prepare()
    return Source(cache)


def files(root: Path) -> list[str]:
    return sorted(path.name for folder in ("copies", "parts") for path in (root / folder).iterdir())


def age(root: Path, object_id: str, seconds: float) -> None:
    then = time.time() - seconds
    os.utime(root / "copies" / f"{object_id}.arrow", (then, then))


def test_a_second_open_fetches_nothing(source: Source) -> None:
    object_id = source.new(100)
    assert source.read(object_id) == source.read(object_id) == source.contents[object_id]
    assert source.fetched == [object_id]


def test_many_who_want_it_at_once_wait_for_one_fetch(source: Source) -> None:
    object_id = source.new(100)
    asking: list[str] = []

    def wait_for_all() -> None:
        eventually(lambda: len(asking) == 8)

    source.before_end = wait_for_all

    def read(wanted: str) -> bytes:
        asking.append(wanted)
        return source.read(wanted)

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(read, [object_id] * 8)) == {source.contents[object_id]}
    assert source.fetched == [object_id]


def test_one_who_fetches_holds_up_nobody_who_wants_another(source: Source) -> None:
    slow, other = "00" + source.new(10)[2:], "11" + source.new(10)[2:]
    source.contents |= {slow: b"slow", other: b"other"}
    going, done = threading.Event(), threading.Event()

    def hold() -> None:
        if source.fetched == [slow]:
            going.set()
            assert done.wait(WITHIN_S)

    source.before_end = hold
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(source.read, slow)
        assert going.wait(WITHIN_S)
        assert source.read(other) == b"other"
        done.set()
        assert waiting.result(WITHIN_S) == b"slow"


def test_room_is_made_at_the_expense_of_what_was_used_longest_ago(source: Source, root: Path) -> None:
    first, second, third = (source.new(400) for _ in range(3))
    for object_id in (first, second):
        source.read(object_id)
    age(root, first, 20)
    age(root, second, 10)
    source.read(first)  # now second is the one
    source.read(third)
    assert files(root) == sorted(f"{object_id}.arrow" for object_id in (first, third))
    assert source.cache.used_bytes <= BUDGET


def test_a_copy_that_went_while_it_was_open_stays_good(source: Source) -> None:
    first = source.new(BUDGET)
    descriptor = source.open(first)
    source.read(source.new(BUDGET))
    assert os.pread(descriptor, BUDGET, 0) == source.contents[first]
    os.close(descriptor)


def test_what_is_larger_than_the_budget_is_refused_and_drives_nothing_out(source: Source, root: Path) -> None:
    kept = source.new(BUDGET)
    source.read(kept)
    with pytest.raises(DatasetTooLarge) as raised:
        source.read(source.new(BUDGET + 1))
    assert raised.value.fields == {"limit_name": "store_cache_bytes", "limit": BUDGET, "observed": BUDGET + 1}
    assert files(root) == [f"{kept}.arrow"]


def test_fetches_reserve_their_room_beforehand(source: Source) -> None:
    slow, other = "00" + source.new(1)[2:], "11" + source.new(1)[2:]
    source.contents |= {slow: b"s" * 600, other: b"o" * 600}
    going, done = threading.Event(), threading.Event()

    def hold() -> None:
        going.set()
        assert done.wait(WITHIN_S)

    source.before_end = hold
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(source.read, slow)
        assert going.wait(WITHIN_S)
        with pytest.raises(Overloaded):
            source.read(other)
        done.set()
        waiting.result(WITHIN_S)
    assert source.read(other) == source.contents[other]


def test_a_fetch_that_fails_leaves_nothing_and_can_be_tried_again(source: Source, root: Path) -> None:
    def fail() -> None:
        raise StoreUnavailable("away", retry_after_s=5)

    object_id = source.new(100)
    source.before_end = fail
    with pytest.raises(StoreUnavailable):
        source.read(object_id)
    assert files(root) == []
    source.before_end = lambda: None
    assert source.read(object_id) == source.contents[object_id]


def test_copies_are_read_only_and_closed_to_others(source: Source, root: Path) -> None:
    source.read(source.new(10))
    (copy,) = (root / "copies").iterdir()
    assert copy.stat().st_mode & 0o777 == 0o444
    assert {folder.stat().st_mode & 0o777 for folder in (root, *root.iterdir())} == {0o700}


def test_what_a_dead_process_was_fetching_goes_and_what_a_living_one_is_stays(source: Source, root: Path) -> None:
    dead, living = root / "parts" / "dead", root / "parts" / "living"
    for part in (dead, living):
        part.write_bytes(b"half")
    with living.open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert source.cache.tidy() == 1
        assert files(root) == ["living"]


def test_copies_that_nobody_opened_for_a_day_go(source: Source, root: Path) -> None:
    old, new = source.new(10), source.new(10)
    for object_id in (old, new):
        source.read(object_id)
    age(root, old, 86_401)
    assert source.cache.tidy() == 1
    assert files(root) == [f"{new}.arrow"]


def test_a_file_that_was_just_stored_is_taken_as_its_copy(source: Source, root: Path, tmp_path: Path) -> None:
    path, object_id = tmp_path / "upload", source.new(5)
    path.write_bytes(source.contents[object_id])
    source.cache.adopt(path, object_id)
    assert source.read(object_id) == source.contents[object_id]
    assert source.fetched == []
    larger = tmp_path / "larger"
    larger.write_bytes(b"x" * (BUDGET + 1))
    source.cache.adopt(larger, uuid4().hex)
    assert not larger.exists()


FETCHER = """
import os, sys
from pathlib import Path
from runtime.datasets.store.node_cache import NodeCache
cache = NodeCache(Path(sys.argv[1]), 10_000_000)
cache.prepare()
def fetch(part):
    print("fetching", flush=True)
    sys.stdin.readline()
    part.write_bytes(b"x" * 1000)
sys.stdin.readline()
os.close(cache.open("a" * 32, lambda: 1000, fetch))
print("done", flush=True)
"""


def test_processes_of_a_node_fetch_once_between_them_and_outlive_the_death_of_one(root: Path) -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", FETCHER, str(root)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    first, second = processes
    for process in processes:
        assert process.stdin is not None and process.stdout is not None
    try:
        _tell(first, "go")
        assert _line(first) == "fetching"
        _tell(second, "go")
        first.kill()  # in the middle of it; the other one takes over
        first.wait()
        assert _line(second) == "fetching"
        _tell(second, "on")
        assert _line(second) == "done"
        assert second.wait(WITHIN_S) == 0
    finally:
        for process in processes:
            process.kill()
            process.communicate()
    assert files(root) == ["a" * 32 + ".arrow"]


def _tell(process: subprocess.Popen[str], line: str) -> None:
    assert process.stdin is not None
    process.stdin.write(f"{line}\n")
    process.stdin.flush()


def _line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()
