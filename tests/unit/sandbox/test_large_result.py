"""The file of a large result: the same bytes for another process, and for nobody another file."""

import gc
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from runtime.sandbox.host.large_result import LargeResult, ResultLocation, open_result

DATA = os.urandom(3_000_000)


@pytest.fixture
def result() -> Iterator[LargeResult]:
    descriptor = os.memfd_create("result", os.MFD_CLOEXEC)
    os.write(descriptor, DATA)
    os.ftruncate(descriptor, 2 * len(DATA))  # as a seat's: the file is as large as a result may be
    result = LargeResult(descriptor, len(DATA))
    os.close(descriptor)
    yield result


def _location(result: LargeResult) -> ResultLocation:
    location = result.location
    assert location is not None
    return location


def changed(result: LargeResult, change: dict[str, Any]) -> ResultLocation:
    return cast(ResultLocation, {**_location(result), **change})


def test_it_is_the_result(result: LargeResult) -> None:
    assert len(result) == len(DATA)
    assert bytes(result) == DATA
    with pytest.raises(TypeError):
        result[0] = 0


def test_another_process_reads_the_same_bytes_from_its_location(result: LargeResult) -> None:
    code = (
        "import json, os, sys\n"
        "from runtime.sandbox.host.large_result import open_result\n"
        "location = json.loads(sys.argv[1])\n"
        "sys.stdout.buffer.write(os.pread(open_result(location), location['length'], 0))"
    )
    read = subprocess.run([sys.executable, "-c", code, json.dumps(_location(result))], capture_output=True, check=True)
    assert read.stdout == DATA


def test_what_was_opened_outlives_it_and_it_leaves_nothing_else() -> None:
    before = set(os.listdir("/proc/self/fd"))
    descriptor = os.memfd_create("result", os.MFD_CLOEXEC)
    os.write(descriptor, DATA)
    result = LargeResult(descriptor, len(DATA))
    location = _location(result)
    os.close(descriptor)
    opened = open_result(location)
    assert opened is not None
    del result
    gc.collect()
    assert open_result(location) is None
    assert os.pread(opened, len(DATA), 0) == DATA
    os.close(opened)
    assert set(os.listdir("/proc/self/fd")) <= before  # others' may have gone meanwhile


def test_a_reader_cannot_write_to_it(result: LargeResult) -> None:
    opened = open_result(_location(result))
    assert opened is not None
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.write(opened, b"x")
    os.close(opened)


@pytest.mark.parametrize(
    "change",
    [
        {"machine": ["another boot", "pid:[4026531836]"]},
        {"machine": None},
        {"path": "/proc/self/fd/999999"},
        {"path": "/proc/2147483647/fd/3"},
        {"length": 10**12},
        {"file": [0, 0]},
    ],
    ids=["another machine", "no machine", "no descriptor", "no process", "too short", "another file"],
)
def test_a_location_that_is_not_here_is_none(result: LargeResult, change: dict[str, Any]) -> None:
    before = len(os.listdir("/proc/self/fd"))
    assert open_result(changed(result, change)) is None
    assert len(os.listdir("/proc/self/fd")) == before


def test_no_location_is_none() -> None:
    assert open_result(None) is None


def test_a_file_with_a_name_is_none(result: LargeResult) -> None:
    """Whatever the number names by now: only a file without a name was ever a result."""
    with tempfile.NamedTemporaryFile() as named:
        Path(named.name).write_bytes(DATA)
        status = os.fstat(named.fileno())
        change = {"path": f"/proc/self/fd/{named.fileno()}", "file": [status.st_dev, status.st_ino]}
        assert open_result(changed(result, change)) is None
