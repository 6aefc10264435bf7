"""Large results come from their file where it is in reach, and else from the replica that has them."""

import os
from collections.abc import AsyncIterator
from typing import Any, Self

import pytest

from deployments.calls.affinity import REPLICA_PREFIX
from deployments.calls.messages import KeptResult
from deployments.calls.runner_client import CHUNK_BYTES, RunnerClient
from runtime.sandbox.host.large_result import LargeResult, ResultLocation
from runtime.task import CPU_ENGINE
from tests.waiting import eventually_async

pytestmark = pytest.mark.anyio

DATA = os.urandom(3 * CHUNK_BYTES + 17)


class OneReplica:
    """A handle to a replica that holds ``DATA``. ``calls``: method and key of each."""

    def __init__(self, *, broken: bool = False) -> None:
        self.calls: list[tuple[str, str]] = []
        self._broken = broken
        self._method = ""

    def options(self, method_name: str = "", session_id: str = "", **_: Any) -> Self:
        if method_name:
            self._method = method_name
            self._key = session_id
        return self

    def remote(self, run_id: str) -> Any:  # Any: a response, or a generator of them
        assert run_id == "run"
        self.calls.append((self._method, self._key))
        return self._chunks() if self._method == "fetch" else self._dropped()

    async def _chunks(self) -> AsyncIterator[bytes]:
        yield DATA[:5]
        yield DATA[5:]

    async def _dropped(self) -> None:
        if self._broken:
            raise ConnectionError("gone")


def _result() -> LargeResult:
    descriptor = os.memfd_create("result", os.MFD_CLOEXEC)
    os.write(descriptor, DATA)
    result = LargeResult(descriptor, len(DATA))
    os.close(descriptor)
    return result


def _chunks(handle: OneReplica, location: ResultLocation | None) -> AsyncIterator[bytes]:
    kept: KeptResult = {"replica": "a", "length": len(DATA), "location": location}
    return RunnerClient({CPU_ENGINE: handle}).fetch(CPU_ENGINE, "run", kept)


async def _fetched(handle: OneReplica, location: ResultLocation | None) -> bytes:
    return b"".join([chunk async for chunk in _chunks(handle, location)])


@pytest.mark.parametrize("broken", [False, True], ids=["alive", "dead meanwhile"])
async def test_a_file_in_reach_is_read_and_its_replica_lets_go(broken: bool) -> None:
    result, handle = _result(), OneReplica(broken=broken)
    assert await _fetched(handle, result.location) == DATA
    assert handle.calls == [("drop", REPLICA_PREFIX + "a")]


async def test_one_that_is_elsewhere_comes_from_its_replica() -> None:
    result, handle = _result(), OneReplica()
    assert result.location is not None
    elsewhere: ResultLocation = {**result.location, "machine": ["another", "one"]}
    assert await _fetched(handle, elsewhere) == DATA
    assert await _fetched(handle, None) == DATA
    assert handle.calls == [("fetch", REPLICA_PREFIX + "a")] * 2


async def test_a_client_that_leaves_in_the_middle_leaves_no_file_open() -> None:
    result, handle = _result(), OneReplica()

    before = len(os.listdir("/proc/self/fd"))
    chunks = _chunks(handle, result.location)
    assert await anext(chunks) == DATA[:CHUNK_BYTES]
    await chunks.aclose()  # type: ignore[attr-defined]  # it is a generator
    assert len(os.listdir("/proc/self/fd")) == before
    await eventually_async(lambda: handle.calls == [("drop", REPLICA_PREFIX + "a")])
