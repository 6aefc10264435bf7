"""Runs over a direct connection: their results, and how they end."""

import asyncio

import pytest

from tests.unit.direct.wired import Request, Wired, ask, wired
from tests.waiting import eventually_async

pytestmark = pytest.mark.anyio


class TestRuns:
    @pytest.mark.parametrize("length", [0, 1, 3_000_000])
    async def test_results_are_bytes(self, length: int) -> None:
        async with wired() as both:
            assert (await ask(await both.slot(), {"length": length}))["content"] == bytes(length)

    async def test_an_answer_without_a_result_has_none(self) -> None:
        async with wired() as both:
            assert await ask(await both.slot(), {}) == {"echo": {}, "content": b""}

    async def test_many_runs_at_once_get_their_own_answers(self) -> None:
        async def one(both: Wired, number: int) -> bool:
            slot = await both.slot()
            reply = await ask(slot, {"n": number, "sleep_s": 0.001 * (number % 7), "length": number})
            return bool(reply["echo"]["n"] == number and len(reply["content"]) == number)

        async with wired() as both:
            assert all(await asyncio.gather(*(one(both, number) for number in range(50))))

    async def test_a_run_whose_caller_leaves_is_ended_and_its_slot_is_free(self) -> None:
        begun: list[Request] = []
        ended: list[Request] = []

        async def endless(request: Request) -> Request:
            if request.get("quick"):
                return {"content": b""}
            begun.append(request)
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                ended.append(request)
                raise
            return {}

        async with wired(endless) as both:
            slot = await both.slot()
            running = asyncio.create_task(ask(slot, {"n": 1}))
            await eventually_async(lambda: begun)
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            await eventually_async(lambda: ended == [{"n": 1}])
            assert both.calls.take("d") is slot
            assert await ask(slot, {"quick": True}) == {"content": b""}

    async def test_a_run_that_fails_in_the_runner_is_a_connection_error_and_logged_there(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        async with wired() as both:
            slot = await both.slot()
            with pytest.raises(ConnectionError, match="failed in the replica"):
                await ask(slot, {"raise": "a bug"})
            assert await ask(slot, {}) == {"echo": {}, "content": b""}
        assert "a bug" in caplog.text

    async def test_the_runs_of_a_runner_that_ends_are_interrupted_and_the_next_run_goes_by_serve(self) -> None:
        begun: list[Request] = []

        async def endless(request: Request) -> Request:
            begun.append(request)
            await asyncio.sleep(60)
            return {}

        async with wired(endless) as both:
            slot = await both.slot()
            running = asyncio.create_task(ask(slot, {}))
            await eventually_async(lambda: begun)
            both.runner.close()
            with pytest.raises(ConnectionError):
                await running
            assert both.calls.take("d") is None
            await eventually_async(lambda: both.serve.held == 0)

    async def test_a_request_that_is_not_json_is_not_sent_and_costs_no_slot(self) -> None:
        async with wired() as both:
            slot = await both.slot()
            with pytest.raises(TypeError):
                await ask(slot, {"source": "\ud800"})
            assert both.calls.take("d") is slot
