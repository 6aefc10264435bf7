"""The ingress's side: places at replicas, and connections to those on this machine.

A place is a call by Serve that a replica answers with its address and then leaves open. Serve chooses the replica, and
counts the place as it counts every call: for autoscaling, for what a replica takes at a time, for one that is to end
and waits. While a place is held one run after the other goes there over a socket, at a tenth of what a call costs.

Nobody waits for a place: a run for which none is free goes by Serve.
"""

import asyncio
import logging
import socket
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable
from contextvars import Context
from dataclasses import dataclass
from itertools import count
from typing import Any, Final, Protocol, cast

from deployments.calls.direct.frames import BadFrame, Frames, Message, encode
from deployments.calls.direct.peers import is_ours

log = logging.getLogger("graphside.ingress")

IDLE_S: Final = 1.0
"""How long a place is kept that nobody uses; and for how long after a run another one is thought to follow."""

ASK_AGAIN_S: Final = 5.0
"""How often Serve is asked which replica has a dataset. One that is to end, or came, is noticed so late at most."""

FAR_S: Final = 60.0
"""How often for a dataset whose replica is on another machine."""

OPEN_S: Final = 15.0
"""The most that opening a place may take."""

REFUSED_S: Final = 5.0
"""How long runs on a dataset for which there was no place go by Serve before one is asked for again."""

RETIRED_S: Final = 60.0
"""How old a place becomes: whatever Serve has lost count of by then, it is told anew."""

LEAVE_S: Final = 5.0
"""How long a place that was let go may take to end of itself."""

OPENING: Final = 16
"""Places that are asked for at a time. A wave of runs needs no more to have its places soon."""

_DATASETS: Final = 4096


class Call(Protocol):
    """A call by Serve that is left open. It ends by ``StopAsyncIteration``, or as calls fail."""

    async def __anext__(self) -> Any:
        """What the replica says next."""

    def cancel(self) -> None:
        """End it."""


OpenPlace = Callable[[str], Awaitable[tuple[Call, Message]]]
"""Asks Serve for a place for a dataset: the call that is left open, and what the replica said."""


class DirectCalls:
    """To the replicas of one deployment."""

    def __init__(self, open_place: OpenPlace) -> None:
        self._open_place = open_place
        self._lines: dict[str, asyncio.Task[Line | None]] = {}  # by replica
        self._datasets: OrderedDict[str, _Dataset] = OrderedDict()
        self._opening: set[asyncio.Task[None]] = set()

    def take(self, key: str) -> "Place | None":
        """A free place at the replica that Serve chose for a dataset. Without one, some may be made for later runs."""
        now = asyncio.get_running_loop().time()
        dataset = self._datasets.get(key)
        if dataset is None:
            dataset = self._datasets[key] = _Dataset()
            if len(self._datasets) > _DATASETS:
                self._datasets.popitem(last=False)
        self._datasets.move_to_end(key)
        place = dataset.line.take() if dataset.line is not None else None
        in_a_row = now - dataset.last_asked < IDLE_S
        dataset.last_asked = now
        wanted = in_a_row if place is None else now >= dataset.good_until and not dataset.asking
        if wanted and now >= dataset.far_until and len(self._opening) < OPENING:
            self._go_on(self._open(key, dataset))
        return place

    def close(self) -> None:
        """Let go of all places and connections."""
        for task in self._opening:
            task.cancel()
        for connecting in self._lines.values():
            if (line := _line_of(connecting)) is not None:
                line.close()
            connecting.cancel()
        self._lines.clear()

    def _go_on(self, work: Any) -> None:
        # In a context of its own: what a request's context has open ends with the request.
        task = asyncio.get_running_loop().create_task(work, context=Context())
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)

    async def _open(self, key: str, dataset: "_Dataset") -> None:
        dataset.asking += 1
        try:
            async with asyncio.timeout(OPEN_S):
                call, said = await self._open_place(key)
                try:
                    await self._use(call, said, dataset)
                except BaseException:
                    call.cancel()
                    raise
        except Exception as error:  # whatever it is: runs go by Serve, which tells whoever waits for one
            dataset.far_until = asyncio.get_running_loop().time() + REFUSED_S
            log.info("direct.no_place %s: %s", type(error).__name__, error)
        finally:
            dataset.asking -= 1

    async def _use(self, call: Call, said: Message, dataset: "_Dataset") -> None:
        line = await self._line_to(said)
        now = asyncio.get_running_loop().time()
        dataset.line, dataset.good_until = line, now + ASK_AGAIN_S
        if line is None:
            dataset.far_until = now + FAR_S
            call.cancel()
        elif line.has_free:
            line.decline(int(said["place"]), call)  # Serve was asked where, and of places there are enough
        else:
            line.claim(int(said["place"]), call)

    async def _line_to(self, said: Message) -> "Line | None":
        """The connection to a replica; None where it cannot be had."""
        replica, address = str(said["replica"]), said["address"]
        if address is None:
            return None
        self._lines = {name: line for name, line in self._lines.items() if _may_live(line)}
        if replica not in self._lines:
            self._lines[replica] = asyncio.create_task(connect(address))
        return await asyncio.shield(self._lines[replica])


@dataclass(slots=True)
class _Dataset:
    """What is known of a dataset. Times are of the loop's clock."""

    line: "Line | None" = None
    asking: int = 0
    good_until: float = 0.0
    far_until: float = 0.0
    last_asked: float = float("-inf")


