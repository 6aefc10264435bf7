"""Runs past Serve: a server and a client of them over a real socket; what stands in for Serve is here."""

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import pytest

from deployments.calls.direct.client import DirectCalls
from deployments.calls.direct.frames import encode
from deployments.calls.direct.line import connect
from deployments.calls.direct.server import DirectServer
from deployments.calls.direct.slot import Slot
from tests.waiting import eventually_async, turns

pytestmark = pytest.mark.anyio

Request = Any  # the calls and replies of these tests are shorter than those of runs


def ask(slot: Slot, request: Request) -> Coroutine[Any, Any, Any]:
    return slot.run(request)


ABOUT: ContextVar[str] = ContextVar("about", default="nothing")


class OpenCall:
    """A call by Serve that is left open, as ``Runner.slot`` leaves it."""

    def __init__(self) -> None:
        self.ended = asyncio.Event()
        self.holding: asyncio.Task[None] | None = None

    async def __anext__(self) -> Any:
        await self.ended.wait()
        raise StopAsyncIteration

    def cancel(self) -> None:
        self.ended.set()
        if self.holding is not None:
            self.holding.cancel()


@dataclass
class Serve:
    """Gives slots at one replica."""

    runner: DirectServer
    replica: str = "a"
    address: Any = "its own"
    calls: list[OpenCall] = field(default_factory=list)
    contexts: list[str] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)

    async def open_slot(self, key: str) -> tuple[OpenCall, Request]:
        call = OpenCall()
        self.calls.append(call)
        self.keys.append(key)
        self.contexts.append(ABOUT.get())
        said: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        async def hold() -> None:
            async with self.runner.slot() as (number, left):
                said.set_result(number)
                await left
            call.ended.set()

        call.holding = asyncio.create_task(hold())
        address = self.runner.address if self.address == "its own" else self.address
        return call, {"replica": self.replica, "address": address, "slot": await said}

    @property
    def held(self) -> int:
        """Slots that Serve counts."""
        return sum(not call.ended.is_set() for call in self.calls)


async def answer(request: Request) -> Request:
    """A runner: it does what the request says."""
    if "sleep_s" in request:
        await asyncio.sleep(request["sleep_s"])
    if "raise" in request:
        raise ValueError(request["raise"])
    return {"echo": request, "content": bytes(request.get("length", 0))}


@dataclass
class Wired:
    """An ingress and a runner."""

    runner: DirectServer
    serve: Serve
    calls: DirectCalls

    async def slot(self, key: str = "d") -> Slot:
        """One that is free: asked for as often as it takes."""
        return await eventually_async(lambda: self.calls.take(key))


@asynccontextmanager
async def wired(run: Callable[[Request], Awaitable[Request]] = answer) -> AsyncIterator[Wired]:
    runner = DirectServer(run)
    await runner.start()
    serve = Serve(runner)
    calls = DirectCalls(serve.open_slot)
    async with AsyncExitStack() as stack:
        stack.callback(runner.close)
        stack.callback(calls.close)
        yield Wired(runner, serve, calls)


