"""The ingress's way to all runners: which deployment a request goes to, and what is asked of every one."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from typing import Any, Final

from deployments.calls.affinity import REPLICA_PREFIX
from deployments.calls.runner_handle import GpuRunnerHandle, RunnerHandle
from runtime.errors import RuntimeFailure
from runtime.receipts import State
from runtime.sandbox.host.large_result import ResultLocation, open_result
from runtime.task import EngineName

CHUNK_BYTES: Final = 256 * 1024
"""Of a result's file: in memory once for each answer that is being sent."""

Reply = dict[str, Any]


class RunnerClient:
    """Calls runner replicas. A dataset's requests go to the replica that holds it (``DatasetAffinityRouter``)."""

    def __init__(self, handle: Any, gpu_handle: Any | None = None, *, direct: bool = False) -> None:
        """Handles are ``DeploymentHandle``. ``gpu_handle``: to ``GpuRunner``, where the settings have a section
        ``gpu``. ``direct``: whether runs may go past Serve to runners on this machine (``calls/direct``)."""
        self._cpu = RunnerHandle(handle, direct=direct)
        self._gpu = None if gpu_handle is None else GpuRunnerHandle(gpu_handle, direct=direct)

    def start(self) -> None:
        """Begin to look out for GPU runners, in the running loop."""
        if self._gpu is not None:
            self._gpu.start()

    def close(self) -> None:
        """Let go of places and connections."""
        for runners in self._all():
            runners.close()

    @property
    def gpu_running(self) -> bool:
        """Whether some GPU runner can run tasks, as of a few seconds ago."""
        return self._gpu is not None and self._gpu.running

    async def run(self, dataset_id: str, request: Reply) -> Reply:
        """Run a task on the replica of its dataset and engine. Cancelling this kills the run.

        Raises ``RunInterrupted`` where the replica died, ``Overloaded`` where every queue is full or no runner of that
        engine is running.
        """
        reply: Reply = await self._of(request["engine"]).run(dataset_id, request)
        return reply

    async def fetch(
        self, replica: str, run_id: str, place: ResultLocation | None, engine: EngineName = "pandas"
    ) -> AsyncIterator[bytes]:
        """The chunks of a large result: from its file where that is in reach, else from the replica that made it."""
        runners = self._of(engine)
        file = open_result(place)
        if file is not None and place is not None:
            dropping = asyncio.create_task(self._drop(runners, replica, run_id))
            try:
                for offset in range(0, place["length"], CHUNK_BYTES):
                    yield os.pread(file, min(CHUNK_BYTES, place["length"] - offset), offset)
                await dropping
            finally:
                os.close(file)
            return
        async for chunk in runners.chunks(replica, "fetch", run_id):
            yield chunk

    async def _drop(self, runners: RunnerHandle, replica: str, run_id: str) -> None:
        """Where it fails, the replica forgets the result after a while."""
        with suppress(RuntimeFailure):
            await runners.call("drop", REPLICA_PREFIX + replica, run_id)

    async def parse(self, request: Reply) -> Reply:
        """Have an upload parsed. Returns the object's description.

        Raises ``InvalidTable``, ``StorageFull``, ``RunInterrupted``, ``Overloaded``.
        """
        return _object_of(await self._cpu.call("parse", "", request))

    async def concatenate(self, object_ids: list[str]) -> Reply:
        """Have stored tables concatenated; as ``parse``."""
        return _object_of(await self._cpu.call("concatenate", "", object_ids))

    async def evict(self, dataset_id: str) -> None:
        """Have every replica forget a dataset."""
        await self._broadcast("evict", dataset_id)

    async def cancel(self, run_id: str) -> bool:
        """Have the replica that has this run end it, or that to which it comes. Whether one had it."""
        return any(await self._broadcast("cancel", run_id))

    async def states(self) -> dict[str, State]:
        """The runs that are on replicas now: ``queued`` or ``running`` by id."""
        return {run_id: state for states in await self._broadcast("states") for run_id, state in states.items()}

    async def ready(self) -> None:
        """Return once some replica can run tasks. Raises ``RunInterrupted``.

        That is one without a GPU: where those with one are missing, this server still has an answer to everything.
        """
        await self._cpu.call("ready", "")

    async def _broadcast(self, method: str, *args: Any) -> list[Any]:
        """What every replica of every deployment answers."""
        answers = await asyncio.gather(*(runners.broadcast(method, *args) for runners in self._all()))
        return [answer for some in answers for answer in some]

    def _all(self) -> Iterator[RunnerHandle]:
        yield self._cpu
        if self._gpu is not None:
            yield self._gpu

    def _of(self, engine: str | None) -> RunnerHandle:
        """Where runs of that engine go. One that is nowhere goes to a runner too, which says so."""
        return self._gpu if engine == "cudf" and self._gpu is not None else self._cpu


def _object_of(reply: Reply) -> Reply:
    if "failure" in reply:
        raise RuntimeFailure.from_wire(reply["failure"])
    described: Reply = reply["object"]
    return described
