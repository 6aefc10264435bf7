"""The ingress's way to one deployment of runners: calls over Serve's handle, and the errors of calls that fail."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from functools import lru_cache
from typing import Any, Final, cast

import grpc
from ray.exceptions import RayError
from ray.serve.exceptions import BackPressureError, DeploymentUnavailableError, RayServeException

from deployments.calls.affinity import REPLICA_PREFIX
from deployments.calls.direct.client import DirectCalls
from deployments.calls.direct.slot import OpenCall
from deployments.calls.messages import RunCall, RunReply, SlotOffer
from runtime.errors import EngineUnavailable, Overloaded, RunInterrupted, RuntimeFailure
from runtime.task import CPU_ENGINE, GPU_ENGINE, send_with

log = logging.getLogger("graphside.ingress")

_HANDLES: Final = 256
"""Handles to keep, one for each method and dataset, because making a handle takes about 0.1 ms."""

_TRANSPORT_ERRORS: Final = (RayError, RayServeException, grpc.RpcError, ConnectionError)

LOOK_S: Final = 2.0
"""Seconds between two questions whether a GPU runner is running."""

LOOK_TIMEOUT_S: Final = 5.0

START_S: Final = 180.0
"""For this long after an ingress started, a GPU runner that it has not seen may still be starting. After that, the
ingress assumes that there is none."""

FIND_REPLICA_S: Final = 15.0
"""The longest that a call waits for Serve to find a GPU runner: longer than a runner takes to restart after a crash."""


class RunnerHandle:
    """Calls replicas of one deployment."""

    absence_level = logging.WARNING
    """Level of the log line that says that there are no replicas."""

    running = True
    """True if calls may be sent. Serve holds a call until a replica takes it."""

    def __init__(self, handle: Any, *, direct: bool = False) -> None:
        """``handle`` is a ``DeploymentHandle``. ``direct``: runs may go over a socket to runners on this machine."""
        # pickle instead of cloudpickle: messages are plain dicts, for which it is several times faster
        self._handle = handle.options(request_serialization="pickle", response_serialization="pickle")
        self._to = lru_cache(_HANDLES)(self._handle_to)
        self._direct = DirectCalls(self._open_slot) if direct else None

    def start(self) -> None:
        """Do nothing, because Serve holds a call until there is a replica."""

    async def run(self, key: str, call: RunCall) -> RunReply:
        """Run a task, past Serve if there is a free slot (``calls/direct``). Raises as ``call`` does."""
        slot = None if self._direct is None else self._direct.take(key)
        if slot is not None:
            try:
                return await slot.run(call)
            except TypeError:  # not JSON, so nothing was sent
                pass
            except ConnectionError as error:
                raise _interrupted("run") from error
        return cast(RunReply, await self.call("run", key, call))

    def close(self) -> None:
        """Let go of slots and connections."""
        if self._direct is not None:
            self._direct.close()

    async def call(self, method: str, key: str, *args: Any) -> Any:
        """Return a replica's answer. ``key`` selects the replica, as ``DatasetAffinityRouter`` understands it.

        Cancelling this cancels the call. Raises ``RunInterrupted`` if the replica died, ``Overloaded`` if every queue
        is full.
        """
        response = self._to(method, key).remote(*args)
        try:
            return await self._answer(response)
        except asyncio.CancelledError:
            response.cancel()
            raise
        except BackPressureError as error:
            raise Overloaded("every runner's queue is full; try again later", retry_after_s=1) from error
        except _TRANSPORT_ERRORS as error:
            raise _interrupted(method) from error

    async def chunks(self, replica: str, method: str, *args: Any) -> AsyncIterator[Any]:
        """Yield what a method of this replica yields."""
        handle = self._handle.options(method_name=method, session_id=REPLICA_PREFIX + replica, stream=True)
        async for chunk in handle.remote(*args):
            yield chunk

    async def broadcast(self, method: str, *args: Any) -> list[Any]:
        """Return the answers of all replicas; none at all if a replica does not answer."""
        try:
            results: list[Any] = await self._handle.broadcast(method, *args).results_async()
        except DeploymentUnavailableError:
            log.log(self.absence_level, "broadcast.nobody method=%s", method)
            return []
        except _TRANSPORT_ERRORS:
            log.exception("broadcast.failed method=%s", method)
            return []
        return results

    async def _answer(self, response: Any) -> Any:
        return await response

    async def _open_slot(self, key: str) -> tuple[OpenCall, SlotOffer]:
        call = self._handle.options(method_name="slot", session_id=key, stream=True).remote()
        try:
            return call, await anext(call)
        except BaseException:
            call.cancel()
            raise

    def _handle_to(self, method: str, key: str) -> Any:  # Any: as above
        return self._handle.options(method_name=method, session_id=key)


def _interrupted(method: str) -> RunInterrupted:
    log.exception("runner.call_failed method=%s", method)
    text = "the server process that held this request ended; nothing was changed, send the request again"
    return RunInterrupted(text, retry_after_s=1)


class GpuRunnerHandle(RunnerHandle):
    """The same for GPU runners, of which there may be none: still starting, no device found, no card free.

    Serve would hold a call until there is a replica. This handle refuses the call instead, because a replica may never
    come.
    """

    absence_level = logging.DEBUG

    def __init__(self, handle: Any, *, direct: bool = False) -> None:
        super().__init__(handle, direct=direct)
        self.running = False
        self._was_running = False
        self._since = time.monotonic()
        self._looking: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to look, in the running loop."""
        self._looking = asyncio.create_task(self._look_on())

    async def call(self, method: str, key: str, *args: Any) -> Any:
        """Call a GPU runner as ``RunnerHandle`` does.

        Raises ``Overloaded`` if no GPU runner is running, or ``EngineUnavailable`` if none ever was. Both say what to
        do.
        """
        if not self.running:
            raise self._not_running()
        return await super().call(method, key, *args)

    async def look(self) -> None:
        """Ask the replicas whether one of them can run tasks."""
        try:
            async with asyncio.timeout(LOOK_TIMEOUT_S):
                running = any(await self.broadcast("is_ready"))
        except TimeoutError:
            running = False
        if running != self.running:
            log.info("gpu.runners running=%s", running)
        self.running = running
        self._was_running |= running

    async def _look_on(self) -> None:
        while True:
            try:
                await self.look()
            except Exception:  # whatever it is, the next look may succeed
                log.exception("gpu.look_failed")
                self.running = False
            await asyncio.sleep(LOOK_S)

    async def _open_slot(self, key: str) -> tuple[OpenCall, SlotOffer]:
        if not self.running:
            raise self._not_running()
        return await super()._open_slot(key)

    async def _answer(self, response: Any) -> Any:
        try:
            async with asyncio.timeout(FIND_REPLICA_S):
                await (
                    response._fetch_future_result_async()
                )  # returns when a replica has the call; Serve has no public way
        except (TimeoutError, DeploymentUnavailableError) as error:
            response.cancel()
            await self.look()
            if self.running:
                raise Overloaded("every GPU runner is busy; try again later", retry_after_s=1) from error
            raise self._not_running() from error
        return await response

    def _not_running(self) -> RuntimeFailure:
        if self._was_running or time.monotonic() - self._since < START_S:
            return not_running()
        text = f"this server's GPU cannot be used; {send_with(CPU_ENGINE)}; {_OPERATOR}"
        return EngineUnavailable(text, engine=GPU_ENGINE)


_OPERATOR: Final = "the operator finds the reason in the log of GpuRunner, or with graphside doctor"


def not_running() -> Overloaded:
    """Return the error for a caller who asks for a GPU while no GPU runner is running."""
    text = f"no GPU runner is running on this server; try again later, or {send_with(CPU_ENGINE)}; {_OPERATOR}"
    return Overloaded(text, retry_after_s=10)
