"""Slots of runners: when the client asks Serve for them, uses them, and gives them back."""

import asyncio
from typing import Any

import pytest

from deployments.calls.direct.client import DirectCalls
from tests.unit.direct.wired import ABOUT, Request, answer, ask, wired
from tests.waiting import WITHIN_S, eventually_async, turns

pytestmark = pytest.mark.anyio


class TestSlots:
    async def test_the_first_run_gets_no_slot_and_asks_for_none(self) -> None:
        async with wired() as both:
            assert both.calls.take("d") is None
            await turns()
            assert both.serve.calls == []

    async def test_the_second_run_asks_for_a_slot_without_waiting_for_it(self) -> None:
        async with wired() as both:
            assert both.calls.take("d") is None
            assert both.calls.take("d") is None
            slot = await both.slot()
            assert both.serve.keys[0] == "d"
            assert (await ask(slot, {"n": 1}))["echo"] == {"n": 1}

    async def test_a_slot_serves_one_run_at_a_time_and_is_given_back(self) -> None:
        let_go: list[bool] = []

        async def wait(request: Request) -> Request:
            await eventually_async(lambda: let_go)
            return await answer(request)

        async with wired(wait) as both:
            first = await both.slot()
            running = asyncio.create_task(ask(first, {}))
            second = await both.slot()
            assert second is not first
            let_go.append(True)
            await running
            assert both.calls.take("d") is first

    async def test_idle_slots_are_released(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("deployments.calls.direct.line.IDLE_S", 0.1)
        async with wired() as both:
            slot = await both.slot()
            await ask(slot, {})
            assert both.serve.held > 0
            await eventually_async(lambda: both.serve.held == 0)
            assert both.calls.take("d") is None

    async def test_serve_is_asked_again_after_a_while(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("deployments.calls.direct.client.ASK_AGAIN_S", 0.2)
        async with wired() as both:
            await ask(await both.slot(), {})
            asked = len(both.serve.calls)
            async with asyncio.timeout(WITHIN_S):
                while len(both.serve.calls) == asked:
                    if (slot := both.calls.take("d")) is not None:
                        await ask(slot, {})
                    await asyncio.sleep(0.01)

    async def test_an_old_slot_is_released_though_it_is_in_use(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("deployments.calls.direct.slot.RETIRED_S", 0.1)
        async with wired() as both:
            slot = await both.slot()
            await asyncio.sleep(0.15)  # the slot's age is what is tested
            await ask(slot, {})
            assert both.calls.take("d") is not slot
            await eventually_async(lambda: both.serve.calls[0].ended.is_set())

    async def test_a_slot_that_serve_lost_is_not_used_again(self, caplog: pytest.LogCaptureFixture) -> None:
        async with wired() as both:
            slot = await both.slot()
            await ask(slot, {})
            both.serve.calls[0].cancel()
            await eventually_async(lambda: not slot.held)
            assert both.calls.take("d") is not slot

    async def test_many_datasets_asked_for_in_turn_share_a_slot(self) -> None:
        async with wired() as both:
            for number in range(40):
                for _ in range(3):
                    if (slot := both.calls.take(f"d{number % 10}")) is not None:
                        await ask(slot, {})
                    await turns(3)
            assert both.serve.held <= 3

    @pytest.mark.parametrize("address", [None, {"name": "graphside-runner-elsewhere", "secret": "s"}])
    async def test_a_replica_elsewhere_is_left_to_serve(self, address: Any) -> None:
        async with wired() as both:
            both.serve.address = address
            for _ in range(20):
                assert both.calls.take("d") is None
                await turns(3)
            assert len(both.serve.calls) <= 3  # asked before the first answer was there, and not again
            await eventually_async(lambda: both.serve.held == 0)

    async def test_slots_are_requested_outside_the_context_of_a_request_whose_end_would_end_them(self) -> None:
        async with wired() as both:
            ABOUT.set("a request")
            await both.slot()
            assert set(both.serve.contexts) == {"nothing"}

    async def test_runs_go_by_serve_when_it_gives_no_slots(self, caplog: pytest.LogCaptureFixture) -> None:
        async def refuse(_: str) -> Any:
            raise RuntimeError("every queue is full")

        caplog.set_level("INFO", "graphside.ingress")
        calls = DirectCalls(refuse)
        for _ in range(3):
            assert calls.take("d") is None
            await turns(1)
        calls.close()
        assert "direct.no_place RuntimeError: every queue is full" in caplog.text

    async def test_the_slots_of_an_ingress_that_died_end(self) -> None:
        async with wired() as both:
            await both.slot()
            both.calls.close()
            await eventually_async(lambda: both.serve.held == 0)

    async def test_a_slot_that_nobody_claims_ends(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("deployments.calls.direct.server.CLAIM_S", 0.1)
        async with wired() as both:
            await both.serve.open_slot("d")
            assert both.serve.held == 1
            await eventually_async(lambda: both.serve.held == 0)
