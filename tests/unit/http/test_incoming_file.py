"""The file of an arriving upload: complete, in order, and never written to a descriptor of another file."""

import asyncio
import errno
import os
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from deployments.ingress.threads import Pool
from deployments.ingress.uploads import incoming_file
from deployments.ingress.uploads.incoming_file import BATCH_BYTES, BATCH_CHUNKS, IncomingFile
from runtime.errors import StorageFull
from tests.waiting import WITHIN_S

pytestmark = pytest.mark.anyio

ONE_BATCH = b"x" * BATCH_BYTES


async def _take_all(path: Path, chunks: Sequence[bytes]) -> None:
    disk = Pool("disk", 2, queue=1, queue_per_sender=1)
    file = IncomingFile(path, disk)
    try:
        for chunk in chunks:
            await file.take(chunk)
        await file.finish()
    finally:
        file.close()
        disk.close()


@pytest.mark.parametrize(
    "chunks",
    [
        [],
        [b""],
        [b"a", b"", b"bc"],
        [bytes([number % 251]) for number in range(3 * BATCH_CHUNKS + 5)],
        [bytes([number]) * (BATCH_BYTES // 3 + number) for number in range(10)],
        [ONE_BATCH, b"y" * (3 * BATCH_BYTES), b"z"],
    ],
    ids=["none", "empty", "few", "tiny", "uneven", "large"],
)
async def test_every_byte_is_there_in_order(tmp_path: Path, chunks: list[bytes]) -> None:
    await _take_all(tmp_path / "file", chunks)
    assert (tmp_path / "file").read_bytes() == b"".join(chunks)
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o600


async def test_bytes_that_the_kernel_takes_in_pieces_arrive_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def a_little(descriptor: int, views: Sequence[memoryview]) -> int:
        return os.write(descriptor, b"".join(views)[:7])

    monkeypatch.setattr("os.writev", a_little)
    chunks = [b"0123456789", b"", b"abc", b"defghijk"]
    await _take_all(tmp_path / "file", chunks)
    assert (tmp_path / "file").read_bytes() == b"".join(chunks)


async def test_a_full_disk_is_reported_while_more_bytes_come(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "full")

    monkeypatch.setattr("os.writev", full)
    with pytest.raises(StorageFull):
        await _take_all(tmp_path / "file", [ONE_BATCH] * 3)


@pytest.mark.parametrize(
    ("begins", "settled"), [(b"ARROW1\0\0", True), (b"a,b\n", False), (b"", False)], ids=["arrow", "csv", "empty"]
)
async def test_only_bytes_that_are_stored_unchanged_go_to_disk_early(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, begins: bytes, settled: bool
) -> None:
    parts: list[tuple[int, int]] = []
    monkeypatch.setattr(incoming_file, "begin_fsync", lambda _, start, count: parts.append((start, count)))
    await _take_all(tmp_path / "file", [begins[:3], begins[3:], *[ONE_BATCH] * 2])
    if not settled:
        assert parts == []
        return
    assert [start for start, _ in parts] == [sum(count for _, count in parts[:index]) for index in range(len(parts))]
    assert sum(count for _, count in parts) == (tmp_path / "file").stat().st_size


async def test_a_descriptor_stays_open_until_its_thread_has_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its number would go to the next file that is opened, and the thread would write there."""
    began, go_on, used = threading.Event(), threading.Event(), []
    write = os.writev

    def slow(descriptor: int, views: Sequence[memoryview]) -> int:
        used.append(descriptor)
        began.set()
        assert go_on.wait(WITHIN_S)
        return write(descriptor, views)

    monkeypatch.setattr("os.writev", slow)
    taking = asyncio.create_task(_take_all(tmp_path / "file", [ONE_BATCH] * 3))
    await asyncio.to_thread(began.wait, WITHIN_S)
    taking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await taking
    os.fstat(used[0])
    go_on.set()
    async with asyncio.timeout(WITHIN_S):
        while (tmp_path / "file").stat().st_size < BATCH_BYTES or _is_open(used[0]):
            await asyncio.sleep(0.001)


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True