class TestSlots:
    async def test_the_first_run_has_none_and_asks_for_none(self) -> None:
        async with wired() as both:
            assert both.calls.take("d") is None
            await turns()
            assert both.serve.calls == []

    async def test_runs_in_a_row_get_one_and_nobody_waits_for_it(self) -> None:
        async with wired() as both:
            assert both.calls.take("d") is None
            assert both.calls.take("d") is None
            slot = await both.slot()
            assert both.serve.keys[0] == "d"
            assert (await ask(slot, {"n": 1}))["echo"] == {"n": 1}

    async def test_a_slot_is_one_run_s_at_a_time_and_given_back(self) -> None:
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

    async def test_those_that_nobody_uses_are_let_go(self, monkeypatch: pytest.MonkeyPatch) -> None:
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
            async with asyncio.timeout(5):
                while len(both.serve.calls) == asked:
                    if (slot := both.calls.take("d")) is not None:
                        await ask(slot, {})
                    await asyncio.sleep(0.01)

    async def test_an_old_one_is_let_go_though_it_is_used(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("deployments.calls.direct.slot.RETIRED_S", 0.1)
        async with wired() as both:
            slot = await both.slot()
            await asyncio.sleep(0.15)
            await ask(slot, {})
            assert both.calls.take("d") is not slot
            await eventually_async(lambda: both.serve.calls[0].ended.is_set())

    async def test_one_that_serve_lost_is_not_used_again(self, caplog: pytest.LogCaptureFixture) -> None:
        async with wired() as both:
            slot = await both.slot()
            await ask(slot, {})
            both.serve.calls[0].cancel()
            await eventually_async(lambda: not slot.held)
            assert both.calls.stats() == {"datasets": 1, "lines": 1, "free_slots": 0}
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

    async def test_they_are_asked_for_in_no_request_s_context_which_would_end_them(self) -> None:
        async with wired() as both:
            ABOUT.set("a request")
            await both.slot()
            assert set(both.serve.contexts) == {"nothing"}

    async def test_where_serve_gives_none_runs_go_by_serve(self, caplog: pytest.LogCaptureFixture) -> None:
        async def refuse(_: str) -> Any:
            raise RuntimeError("every queue is full")

        caplog.set_level("INFO", "graphside.ingress")
        calls = DirectCalls(refuse)
        for _ in range(3):
            assert calls.take("d") is None
            await turns(1)
        calls.close()
        assert "direct.no_place RuntimeError: every queue is full" in caplog.text

    async def test_those_of_an_ingress_that_died_end(self) -> None:
        async with wired() as both:
            await both.slot()
            both.calls.close()
            await eventually_async(lambda: both.serve.held == 0)

    async def test_one_that_nobody_claims_ends(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("deployments.calls.direct.server.CLAIM_S", 0.1)
        async with wired() as both:
            await both.serve.open_slot("d")
            assert both.serve.held == 1
            await eventually_async(lambda: both.serve.held == 0)


class TestRuns:
    @pytest.mark.parametrize("length", [0, 1, 3_000_000])
    async def test_results_are_bytes(self, length: int) -> None:
        async with wired() as both:
            assert (await ask(await both.slot(), {"length": length}))["content"] == bytes(length)

    async def test_an_answer_without_a_result_has_none(self) -> None:
        async with wired() as both:
            assert await ask(await both.slot(), {}) == {"echo": {}, "content": b""}

    async def test_many_at_once_get_their_own_answers(self) -> None:
        async def one(both: Wired, number: int) -> bool:
            slot = await both.slot()
            reply = await ask(slot, {"n": number, "sleep_s": 0.001 * (number % 7), "length": number})
            return bool(reply["echo"]["n"] == number and len(reply["content"]) == number)

        async with wired() as both:
            assert all(await asyncio.gather(*(one(both, number) for number in range(50))))

    async def test_one_whose_caller_leaves_is_ended_and_its_slot_is_free(self) -> None:
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

    async def test_one_that_fails_in_the_runner_is_told_so_and_logged_there(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        async with wired() as both:
            slot = await both.slot()
            with pytest.raises(ConnectionError, match="failed in the replica"):
                await ask(slot, {"raise": "a bug"})
            assert await ask(slot, {}) == {"echo": {}, "content": b""}
        assert "a bug" in caplog.text

    async def test_those_of_a_runner_that_ends_are_interrupted_and_the_next_goes_by_serve(self) -> None:
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

    async def test_what_is_not_json_is_not_sent_and_costs_no_slot(self) -> None:
        async with wired() as both:
            slot = await both.slot()
            with pytest.raises(TypeError):
                await ask(slot, {"source": "\ud800"})
            assert both.calls.take("d") is slot


class TestStrangers:
    """The socket has no file whose permissions would guard it."""

    @staticmethod
    async def said_to(address: Request, data: bytes) -> bytes:
        """What the server answers; nothing where it ends the connection."""
        endpoint = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        endpoint.connect(f"\0{address['name']}")
        reader, writer = await asyncio.open_unix_connection(sock=endpoint)
        writer.write(data)
        try:
            return await reader.read()
        except ConnectionError:
            return b""
        finally:
            writer.close()

    @pytest.mark.parametrize(
        "data",
        [
            encode({"secret": "guessed"}),
            encode({"run": 1, "call": {}}),
            b"\xff" * 100,
            encode({"secret": ["s"]}) + encode({"run": 1, "call": {}}),
        ],
        ids=["another-secret", "no-secret", "noise", "no-text"],
    )
    async def test_without_the_secret_nothing_is_run(self, data: bytes) -> None:
        ran: list[Request] = []

        async def run(request: Request) -> Request:
            ran.append(request)
            return {}

        async with wired(run) as both:
            assert both.runner.address is not None
            assert await asyncio.wait_for(self.said_to(both.runner.address, data), 5) == b""
            assert ran == []

    async def test_a_message_that_makes_no_sense_ends_the_connection(self, caplog: pytest.LogCaptureFixture) -> None:
        async with wired() as both:
            assert both.runner.address is not None
            data = encode({"secret": both.runner.address["secret"]}) + encode({"run": "not a number"})
            assert await asyncio.wait_for(self.said_to(both.runner.address, data), 5) == b""
        assert [record.levelname for record in caplog.records] == ["WARNING"]
        assert "direct.bad_message" in caplog.text

    async def test_who_says_nothing_is_not_waited_for(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("deployments.calls.direct.server.GREETING_S", 0.1)
        async with wired() as both:
            assert both.runner.address is not None
            assert await asyncio.wait_for(self.said_to(both.runner.address, b""), 5) == b""

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
    async def test_another_user_s_process_is_sent_away_though_it_knows_the_secret(self) -> None:
        code = """
import os, socket, sys
os.setuid(12345)
endpoint = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
endpoint.connect("\\0" + sys.argv[1])
try:
    endpoint.sendall(bytes.fromhex(sys.argv[2]))
    print("answered" if endpoint.recv(1) else "sent away")
except ConnectionError:
    print("sent away")
"""

        async with wired() as both:
            assert both.runner.address is not None
            said = encode({"secret": both.runner.address["secret"]}) + encode({"run": 1, "call": {}})
            command = [sys.executable, "-c", code, both.runner.address["name"], said.hex()]
            done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=30)
            assert done.stdout.strip() == "sent away", done.stderr

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
    async def test_a_socket_of_another_user_is_told_nothing(self) -> None:
        code = """
import os, socket, sys
os.setuid(12345)
listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
listener.bind("\\0graphside-runner-forged")
listener.listen()
print("listening", flush=True)
peer, _ = listener.accept()
try:
    print(len(peer.recv(1000)), flush=True)
except ConnectionError:
    print(0, flush=True)
"""

        async with wired():
            command = [sys.executable, "-c", code]
            with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as forger:
                assert forger.stdout is not None
                assert (await asyncio.to_thread(forger.stdout.readline)).strip() == "listening"
                assert await connect({"name": "graphside-runner-forged", "secret": "s"}) is None
                assert (await asyncio.to_thread(forger.stdout.readline)).strip() == "0"