class Place:
    """One run at a time at one replica. Taken by ``DirectCalls.take``; ``run`` gives it back."""

    def __init__(self, line: "Line", call: Call, number: int) -> None:
        loop = asyncio.get_running_loop()
        self._line = line
        self._call = call
        self.number = number
        self.idle_since = 0.0
        self.until = loop.time() + RETIRED_S
        self._ending = loop.create_task(self._watch(), context=Context())

    @property
    def held(self) -> bool:
        """Whether Serve counts it."""
        return not self._ending.done()

    async def run(self, request: Message) -> Message:
        """What the replica answers. Cancelling this ends the run.

        Raises ``TypeError`` for what is not JSON, before anything is sent; ``ConnectionError`` where the replica, or
        the run, failed.
        """
        try:
            return await self._line.ask(request)
        finally:
            self._line.add(self)

    def leave(self) -> None:
        """Let go of it: the replica was told, and ends the call, which Serve then takes for one that went well."""
        asyncio.get_running_loop().call_later(LEAVE_S, self.end)

    def end(self) -> None:
        """Let go of it, where nobody is there any more to be told."""
        if self.held:
            self._call.cancel()
            self._ending.cancel()

    async def _watch(self) -> None:
        try:
            await anext(self._call)
        except StopAsyncIteration:
            pass
        except Exception as error:  # as calls by Serve fail; runs that it has go on as long as the line does
            log.info("direct.place_lost %s: %s", type(error).__name__, error)


class Line(asyncio.Protocol):
    """A connection to a replica, and the places there that are free."""

    def __init__(self, secret: str) -> None:
        self._secret = secret
        self._frames = Frames()
        self._numbers = count()
        self._waiting: dict[int, asyncio.Future[Message]] = {}
        self._free: deque[Place] = deque()  # the one that was used last is at the right
        self._sweeping: asyncio.TimerHandle | None = None
        self.alive = False

    def claim(self, number: int, call: Call) -> None:
        """A new place, which Serve has given: ``call`` holds it."""
        place = Place(self, call, number)
        if self.alive:
            self._transport.write(encode({"place": number}))
        self.add(place)

    def decline(self, number: int, call: Call) -> None:
        """A new place that nobody needs."""
        place = Place(self, call, number)
        self._leave(place) if self.alive else place.end()

    @property
    def has_free(self) -> bool:
        """Whether ``take`` would find one."""
        return any(place.held for place in self._free)

    def take(self) -> Place | None:
        """The free place that was used last."""
        while self._free:
            place = self._free.pop()
            if place.held:
                return place
        return None

    def add(self, place: Place) -> None:
        """It is free from here on."""
        if not self.alive:
            return place.end()
        loop = asyncio.get_running_loop()
        place.idle_since = loop.time()
        if place.idle_since >= place.until:
            return self._leave(place)
        self._free.append(place)
        if self._sweeping is None:
            self._sweeping = loop.call_later(IDLE_S, self._sweep)

    async def ask(self, request: Message) -> Message:
        """As ``Place.run``."""
        if not self.alive:
            raise ConnectionError("the replica has ended")
        number = next(self._numbers)
        frame = encode({"run": number, "request": request})
        answer: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        self._transport.write(frame)
        try:
            return await answer
        except asyncio.CancelledError:
            if self.alive:
                self._transport.write(encode({"run": number}))
            raise
        finally:
            self._waiting.pop(number, None)

    def close(self) -> None:
        """End the connection, and with it what runs over it."""
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are none of asyncio's by their class
        if not is_ours(transport):
            log.warning("direct.stranger a runner's socket belongs to another user")
            return self._transport.abort()
        self.alive = True
        self._transport.write(encode({"secret": self._secret}))

    def data_received(self, data: bytes) -> None:
        try:
            for message, content in self._frames.feed(data):
                answer = self._waiting.get(int(message["run"]))
                if answer is None or answer.done():
                    continue  # nobody waits for it any more
                if "reply" not in message:
                    answer.set_exception(ConnectionError("the run failed in the replica"))
                    continue
                reply = message["reply"]
                answer.set_result({**reply, "result": content} if message["has_result"] else reply)
        except (BadFrame, KeyError, TypeError, ValueError):
            log.exception("direct.bad_message")
            self._transport.abort()

    def connection_lost(self, _: Exception | None) -> None:
        self.alive = False
        if self._sweeping is not None:
            self._sweeping.cancel()
        while self._free:
            self._free.pop().end()
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(ConnectionError("the replica has ended"))

    def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        last = loop.time() - IDLE_S
        while self._free and self._free[0].idle_since <= last:
            self._leave(self._free.popleft())
        self._sweeping = loop.call_later(IDLE_S / 2, self._sweep) if self._free else None

    def _leave(self, place: Place) -> None:
        self._transport.write(encode({"left": place.number}))
        place.leave()


async def connect(address: Message) -> Line | None:
    """A line to a replica on this machine; None where it is not there, or not ours."""
    loop = asyncio.get_running_loop()
    endpoint = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        endpoint.setblocking(False)
        await loop.sock_connect(endpoint, f"\0{address['name']}")
        _, line = await loop.create_unix_connection(lambda: Line(str(address["secret"])), sock=endpoint)
    except OSError as error:
        log.info("direct.far errno=%s %s", error.errno, error.strerror)
        endpoint.close()
        return None
    return line if line.alive else None


def _may_live(connecting: "asyncio.Task[Line | None]") -> bool:
    return not connecting.done() or ((line := _line_of(connecting)) is not None and line.alive)


def _line_of(connecting: "asyncio.Task[Line | None]") -> Line | None:
    """The line, where there is one by now."""
    if not connecting.done() or connecting.cancelled() or connecting.exception() is not None:
        return None
    return connecting.result()
