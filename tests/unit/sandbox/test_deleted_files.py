"""Deleted files are counted as root with a container's capabilities, and as an ordinary user."""

import os
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from runtime.sandbox.guest import confine
from runtime.sandbox.host.deleted_files import DeletedFiles, deleted_files
from runtime.sandbox.walls import identity
from tests.unit.sandbox.forked import as_user, in_a_child

OTHER = 12345
OF_A_CONTAINER = (0, 1, 3, 4, 5, 6, 7, 8, 10, 13, 18, 27, 29, 31)
"""What container managers leave to root: no tracing of others."""

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes somebody else")


@pytest.fixture
def scratch() -> Iterator[Path]:
    """A run's directory, the other user's, where he can go."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        os.chown(folder, OTHER, OTHER)
        yield Path(folder)


def holding(scratch: Path, shown: bool, uid: int | None) -> int:
    """The pid of a child that holds a deleted file of 1 MiB, as that user."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        if uid is not None:
            identity.become(uid)
        confine.hide_memory()
        if shown:
            confine.show_files()
        fd = os.open(scratch / "file", os.O_CREAT | os.O_RDWR)
        os.write(fd, bytes(1 << 20))
        os.unlink(scratch / "file")
        os.write(writing, b"x")
        signal.pause()
    os.close(writing)
    os.read(reading, 1)
    os.close(reading)
    return pid


def is_the_file(byte_count: int) -> bool:
    """Whether that is its 1 MiB; a file system may need a few blocks more to know where they lie."""
    return 1 << 20 <= byte_count <= (1 << 20) + 65536


@pytest.mark.parametrize("shown", [True, False])
def test_root_without_the_right_to_trace_counts_those_of_another_user(scratch: Path, shown: bool) -> None:
    def count() -> list[int]:
        identity.drop_capabilities(OF_A_CONTAINER)
        pid = holding(scratch, shown, OTHER)
        counted = [deleted_files(pid, OTHER, scratch).byte_count, deleted_files(pid, None, scratch).byte_count]
        os.kill(pid, signal.SIGKILL)
        os.setresuid(0, 0, 0)
        return [*counted, os.waitpid(pid, 0)[1], os.geteuid()]

    as_he, as_root, status, user = in_a_child(count)
    assert is_the_file(as_he) if shown else as_he == 0
    assert as_root == 0
    assert (status, user) == (signal.SIGKILL, 0)


@pytest.mark.parametrize("shown", [True, False])
def test_an_ordinary_user_counts_his_own(scratch: Path, shown: bool) -> None:
    def count() -> int:
        pid = holding(scratch, shown, None)
        counted = deleted_files(pid, None, scratch).byte_count
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        return counted

    counted = as_user(OTHER, count)
    assert is_the_file(counted) if shown else counted == 0


def test_files_of_elsewhere_and_processes_that_ended_count_nothing(scratch: Path, tmp_path: Path) -> None:
    with tempfile.TemporaryFile(dir=tmp_path.parent) as file:
        file.write(bytes(1 << 20))
        file.flush()
        elsewhere = deleted_files(os.getpid(), None, Path("/proc")).byte_count
    assert elsewhere == 0
    assert deleted_files(2**22 + 1, None, scratch) == DeletedFiles()
