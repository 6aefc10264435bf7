"""A run's scratch directory: its own, empty, and limited, deleted files included."""

import os
from pathlib import Path

import pytest

from runtime.engines.base import DatasetSource
from runtime.sandbox.host import watchdog
from runtime.sandbox.host.scratch import scratch_use
from tests.unit.sandbox.conftest import Rig, answer
from tests.waiting import eventually


def test_scratch_that_was_filled_between_two_looks_is_told_at_the_end(
    rig: Rig, source: DatasetSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watchdog, "SLOW_INTERVAL_S", 60)
    code = "def task(g):\n    return [open(name, 'wb').write(bytes(2**20)) for name in 'abcd']"
    outcome = rig.run(source, code, scratch_bytes=2**20)
    assert outcome.failure is not None
    assert outcome.failure.fields.items() >= {"limit_name": "scratch_bytes", "observed": 2**22}.items()
    code = "def task(g):\n    return open('a', 'wb').write(bytes(2**19))"
    assert answer(rig.run(source, code, scratch_bytes=2**20)) == 2**19


@pytest.mark.parametrize(
    "write",
    [
        "open('a', 'wb').write(bytes(2**21))",
        "os.truncate(os.open('a', os.O_CREAT | os.O_RDWR), 2**40)",
        "numpy.zeros(2**20).tofile(tempfile.TemporaryFile())",
        "pq.write_table(pa.table({'a': numpy.random.rand(2**20)}), 'a')",
        "os.posix_fallocate(os.open('a', os.O_CREAT | os.O_RDWR), 0, 2**22)",
        "sqlite3.connect('a').executescript('create table t (a); insert into t values (zeroblob(2000000))')",
        "shutil.copyfileobj(io.BytesIO(bytes(2**21)), gzip.open('a', 'wb', 0))",
        "mapped(2**21)",
    ],
    ids=["file", "hole", "numpy", "arrow", "allocated", "database", "compressed", "mapped"],
)
def test_a_file_that_meets_the_limit_before_a_look_ends_the_run_like_a_look(
    rig: Rig, source: DatasetSource, write: str
) -> None:
    code = f"""
import gzip, io, mmap, os, shutil, sqlite3, tempfile, numpy, pyarrow as pa, pyarrow.parquet as pq
def mapped(size):
    fd = os.open('a', os.O_CREAT | os.O_RDWR)
    os.pwrite(fd, b'x', size)
def task(g):
    {write}
"""
    failure = rig.run(source, code, scratch_bytes=2**20).failure
    assert failure is not None
    assert (failure.type, failure.fields["limit"]) == ("TaskScratchExceeded", 2**20)
    assert failure.fields["frames"][0]["source"] == write


def test_disk_cannot_be_taken_without_writing(rig: Rig, source: DatasetSource) -> None:
    code = """
import ctypes, os
def task(g):
    libc, fd = ctypes.CDLL(None, use_errno=True), os.open('f', os.O_CREAT | os.O_RDWR)
    refused = [libc.fallocate(fd, mode, ctypes.c_long(0), ctypes.c_long(3 << 30)) for mode in (0, 1, 3, 16, 32)]
    os.posix_fallocate(fd, 0, 2**19)  # the C library writes instead
    return [refused, os.stat('f').st_size]
"""
    assert answer(rig.run(source, code)) == [[-1] * 5, 2**19]


def test_a_run_that_copes_with_a_refused_write_goes_on(rig: Rig, source: DatasetSource) -> None:
    code = """
def task(g):
    try:
        open('a', 'wb').write(bytes(2**21))
    except OSError as error:
        return [error.strerror]
"""
    assert answer(rig.run(source, code, scratch_bytes=2**20)) == ["File too large"]


def test_a_result_may_be_larger_than_scratch(rig: Rig, source: DatasetSource) -> None:
    outcome = rig.run(source, "def task(g):\n    return ['x' * 5000000, 'y']", scratch_bytes=2**20)
    assert answer(outcome) == ["x" * 5000000, "y"]


def test_a_directory_that_grew_by_names_is_counted(tmp_path: Path) -> None:
    before = scratch_use(tmp_path, 10).byte_count
    for number in range(3000):
        (tmp_path / f"{number:0200}").touch()
        (tmp_path / f"{number:0200}").rename(tmp_path / "one") if number % 2 else None
    for path in tmp_path.iterdir():
        path.unlink()
    grown = tmp_path.stat().st_size
    assert before == 0
    assert scratch_use(tmp_path, 10).byte_count == max(0, grown - 4096)


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
    time.sleep(1000)
"""
    outcome = rig.run(source, code, scratch_bytes=50 * 2**20)
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
    time.sleep(1000)
"""
    outcome = rig.run(source, code, scratch_bytes=8 * 2**20)
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
    time.sleep(1000)
"""
    outcome = rig.run(source, code, scratch_files=100)
    assert outcome.cause == "TaskScratchExceeded"
    assert outcome.failure is not None
    assert outcome.failure.fields["limit_name"] == "scratch_files"
