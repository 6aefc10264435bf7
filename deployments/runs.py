"""The ingress's way to the runners: calls over Serve's handle, and what their failures mean to a caller."""

import asyncio
import logging
import os
from collections.abc import AsyncIterator
from contextlib import suppress
from functools import lru_cache
from typing import Any, Final

import grpc
from ray.exceptions import RayError
from ray.serve.exceptions import BackPressureError, RayServeException

from deployments.affinity import REPLICA_PREFIX
from runtime.errors import Overloaded, RunInterrupted, RuntimeFailure
from runtime.receipts import State
from runtime.sandbox.large_result import open_result

log = logging.getLogger("graphside.ingress")

_HANDLES: Final = 256
"""Handles that are kept, one a method and dataset: to make one takes about 0.1 ms."""

CHUNK_BYTES: Final = 256 * 1024
"""Of a result's file: in memory once for each answer that is being sent."""

Reply = dict[str, Any]

_TRANSPORT_ERRORS: Final = (RayError, RayServeException, grpc.RpcError, ConnectionError)


class RunnerClient:
    """Calls runner replicas. A dataset's requests go to the replica that holds it (``DatasetAffinityRouter``)."""

    def __init__(self, handle: Any) -> None:  # a DeploymentHandle; its types do not know methods by name
        # pickle instead of cloudpickle: requests and replies are plain dicts, and it is several times faster.
        self._handle = handle.options(request_serialization="pickle", response_serialization="pickle")
        self._to = lru_cache(_HANDLES)(self._handle_to)

    async def run(self, dataset_id: str, request: Reply) -> Reply:
        """Run a task on the replica of its dataset. Cancelling this kills the run.

        Raises ``RunInterrupted`` where the replica died, ``Overloaded`` where every queue is full.
        """
        reply: Reply = await self._call("run", dataset_id, request)
        return reply

    async def fetch(self, replica: str, run_id: str, place: Reply | None) -> AsyncIterator[bytes]:
        """The chunks of a large result: from its file where that is in reach, else from the replica that made it."""
        file = open_result(place)
        if file is not None and place is not None:
            dropping = asyncio.create_task(self._drop(replica, run_id))
            try:
                for offset in range(0, place["length"], CHUNK_BYTES):
                    yield os.pread(file, min(CHUNK_BYTES, place["length"] - offset), offset)
                await dropping
            finally:
                os.close(file)
            return
        handle = self._handle.options(method_name="fetch", session_id=REPLICA_PREFIX + replica, stream=True)
        async for chunk in handle.remote(run_id):
            yield chunk

    async def _drop(self, replica: str, run_id: str) -> None:
        """Where it fails, the replica forgets the result after a while."""
        with suppress(RuntimeFailure):
            await self._call("drop", REPLICA_PREFIX + replica, run_id)

    async def parse(self, request: Reply) -> Reply:
        """Have an upload parsed. Returns the object's description.

        Raises ``InvalidTable``, ``StorageFull``, ``RunInterrupted``, ``Overloaded``.
        """
        return _object_of(await self._call("parse", "", request))

    async def concatenate(self, object_ids: list[str]) -> Reply:
        """Have stored tables concatenated; as ``parse``."""
        return _object_of(await self._call("concatenate", "", object_ids))

    async def evict(self, dataset_id: str) -> None:
        """Have every replica forget a dataset."""
        await self._broadcast("evict", dataset_id)

    async def cancel(self, run_id: str) -> bool:
        """Have the replica that has this run end it, or that to which it comes. Whether one had it."""
        return any(await self._broadcast("cancel", run_id))

    async def states(self) -> dict[str, State]:
        """The runs that are on replicas now: ``queued`` or ``running`` by id."""
        return {run_id: state for states in await self._broadcast("states") for run_id, state in states.items()}

    async def _broadcast(self, method: str, *args: Any) -> list[Any]:
        """What every replica answers; nothing where one does not."""
        try:
            results: list[Any] = await self._handle.broadcast(method, *args).results_async()
        except _TRANSPORT_ERRORS:
            log.exception("broadcast.failed method=%s", method)
            return []
        return results

    async def ready(self) -> None:
        """Return once some replica can run tasks. Raises ``RunInterrupted``."""
        await self._call("ready", "")

    def _handle_to(self, method: str, key: str) -> Any:  # Any: as above
        return self._handle.options(method_name=method, session_id=key)

    async def _call(self, method: str, key: str, *args: Any) -> Any:
        response = self._to(method, key).remote(*args)
        try:
            return await response
        except asyncio.CancelledError:
            response.cancel()
            raise
        except BackPressureError as error:
            raise Overloaded("every runner's queue is full; try again later", retry_after_s=1) from error
        except _TRANSPORT_ERRORS as error:
            log.exception("runner.call_failed method=%s", method)
            text = "the server process that held this request ended; nothing was changed, send the request again"
            raise RunInterrupted(text, retry_after_s=1) from error


def _object_of(reply: Reply) -> Reply:
    if "failure" in reply:
        raise RuntimeFailure.from_wire(reply["failure"])
    described: Reply = reply["object"]
    return described
