"""The way to the runners where there are two kinds: who gets what, and what happens while one kind is missing."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any, Self

import pytest
from ray.serve._private.common import DeploymentID, RequestMetadata
from ray.serve.exceptions import DeploymentUnavailableError
from ray.serve.handle import DeploymentResponse

from deployments.calls import runner_handle
from deployments.calls.affinity import REPLICA_PREFIX
from deployments.calls.messages import KeptResult
from deployments.calls.runner_client import RunnerClient
from deployments.calls.runner_handle import GpuRunnerHandle
from runtime.engines.base import DatasetSource
from runtime.errors import EngineUnavailable, Overloaded, RunInterrupted
from runtime.executor import Executor, ExecutorSettings
from runtime.task import CPU_ENGINE, GPU_ENGINE, EngineName
from tests.tasks import run_call, spec
from tests.waiting import eventually_async, turns

pytestmark = pytest.mark.anyio

ABSENT = DeploymentUnavailableError(DeploymentID(name="GpuRunner"))


class Response:
    """A call. ``assigned``: whether it found a replica; without one it waits until it is cancelled."""

    def __init__(self, answer: Any, assigned: bool) -> None:
        self._answer = answer
        self._assigned = assigned
        self.cancelled = False

    async def _fetch_future_result_async(self) -> None:
        if not self._assigned:
            await asyncio.Event().wait()
        if isinstance(self._answer, DeploymentUnavailableError):
            raise self._answer

    def __await__(self) -> Any:
        return self._reply().__await__()

    async def _reply(self) -> Any:
        await self._fetch_future_result_async()
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer

    def cancel(self) -> None:
        self.cancelled = True


class Broadcast:
    def __init__(self, answers: list[Any] | Exception) -> None:
        self._answers = answers

    async def results_async(self) -> list[Any]:
        if isinstance(self._answers, Exception):
            raise self._answers
        return self._answers


class Deployment:
    """A handle to a deployment. ``ready``: what its replicas answer to ``is_ready``, or why they do not."""

    def __init__(self, name: str, ready: list[bool] | Exception = ABSENT) -> None:
        self.name = name
        self.ready = ready
        self.answers: dict[str, Any] = {}
        self.assigned = True
        self.calls: list[tuple[str, str]] = []
        self.broadcasts: list[tuple[str, tuple[Any, ...]]] = []
        self.responses: list[Response] = []
        self._next = ("", "")

    def options(self, method_name: str = "", session_id: str = "", **_: Any) -> Self:
        if method_name:
            self._next = (method_name, session_id)
        return self

    def remote(self, *_: Any) -> Any:
        self.calls.append(self._next)
        if self._next[0] == "fetch":
            return self._chunks()
        self.responses.append(Response(self.answers.get(self._next[0], self.name), self.assigned))
        return self.responses[-1]

    def broadcast(self, method: str, *args: Any) -> Broadcast:
        self.broadcasts.append((method, args))
        if method == "is_ready" or isinstance(self.ready, Exception):
            return Broadcast(self.ready)
        return Broadcast([self.answers[method]])

    async def _chunks(self) -> AsyncIterator[bytes]:
        yield self.name.encode()


Act = Callable[[RunnerClient], Awaitable[Any]]


async def look(client: RunnerClient) -> None:
    """Look at the GPU runners once, as the client does every few seconds."""
    runners = client._handles[GPU_ENGINE]
    assert isinstance(runners, GpuRunnerHandle)
    await runners.look()


async def asked(cpu: Deployment, gpu: Deployment, act: Act) -> Any:
    """Do ``act`` with a client that has looked at the GPU runners once."""
    client = RunnerClient({CPU_ENGINE: cpu, GPU_ENGINE: gpu})
    await look(client)
    return await act(client)


@pytest.fixture
def cpu() -> Deployment:
    return Deployment("Runner", [True])


@pytest.fixture
def gpu() -> Deployment:
    return Deployment("GpuRunner", [True])


@pytest.mark.parametrize(("engine", "runner"), [("pandas", "Runner"), ("cudf", "GpuRunner")])
async def test_a_run_goes_to_the_runners_of_its_engine(
    cpu: Deployment, gpu: Deployment, engine: EngineName, runner: str
) -> None:
    assert await asked(cpu, gpu, lambda client: client.run(run_call(engine))) == runner
    assert [deployment.calls for deployment in (cpu, gpu) if deployment.name == runner] == [[("run", "d")]]


async def test_without_gpu_runners_every_run_goes_to_a_runner_which_knows_its_engine(cpu: Deployment) -> None:
    client = RunnerClient({CPU_ENGINE: cpu})
    reply: Any = await client.run(run_call("cudf"))
    assert reply == "Runner"
    assert not client.gpu_running


@pytest.mark.parametrize(("engine", "runner"), [("pandas", b"Runner"), ("cudf", b"GpuRunner")])
async def test_a_large_result_comes_from_the_kind_of_runner_that_made_it(
    cpu: Deployment, gpu: Deployment, engine: Any, runner: bytes
) -> None:
    async def fetched(client: RunnerClient) -> list[bytes]:
        kept: KeptResult = {"replica": "a", "length": 1, "location": None}
        return [chunk async for chunk in client.fetch(engine, "run", kept)]

    assert await asked(cpu, gpu, fetched) == [runner]
    assert cpu.calls + gpu.calls == [("fetch", REPLICA_PREFIX + "a")]


async def test_uploads_are_for_runners_without_a_gpu(cpu: Deployment, gpu: Deployment) -> None:
    cpu.answers = {"parse": {"object": {"id": "o"}}, "concatenate": {"object": {"id": "p"}}}

    async def upload(client: RunnerClient) -> list[Any]:
        return [await client.parse({}, "1"), await client.concatenate(["o"], "1")]

    assert await asked(cpu, gpu, upload) == [{"id": "o"}, {"id": "p"}]
    assert gpu.calls == []


async def test_what_concerns_everybody_is_told_to_both_kinds(cpu: Deployment, gpu: Deployment) -> None:
    cpu.answers = {"evict": None, "cancel": False, "states": {"a": "queued"}}
    gpu.answers = {"evict": None, "cancel": True, "states": {"b": "running"}}

    async def tell(client: RunnerClient) -> list[Any]:
        await client.evict("d")
        return [await client.cancel("b"), await client.states()]

    assert await asked(cpu, gpu, tell) == [True, {"a": "queued", "b": "running"}]
    told = [("evict", ("d",)), ("cancel", ("b",)), ("states", ())]
    assert (cpu.broadcasts, gpu.broadcasts) == (told, [("is_ready", ()), *told])


async def test_the_other_kind_answers_while_one_is_missing(
    cpu: Deployment, caplog: pytest.LogCaptureFixture
) -> None:  # fmt: skip
    cpu.answers = {"evict": None, "cancel": True, "states": {"a": "queued"}}

    async def tell(client: RunnerClient) -> list[Any]:
        await client.evict("d")
        await client.ready()
        return [await client.cancel("a"), await client.states(), client.gpu_running]

    assert await asked(cpu, Deployment("GpuRunner"), tell) == [True, {"a": "queued"}, False]
    assert not caplog.records


@pytest.mark.parametrize(
    "ready", [ABSENT, [], [False], ConnectionError("gone")], ids=["none", "no answer", "still starting", "dying"]
)
async def test_nobody_waits_for_gpu_runners_that_are_not_there(cpu: Deployment, ready: Any) -> None:
    gpu = Deployment("GpuRunner", ready)
    with pytest.raises(Overloaded, match=r'no GPU runner is running.*"engine": "pandas"') as raised:
        await asked(cpu, gpu, lambda client: client.run(run_call("cudf")))
    assert raised.value.fields["retry_after_s"] > 0
    assert gpu.calls == []


async def test_gpu_runners_that_never_came_are_no_engine(cpu: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner_handle, "START_S", 0.0)
    with pytest.raises(EngineUnavailable, match='"engine": "pandas"') as raised:
        await asked(cpu, Deployment("GpuRunner", ABSENT), lambda client: client.run(run_call("cudf")))
    assert raised.value.fields["engine"] == "cudf"


async def test_gpu_runners_that_were_there_will_be_again(
    cpu: Deployment, gpu: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner_handle, "START_S", 0.0)

    async def run(client: RunnerClient) -> None:
        gpu.ready = ABSENT
        await look(client)
        await client.run(run_call("cudf"))

    with pytest.raises(Overloaded):
        await asked(cpu, gpu, run)


async def test_one_ready_replica_is_enough(cpu: Deployment) -> None:
    gpu = Deployment("GpuRunner", [False, True])
    assert await asked(cpu, gpu, lambda client: client.run(run_call("cudf"))) == "GpuRunner"


@pytest.mark.parametrize(
    ("ready", "says", "running"),
    [(ABSENT, "no GPU runner is running", False), ([True], "every GPU runner is busy", True)],
    ids=["gone meanwhile", "without room"],
)
async def test_a_call_that_finds_no_replica_is_given_up_after_a_while(
    cpu: Deployment, gpu: Deployment, monkeypatch: pytest.MonkeyPatch, ready: Any, says: str, running: bool
) -> None:
    monkeypatch.setattr(runner_handle, "FIND_REPLICA_S", 0.05)
    gpu.assigned = False

    async def run(client: RunnerClient) -> bool:
        gpu.ready = ready
        with pytest.raises(Overloaded, match=says):
            await client.run(run_call("cudf"))
        return client.gpu_running

    assert await asked(cpu, gpu, run) is running
    assert gpu.responses[0].cancelled


@pytest.mark.parametrize(
    ("error", "kind"), [(ABSENT, Overloaded), (ConnectionError("gone"), RunInterrupted)], ids=["failed", "died"]
)
async def test_a_gpu_runner_that_goes_is_no_riddle(
    cpu: Deployment, gpu: Deployment, error: Exception, kind: type[Exception]
) -> None:
    gpu.answers = {"run": error}

    async def run(client: RunnerClient) -> None:
        gpu.ready = ABSENT
        with pytest.raises(kind):
            await client.run(run_call("cudf"))

    await asked(cpu, gpu, run)


async def test_a_client_that_leaves_takes_its_run_along(cpu: Deployment, gpu: Deployment) -> None:
    gpu.assigned = False

    async def leave(client: RunnerClient) -> bool:
        running = asyncio.create_task(client.run(run_call("cudf")))
        await eventually_async(lambda: gpu.responses)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        return running.cancelled()

    assert await asked(cpu, gpu, leave)
    assert gpu.responses[0].cancelled


async def test_an_ingress_keeps_looking(cpu: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner_handle, "LOOK_S", 0.01)
    gpu = Deployment("GpuRunner")

    client = RunnerClient({CPU_ENGINE: cpu, GPU_ENGINE: gpu})
    client.start()
    for ready in ([True], ABSENT, RuntimeError("what?"), [True]):
        gpu.ready = ready
        wanted = isinstance(ready, list)
        await eventually_async(lambda wanted=wanted: client.gpu_running is wanted)  # type: ignore[misc]


async def test_a_call_of_serve_tells_when_it_has_found_a_replica() -> None:
    class Result:
        async def get_async(self) -> str:
            return "reply"

    found: Future[Any] = Future()
    response: DeploymentResponse[str] = DeploymentResponse(
        found, RequestMetadata(request_id="r", internal_request_id="i")
    )
    waiting = asyncio.create_task(response._fetch_future_result_async())
    await turns(1)
    assert not waiting.done()
    found.set_result(Result())
    await waiting
    assert await response == "reply"


@pytest.mark.parametrize(
    ("here", "asked", "says"),
    [
        ("pandas", "cudf", r"'cudf' is not available on this server, which has no GPU; .* engine=\"pandas\""),
        ("cudf", "pandas", r"'pandas' is not available on this runner, which has 'cudf'; .* engine=\"cudf\""),
    ],
)
async def test_a_runner_that_has_another_engine_says_what_it_has(here: str, asked: str, says: str) -> None:
    engine: Any = SimpleNamespace(name=here, load=None, rewound=None)
    executor = Executor(engine, ExecutorSettings(seats=1, queue=0, cache_bytes=0))
    run = executor.run(DatasetSource("d", {}, 0), spec(), asked)
    with pytest.raises(EngineUnavailable, match=says) as raised:
        await run
    assert raised.value.fields == {"engine": asked}
