"""The ingress's way to all runners: which deployment a call goes to, and the questions that every deployment gets."""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from typing import Any, Final

from deployments.calls.affinity import REPLICA_PREFIX
from deployments.calls.messages import KeptResult, RunCall, RunReply
from deployments.calls.runner_handle import GpuRunnerHandle, RunnerHandle
from runtime.errors import Fields, RuntimeFailure
from runtime.receipts import State
from runtime.sandbox.host.large_result import open_result
from runtime.task import CPU_ENGINE, GPU_ENGINE, EngineName

CHUNK_BYTES: Final = 256 * 1024
"""Size of the pieces in which a result's file is read. Each answer that is being sent has one of them in memory."""


class RunnerClient:
    """Calls runner replicas. A dataset's calls go to the replica that holds it (``DatasetAffinityRouter``)."""

    def __init__(self, handles: Mapping[EngineName, Any], *, direct: bool = False) -> None:
        """``handles`` are Serve's ``DeploymentHandle`` by engine; the CPU engine is always among them. ``direct``: runs
        may go past Serve to runners on this machine (``calls/direct``)."""
        self._handles: dict[EngineName, RunnerHandle] = {
            engine: (GpuRunnerHandle if engine == GPU_ENGINE else RunnerHandle)(handle, direct=direct)
            for engine, handle in handles.items()
        }
        self._cpu = self._handles[CPU_ENGINE]

    def start(self) -> None:
        """Begin to look for runners that may be missing, in the running loop."""
        for runners in self._handles.values():
            runners.start()

    def close(self) -> None:
        """Let go of slots and connections."""
        for runners in self._handles.values():
            runners.close()

    @property
    def gpu_running(self) -> bool:
        """True if a GPU runner could run tasks a few seconds ago."""
        return GPU_ENGINE in self._handles and self._handles[GPU_ENGINE].running

    async def run(self, call: RunCall) -> RunReply:
        """Run a task on the replica of its dataset and engine. Cancelling this kills the run.

        Raises ``RunInterrupted`` if the replica died, ``Overloaded`` if every queue is full or no runner of that engine
        is running.
        """
        return await self._runners_of(call["engine"]).run(call["dataset"]["dataset_id"], call)

    async def fetch(self, engine: EngineName, run_id: str, kept: KeptResult) -> AsyncIterator[bytes]:
        """Yield a large result in chunks: from its file if that can be opened here, else from its replica."""
        runners, replica, length = self._runners_of(engine), kept["replica"], kept["length"]
        file = open_result(kept["location"])
        if file is None:
            async for chunk in runners.chunks(replica, "fetch", run_id):
                yield chunk
            return
        dropping = asyncio.create_task(self.drop(engine, run_id, kept))
        try:
            for offset in range(0, length, CHUNK_BYTES):
                yield os.pread(file, min(CHUNK_BYTES, length - offset), offset)
            await dropping
        finally:
            os.close(file)

    async def drop(self, engine: EngineName, run_id: str, kept: KeptResult) -> None:
        """Have the replica forget a result. If this fails, it forgets the result after a while."""
        with suppress(RuntimeFailure):
            await self._runners_of(engine).call("drop", REPLICA_PREFIX + kept["replica"], run_id)

    async def parse(self, request: dict[str, Any], user: str) -> Fields:
        """Have an upload parsed, when it is the user's turn. Return the object's description.

        Raises ``InvalidTable``, ``StorageFull``, ``RunInterrupted``, ``Overloaded``.
        """
        return _object_of(await self._cpu.call("parse", "", request, user))

    async def concatenate(self, object_ids: list[str], user: str) -> Fields:
        """Have stored tables concatenated; as ``parse``."""
        return _object_of(await self._cpu.call("concatenate", "", object_ids, user))

    async def evict(self, dataset_id: str) -> None:
        """Have every replica forget a dataset."""
        await self._broadcast("evict", dataset_id)

    async def cancel(self, run_id: str) -> bool:
        """Have every replica end this run, now or when the run arrives. Return True if a replica had the run."""
        return any(await self._broadcast("cancel", run_id))

    async def states(self) -> dict[str, State]:
        """Return the state of each run that is on a replica now: ``queued`` or ``running``."""
        return {run_id: state for states in await self._broadcast("states") for run_id, state in states.items()}

    async def ready(self) -> None:
        """Return once a CPU runner can run tasks, because a server without GPU runners still has an answer to every
        request. Raises ``RunInterrupted``."""
        await self._cpu.call("ready", "")

    async def _broadcast(self, method: str, *args: Any) -> list[Any]:
        answers = await asyncio.gather(*(runners.broadcast(method, *args) for runners in self._handles.values()))
        return [answer for some in answers for answer in some]

    def _runners_of(self, engine: EngineName) -> RunnerHandle:
        """Return the runners of an engine. The CPU runner gets the other engines, and refuses them with a sentence."""
        return self._handles.get(engine, self._cpu)


def _object_of(reply: dict[str, Any]) -> Fields:
    if "failure" in reply:
        raise RuntimeFailure.from_wire(reply["failure"])
    described: Fields = reply["object"]
    return described
