"""Which engine a request gets, on the wire: what it asks for, what is set up, what is running."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from deployments.calls.messages import KeptResult, RunCall, RunReply
from deployments.calls.runner_handle import not_running
from tests.tasks import run_reply
from tests.unit.http.app import opened, run
from tests.waiting import WITHIN_S

pytestmark = pytest.mark.anyio

GPU: dict[str, Any] = {"gpu": {}}
FALLS_BACK = {"cudf_falls_back_to_pandas": True}


class Runners:
    """Stands for the way to runners of both kinds: answers with the engine that it is asked for."""

    def __init__(self, *, gpu_running: bool, large: bool = False) -> None:
        self.gpu_running = gpu_running
        self.asked: list[str] = []
        self.fetched: list[str] = []
        self._large = large

    async def run(self, call: RunCall) -> RunReply:
        engine = call["engine"]
        self.asked.append(engine)
        if engine == "cudf" and not self.gpu_running:
            raise not_running()
        if self._large:
            return run_reply(content=b"", kept={"replica": "a", "length": 1, "location": None})
        return run_reply()

    async def fetch(self, engine: str, run_id: str, kept: KeptResult) -> AsyncIterator[bytes]:
        self.fetched.append(engine)
        yield b"1"

    async def states(self) -> dict[str, str]:
        return {}


async def answered(
    data: Path, runners: Runners, asked: str | None, **settings: Any
) -> tuple[httpx.Response, dict[str, Any]]:
    """The response, and the run's receipt once it has been written."""
    async with opened(data, runners, **settings) as (http, dataset_id), asyncio.timeout(WITHIN_S):
        answer = await run(http, dataset_id, **({} if asked is None else {"engine": asked}))
        while True:
            results = (await http.get("/api/v2/runs")).json()["results"]
            if results and results[0]["state"] == "ended":
                return answer, results[0]
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("settings", "gpu_running", "asked", "ran"),
    [
        ({}, False, None, "pandas"),
        ({}, False, "pandas", "pandas"),
        (GPU, True, None, "cudf"),
        (GPU, True, "pandas", "pandas"),
        (GPU, True, "cudf", "cudf"),
        (GPU, False, None, "pandas"),
        (GPU, False, "pandas", "pandas"),
        (GPU | FALLS_BACK, True, "cudf", "cudf"),
        (GPU | FALLS_BACK, True, None, "cudf"),
    ],
)
async def test_a_run_has_the_engine_that_it_asks_for_or_the_best_that_is_running(
    tmp_path: Path, settings: dict[str, Any], gpu_running: bool, asked: str | None, ran: str
) -> None:
    answer, receipt = await answered(tmp_path, Runners(gpu_running=gpu_running), asked, **settings)
    assert answer.status_code == 200
    assert "x-engine" not in answer.headers
    assert receipt["engine"] == ran


@pytest.mark.parametrize("settings", [FALLS_BACK, GPU | FALLS_BACK], ids=["not set up", "not running"])
async def test_cudf_falls_back_while_no_gpu_runner_runs(tmp_path: Path, settings: dict[str, Any]) -> None:
    answer, receipt = await answered(tmp_path, Runners(gpu_running=False), "cudf", **settings)
    assert (answer.status_code, answer.headers["x-engine"], receipt["engine"]) == (200, "pandas", "pandas")


async def test_cudf_is_refused_at_once_while_no_gpu_runner_runs(tmp_path: Path) -> None:
    answer, receipt = await answered(tmp_path, Runners(gpu_running=False), "cudf", **GPU)
    assert (answer.status_code, answer.json()["type"]) == (503, "Overloaded")
    assert int(answer.headers["retry-after"]) > 0
    assert 'engine="pandas"' in answer.json()["error"]
    assert (receipt["cause"], receipt["engine"], receipt["started_at"]) == ("Overloaded", "cudf", None)


@pytest.mark.parametrize(("asked", "fetched"), [("cudf", "cudf"), (None, "cudf"), ("pandas", "pandas")])
async def test_a_large_result_is_fetched_from_the_engine_that_made_it(
    tmp_path: Path, asked: str | None, fetched: str
) -> None:
    runners = Runners(gpu_running=True, large=True)
    answer, _ = await answered(tmp_path, runners, asked, **GPU)
    assert (answer.json(), runners.fetched) == (1, [fetched])
