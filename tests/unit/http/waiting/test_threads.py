"""One kind of blocking work does not wait for another, nor one sender for another; a full queue says so."""

import asyncio
import os
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import pytest

from deployments.ingress.errors import TooManyRequests
from deployments.ingress.json_answers import json_after_change, json_answer_of
from deployments.ingress.pace import AHEAD_S, SHARE, Pace
from deployments.ingress.sender import current_sender, sent_by, sent_from
from deployments.ingress.services import Services
from deployments.ingress.threads import PASSWORD_NICENESS, Pool, Threads
from runtime.errors import Overloaded
from tests.unit.http import app
from tests.waiting import WITHIN_S

pytestmark = pytest.mark.anyio


class Gate:
    """Work that takes until the gate is opened."""

    def __init__(self) -> None:
        self._open = threading.Event()
        self.entered: list[str] = []

    def enter(self, name: str = "") -> str:
        self.entered.append(name)
        assert self._open.wait(WITHIN_S)
        return name

    def open(self) -> None:
        self._open.set()


@pytest.fixture
async def gate() -> AsyncIterator[Gate]:
    made = Gate()
    yield made
    made.open()


def call(pool: Pool, address: str, gate: Gate) -> asyncio.Task[str]:
    async def ask() -> str:
        with sent_from(address):
            return await pool.call(gate.enter, address)

    return asyncio.create_task(ask())


async def settled() -> None:
    """Let every task go as far as it can without a thread."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_a_sender_with_many_calls_leaves_a_thread_to_others(gate: Gate) -> None:
    pool = Pool("test", 2, queue=100, queue_per_sender=50)
    many = [call(pool, "198.51.100.1", gate) for _ in range(20)]
    await settled()
    assert await pool_answers_meanwhile(pool, "198.51.100.2") == "198.51.100.2"
    assert gate.entered == ["198.51.100.1"]
    gate.open()
    assert len(await asyncio.gather(*many)) == 20
    pool.close()


async def pool_answers_meanwhile(pool: Pool, address: str) -> str:
    with sent_from(address):
        return await pool.call(lambda: address)


async def test_senders_are_served_in_turn(gate: Gate) -> None:
    pool = Pool("test", 1, queue=100, queue_per_sender=50)
    calls = [call(pool, "198.51.100.1", gate) for _ in range(5)]
    await settled()
    calls.append(call(pool, "198.51.100.2", gate))
    await settled()
    gate.open()
    await asyncio.gather(*calls)
    assert gate.entered.index("198.51.100.2") == 1
    pool.close()


async def test_a_full_queue_is_429_for_its_cause_and_503_for_a_stranger(gate: Gate) -> None:
    pool = Pool("test", 1, queue=2, queue_per_sender=2)
    calls = [call(pool, "198.51.100.1", gate) for _ in range(3)]
    await settled()
    with pytest.raises(TooManyRequests) as own, sent_from("198.51.100.1"):
        await pool.call(int)
    assert own.value.fields["limit_name"] == "waiting_test_calls"
    assert own.value.fields["retry_after_s"] == 1
    calls.append(call(pool, "198.51.100.2", gate))  # takes the room of one of the others
    calls.append(call(pool, "198.51.100.3", gate))
    await settled()
    gate.open()
    results = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(result).__name__ for result in results].count("TooManyRequests") == 1
    assert isinstance(results[-1], Overloaded)
    pool.close()


async def test_a_caller_who_leaves_the_queue_makes_room_and_one_with_a_thread_keeps_its_place(gate: Gate) -> None:
    pool = Pool("test", 1, queue=1, queue_per_sender=1)
    first, second = call(pool, "198.51.100.1", gate), call(pool, "198.51.100.1", gate)
    await settled()
    second.cancel()
    first.cancel()
    await asyncio.gather(first, second, return_exceptions=True)
    third = call(pool, "198.51.100.1", gate)
    await settled()
    assert not third.done()  # the thread of the first still works
    assert len(gate.entered) == 1
    gate.open()
    await third
    pool.close()


async def test_full_pools_do_not_hold_up_the_look_at_the_catalogs_version(gate: Gate) -> None:
    """Revocation relies on it, and so does everybody's list."""
    threads = Threads()
    stuck = [
        call(pool, f"198.51.100.{number}", gate)
        for pool in vars(threads).values()
        if pool is not threads.watch
        for number in range(10)
    ]
    await settled()
    assert await threads.watch.call(lambda: "seen") == "seen"
    gate.open()
    await asyncio.gather(*stuck)
    threads.close()


