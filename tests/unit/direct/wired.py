"""A server of direct calls and a client over a real socket, with a stand-in for Serve."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import AsyncExitStack, asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from deployments.calls.direct.client import DirectCalls
from deployments.calls.direct.server import DirectServer
from deployments.calls.direct.slot import Slot
from tests.waiting import eventually_async

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
        """Return the number of slots that Serve counts."""
        return sum(not call.ended.is_set() for call in self.calls)


async def answer(request: Request) -> Request:
    """Run a request as a runner would: do what the request says."""
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
        """Return a free slot; ask until there is one."""
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
