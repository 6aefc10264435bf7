"""A run's scratch directory: its own, empty, and limited, deleted files included."""

import os

import pytest

from runtime.engines.base import DatasetSource
from runtime.sandbox.host import watchdog
from tests.unit.sandbox.conftest import Rig, answer
from tests.waiting import eventually


def test_scratch_that_was_filled_between_two_looks_is_told_at_the_end(
    rig: Rig, source: DatasetSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watchdog, "SLOW_INTERVAL_S", 60)
    outcome = rig.run(source, "def task(g):\n    return open('a', 'wb').write(bytes(2**22))", scratch_bytes=2**20)
    assert outcome.failure is not None
    assert outcome.failure.fields.items() >= {"limit_name": "scratch_bytes", "observed": 2**22}.items()
    code = "def task(g):\n    return open('a', 'wb').write(bytes(2**19))"
    assert answer(rig.run(source, code, scratch_bytes=2**20)) == 2**19


def test_files_in_scratch_are_read_and_written_by_parts(rig: Rig, source: DatasetSource) -> None:
    code = """
import os
def task(g):
    fd, parts = os.open('f', os.O_CREAT | os.O_RDWR), [bytearray(2), bytearray(3)]
    return [os.pwritev(fd, [b'ab', b'cde'], 4), os.preadv(fd, parts, 4), [bytes(part).decode() for part in parts]]
"""
    assert answer(rig.run(source, code)) == [5, 5, ["ab", "cde"]]


@pytest.mark.parametrize(
    "make",
    [
        "fd = os.open('f', os.O_CREAT | os.O_RDWR); os.unlink('f')",
        "fd = os.open('.', os.O_TMPFILE | os.O_RDWR)",
        "fd = os.open('f', os.O_CREAT | os.O_RDWR); os.ftruncate(fd, 2**24); m = mmap.mmap(fd, 2**24); os.unlink('f')",
        "os.mkdir('d'); fd = os.open('d/f', os.O_CREAT | os.O_RDWR); os.unlink('d/f'); os.rmdir('d')",
    ],
    ids=["deleted", "unnamed", "mapped", "in-a-deleted-directory"],
)
def test_deleted_files_count_for_as_long_as_they_are_held(rig: Rig, source: DatasetSource, make: str) -> None:
    code = f"""
import mmap, os, time
def task(g):
    kept = []
    for _ in range(4):
        m = None
        {make}
        for _ in range(16): os.write(fd, bytes(2**20))
        kept.append(m or fd)
        if m: os.close(fd)
    time.sleep(9)
"""
    outcome = rig.run(source, code, scratch_bytes=50 * 2**20, timeout_s=8)
    assert outcome.failure is not None
    assert outcome.failure.fields.items() >= {"limit_name": "scratch_bytes", "limit": 50 * 2**20}.items()


def test_deleted_files_that_are_let_go_do_not_count(rig: Rig, source: DatasetSource) -> None:
    code = """
import os, tempfile, time
def task(g):
    for _ in range(8):
        with tempfile.TemporaryFile() as file:
            file.write(bytes(2**23))
            time.sleep(0.05)
    return 1
"""
    assert answer(rig.run(source, code, scratch_bytes=2**24)) == 1


def test_a_run_has_its_own_empty_scratch_directory_and_leaves_none(rig: Rig, source: DatasetSource) -> None:
    code = """
import os, tempfile
def task(g):
    open('left', 'w').write('x')
    return [os.getcwd(), tempfile.gettempdir()]
"""
    first, second = answer(rig.run(source, code)), answer(rig.run(source, code))
    assert first[0] == first[1] != second[0]
    eventually(lambda: not os.path.exists(first[0]))


def test_a_deleted_file_of_which_a_page_is_mapped_counts_whole(rig: Rig, source: DatasetSource) -> None:
    code = """
import mmap, os, time
def task(g):
    task.kept = []
    for number in range(20):
        fd = os.open(str(number), os.O_CREAT | os.O_RDWR)
        os.write(fd, bytes(1 << 20))
        task.kept.append(mmap.mmap(fd, 4096))
        os.unlink(str(number))
        os.close(fd)
        time.sleep(0.05)
    time.sleep(5)
"""
    outcome = rig.run(source, code, scratch_bytes=8 * 2**20, timeout_s=8)
    assert outcome.cause == "TaskScratchExceeded"


def test_deleted_files_without_a_byte_count_as_files_while_they_are_mapped(rig: Rig, source: DatasetSource) -> None:
    code = """
import ctypes, os, time
libc = ctypes.CDLL(None)
libc.mmap.restype = ctypes.c_void_p
def task(g):
    for number in range(200):
        fd = os.open(str(number), os.O_CREAT | os.O_RDWR)
        libc.mmap(None, ctypes.c_size_t(4096), 1, 1, fd, ctypes.c_long(0))
        os.unlink(str(number))
        os.close(fd)
    time.sleep(5)
"""
    outcome = rig.run(source, code, scratch_files=100, timeout_s=8)
    assert outcome.cause == "TaskScratchExceeded"
    assert outcome.failure is not None
    assert outcome.failure.fields["limit_name"] == "scratch_files"
