"""A way from the ingress to one deployment of runners: calls over Serve's handle, and what their failures mean."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from functools import lru_cache
from typing import Any, Final

import grpc
from ray.exceptions import RayError
from ray.serve.exceptions import BackPressureError, DeploymentUnavailableError, RayServeException

from deployments.calls.affinity import REPLICA_PREFIX
from deployments.calls.direct.client import Call, DirectCalls
from runtime.errors import EngineUnavailable, Overloaded, RunInterrupted, RuntimeFailure

log = logging.getLogger("graphside.ingress")

_HANDLES: Final = 256
"""Handles that are kept, one a method and dataset: to make one takes about 0.1 ms."""

_TRANSPORT_ERRORS: Final = (RayError, RayServeException, grpc.RpcError, ConnectionError)

LOOK_S: Final = 2.0
"""How often an ingress asks whether there are GPU runners."""

LOOK_TIMEOUT_S: Final = 5.0

START_S: Final = 180.0
"""So long after an ingress started a GPU runner that it never saw may still be starting; later there is no device."""

FIND_REPLICA_S: Final = 15.0
"""The most that a call waits for Serve to find it a GPU runner: longer than one takes to get over a crash."""


class RunnerHandle:
    """Calls replicas of one deployment."""

    absence_level = logging.WARNING
    """Of the line that says that there are no replicas."""

    def __init__(self, handle: Any, *, direct: bool = False) -> None:
        """``handle``: a ``DeploymentHandle``, whose types do not know methods by name. ``direct``: whether runs may go
        over a socket where they can."""
        # pickle instead of cloudpickle: requests and replies are plain dicts, and it is several times faster.
        self._handle = handle.options(request_serialization="pickle", response_serialization="pickle")
        self._to = lru_cache(_HANDLES)(self._handle_to)
        self._direct = DirectCalls(self._open_place) if direct else None

    async def run(self, key: str, request: dict[str, Any]) -> Any:
        """``call`` of ``run``, past Serve where there is a place (``direct``)."""
        place = None if self._direct is None else self._direct.take(key)
        if place is None:
            return await self.call("run", key, request)
        try:
            return await place.run(request)
        except TypeError:  # not JSON, so it was not sent
            return await self.call("run", key, request)
        except ConnectionError as error:
            raise _interrupted("run") from error

    def close(self) -> None:
        """Let go of places and connections."""
        if self._direct is not None:
            self._direct.close()

    async def call(self, method: str, key: str, *args: Any) -> Any:
        """What a replica answers; ``key`` says which one, as ``DatasetAffinityRouter`` understands it.

        Cancelling this cancels the call. Raises ``RunInterrupted`` where the replica died, ``Overloaded`` where every
        queue is full.
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
        """What that very replica's method yields."""
        handle = self._handle.options(method_name=method, session_id=REPLICA_PREFIX + replica, stream=True)
        async for chunk in handle.remote(*args):
            yield chunk

    async def broadcast(self, method: str, *args: Any) -> list[Any]:
        """What every replica answers; nothing where one does not."""
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

    async def _open_place(self, key: str) -> tuple[Call, dict[str, Any]]:
        call = self._handle.options(method_name="place", session_id=key, stream=True).remote()
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

    Serve keeps a call for as long as it takes until there is a replica. Here nobody waits for one that may never come.
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
        """As of any runner. Where no GPU runner runs, raises ``Overloaded``, or ``EngineUnavailable`` where none ever
        did, and says what to do."""
        if not self.running:
            raise self._not_running()
        return await super().call(method, key, *args)

    async def look(self) -> None:
        """Find out whether some replica can run tasks."""
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
            except Exception:  # whatever it is, the next look may fare better
                log.exception("gpu.look_failed")
                self.running = False
            await asyncio.sleep(LOOK_S)

    async def _open_place(self, key: str) -> tuple[Call, dict[str, Any]]:
        if not self.running:
            raise self._not_running()
        return await super()._open_place(key)

    async def _answer(self, response: Any) -> Any:
        try:
            async with asyncio.timeout(FIND_REPLICA_S):
                await response._fetch_future_result_async()  # ends when the call has a replica; nothing public does
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
        text = (
            "this server's GPU cannot be used (its operator finds the reason in the log of GpuRunner, or by graphside "
            'doctor); send the request with "engine": "pandas" (PyGraphistry: engine="pandas")'
        )
        return EngineUnavailable(text, engine="cudf")


def not_running() -> Overloaded:
    """What a caller is told who wants a GPU where one is set up and none is running."""
    text = (
        "no GPU runner is running on this server; try again later (its operator finds the reason in the log of "
        'GpuRunner, or by graphside doctor), or send the request with "engine": "pandas" '
        '(PyGraphistry: engine="pandas")'
    )
    return Overloaded(text, retry_after_s=10)
