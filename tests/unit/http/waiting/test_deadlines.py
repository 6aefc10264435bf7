"""A wait that lasts too long ends with ``TimeoutError``, and nothing else ends because of it."""

import asyncio

import pytest

from deployments.ingress.middleware.deadlines import Deadlines
from tests.waiting import turns

pytestmark = pytest.mark.anyio


@pytest.fixture
def deadlines() -> Deadlines:
    return Deadlines(shortest_s=0.02)


async def test_what_comes_in_time_is_returned(deadlines: Deadlines) -> None:
    assert await deadlines.within(100, asyncio.sleep(0, "it")) == "it"


async def test_what_does_not_come_is_ended(deadlines: Deadlines) -> None:
    never = asyncio.Event()
    with pytest.raises(TimeoutError):
        await deadlines.within(0.01, never.wait())
    task = asyncio.current_task()
    assert task is not None and task.cancelling() == 0
    assert not never._waiters, "the wait itself was cancelled"


async def test_each_wait_has_its_own_deadline(deadlines: Deadlines) -> None:
    come = asyncio.Event()
    patient = asyncio.create_task(deadlines.within(100, come.wait()))
    with pytest.raises(TimeoutError):
        await deadlines.within(0.01, asyncio.Event().wait())
    come.set()
    assert await patient is True


async def test_who_is_cancelled_by_another_stays_cancelled(deadlines: Deadlines) -> None:
    waiting = asyncio.create_task(deadlines.within(100, asyncio.Event().wait()))
    await turns()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_who_is_cancelled_by_another_and_too_late_stays_cancelled(deadlines: Deadlines) -> None:
    async def late() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:  # by the deadline
            waiting.cancel()
            raise

    waiting = asyncio.create_task(deadlines.within(0.01, late()))
    with pytest.raises(asyncio.CancelledError):
        await waiting


async def test_an_error_passes(deadlines: Deadlines) -> None:
    async def fails() -> None:
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        await deadlines.within(100, fails())


async def test_when_nobody_waits_there_is_no_timer(deadlines: Deadlines) -> None:
    await deadlines.within(100, asyncio.sleep(0))
    await asyncio.sleep(0.02)
    assert deadlines._timer is None
