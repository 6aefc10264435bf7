"""Control groups for a replica: made up in a folder, or real ones of this machine."""

import os
import secrets
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from runtime.sandbox.walls import cgroup
from runtime.sandbox.walls.cgroup import GroupLimits, TaskGroup
from runtime.sandbox.walls.delegation import NotDelegated, divide, enter_leaf, given_group
from runtime.sandbox.walls.delegation import _mount_of as mount_of
from runtime.sandbox.walls.delegation import _name_of as name_of
from runtime.task import MIB
from tests.unit.sandbox.fake_groups import FakeGroups
from tests.waiting import eventually

ALL = ("memory", "pids", "cpu")
LIMITS = GroupLimits(memory_bytes=512 * MIB, pids=500)


@pytest.fixture
def fake(tmp_path: Path) -> Iterator[FakeGroups]:
    with FakeGroups(tmp_path).in_place() as groups:
        groups.make("/mine")
        yield groups


@pytest.fixture
def mine(fake: FakeGroups) -> Path:
    return fake.mount / "mine"


@pytest.fixture
def real() -> Iterator[Path]:
    """A group of this machine, below the one that was given to these tests or, where none was, below their own."""
    here = Path("/proc/self")
    enter_leaf()
    try:
        above = given_group()
        divide(above)
    except NotDelegated:
        try:
            name = name_of(here)
            mount, root = mount_of(here, name)
        except NotDelegated as error:
            pytest.skip(str(error))
        above = mount / os.path.relpath(name, root)
    base = above / f"graphside-test-{secrets.token_hex(4)}"
    try:
        base.mkdir()
    except OSError as error:
        pytest.skip(f"control groups cannot be made here: {error.strerror}")
    yield base
    assert cgroup._end(base)


@pytest.fixture
def limiting(real: Path) -> tuple[Path, tuple[str, ...]]:
    """The same, where it can limit memory, with what it can limit."""
    try:
        controllers = divide(real)
    except NotDelegated as error:
        pytest.skip(f"no control group with the memory controller was given to these tests: {error}")
    if "memory" not in controllers:
        pytest.skip("no control group with the memory controller was given to these tests")
    return real, controllers


def living_in(group: Path) -> list[int]:
    return [int(line) for line in (group / "cgroup.procs").read_text().split()]


def refused_why(group: Path) -> str:
    with pytest.raises(NotDelegated) as refusal:
        divide(group)
    return str(refusal.value)


@contextmanager
def ending() -> Iterator[None]:
    """Around what a child does: it never comes back into the tests."""
    try:
        yield
    finally:
        os._exit(1)


def sleeper_in(group: TaskGroup) -> int:
    pid = os.fork()
    if pid == 0:
        with ending():
            cgroup.enter(group.door)
            signal.pause()
    eventually(lambda: pid in living_in(group.path))
    return pid
