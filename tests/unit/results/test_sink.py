"""The file that a result goes to may be short, slow or sealed; errors of it come through as they are."""

import errno
import fcntl
import io
import os
from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np
import pandas as pd
import pytest

from runtime.results.encoding import encode

FRAME = pd.DataFrame({"n": np.arange(20_000), "s": "a string of some length"})
CELLS = [
    ("table", "json"),
    ("table", "csv"),
    ("table", "parquet"),
    ("all", "json"),
    ("all", "csv"),
    ("all", "parquet"),
]


def value(output_type: str) -> object:
    return FRAME if output_type == "table" else {"nodes": FRAME, "edges": FRAME}


@pytest.fixture
def sealed() -> Iterator[BinaryIO]:
    """A memory file of 64 KiB that can neither grow nor shrink, as a run is given for its result."""
    fd = os.memfd_create("result", os.MFD_ALLOW_SEALING)
    os.ftruncate(fd, 64 * 1024)
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK)
    with open(fd, "r+b", buffering=0) as file:
        yield file


@pytest.mark.parametrize(("output_type", "file_format"), CELLS)
def test_a_result_larger_than_its_file_is_refused_by_the_file(
    sealed: BinaryIO, output_type: Any, file_format: Any
) -> None:
    with pytest.raises(PermissionError) as caught:
        encode(value(output_type), output_type, file_format, False, sealed)
    assert caught.value.errno == errno.EPERM


@pytest.mark.parametrize("kind", ["text", "json"])
def test_a_long_text_is_refused_by_the_file_too(sealed: BinaryIO, kind: str) -> None:
    with pytest.raises(PermissionError):
        encode("x" * 100_000, "json", "json", kind == "text", sealed)


def test_a_result_that_fits_ends_where_the_file_stands(sealed: BinaryIO) -> None:
    encode({"nodes": FRAME.head(10)}, "all", "parquet", False, sealed)
    length = sealed.tell()
    sealed.seek(0)
    sink = io.BytesIO()
    encode({"nodes": FRAME.head(10)}, "all", "parquet", False, sink)
    assert sealed.read(length) == sink.getvalue()
    assert set(sealed.read()) == {0}


class Short(io.BytesIO):
    """A raw file that takes at most 1,000 bytes at a time, as raw files may."""

    def write(self, data: Any) -> int:
        return super().write(memoryview(data)[:1000])


@pytest.mark.parametrize(("output_type", "file_format"), CELLS)
def test_short_writes_are_completed(output_type: Any, file_format: Any) -> None:
    short, whole = Short(), io.BytesIO()
    for sink in (short, whole):
        encode(value(output_type), output_type, file_format, False, sink)
    assert short.getvalue() == whole.getvalue()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EFBIG])
@pytest.mark.parametrize(("output_type", "file_format"), CELLS)
def test_errors_of_the_file_come_through(output_type: Any, file_format: Any, number: int) -> None:
    class Full(io.BytesIO):
        def write(self, data: Any) -> int:
            if self.tell() > 5_000:
                raise OSError(number, "full")
            return super().write(data)

    with pytest.raises(OSError, match="full") as caught:
        encode(value(output_type), output_type, file_format, False, Full())
    assert caught.value.errno == number


def test_a_file_that_takes_nothing_is_an_error_not_a_loop() -> None:
    class Stuck(io.BytesIO):
        def write(self, data: Any) -> int:
            return 0

    with pytest.raises(OSError, match="takes no more"):
        encode([1], "json", "json", False, Stuck())