async def test_passwords_are_hashed_behind_everybody_else() -> None:
    threads = Threads()
    own = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    def priority() -> int:
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    assert await threads.catalog.call(priority) == own
    assert await threads.passwords.call(priority) == min(19, own + PASSWORD_NICENESS)
    threads.close()


async def test_a_sender_is_an_address_until_it_is_a_user() -> None:
    assert current_sender() == "server"
    with sent_from("2001:db8:1:2::3"):
        assert current_sender() == "address 2001:db8:1::/48"
        sent_by(7)
        assert current_sender() == "user 7"
    assert current_sender() == "server"


async def is_full(*_: Any) -> None:
    raise TooManyRequests("64 of your requests are waiting already")


async def test_what_was_deleted_is_not_denied_because_the_store_is_busy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with app.opened(tmp_path / "data") as (http, dataset_id):
        services = cast(Services, cast(Any, http)._transport.app.state.services)
        monkeypatch.setattr(services.threads.store, "call", is_full)
        assert (await http.delete(f"/api/v2/datasets/{dataset_id}")).status_code == 204


async def test_what_was_uploaded_is_told_although_no_thread_is_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with app.opened(tmp_path / "data") as (http, _):
        services = cast(Services, cast(Any, http)._transport.app.state.services)
        monkeypatch.setattr(services.threads.bodies, "call", is_full)
        answer = await json_after_change(services, lambda: {"x": 1}, about_bytes=10**6)
        assert answer.body == b'{"x":1}'
        with pytest.raises(TooManyRequests):
            await json_answer_of(services, lambda: {"x": 1}, about_bytes=10**6)


async def test_who_has_computed_much_waits_and_others_do_not() -> None:
    pace = Pace()
    pools = [Pool("test", 2, queue=100, queue_per_sender=50, pace=pace) for _ in range(2)]
    answered: list[str] = []

    async def ask(pool: Pool, address: str) -> None:
        with sent_from(address):
            await pool.call(lambda: None)
        answered.append(address)

    with sent_from("198.51.100.1"):
        pace.spend(current_sender(), AHEAD_S + 0.05)
    late = asyncio.create_task(ask(pools[0], "198.51.100.1"))
    await ask(pools[0], "198.51.100.2")
    await ask(pools[1], "198.51.100.2")
    await late
    assert answered == ["198.51.100.2", "198.51.100.2", "198.51.100.1"]
    for pool in pools:
        pool.close()


async def test_the_processor_time_of_calls_is_counted_and_forgotten_later() -> None:
    pace = Pace()
    pool = Pool("test", 1, queue=1, queue_per_sender=1, pace=pace)

    def compute() -> None:
        end = time.thread_time() + AHEAD_S + 0.05
        while time.thread_time() < end:
            pass

    with sent_from("198.51.100.1"):
        await pool.call(compute)
        await asyncio.sleep(0)
        wait_s = pace.wait_s(current_sender())
        assert 0 < wait_s <= (AHEAD_S + 0.1) / SHARE
        await pool.call(lambda: None)
        assert pace.wait_s(current_sender()) <= 0.01 / SHARE
    pool.close()


async def test_senders_whose_time_counts_no_more_are_not_kept() -> None:
    pace = Pace()
    for number in range(3000):
        pace.spend(str(number), 0.0)
    assert len(pace._owed) <= 1001
