"""A line: the connection of an ingress to one replica on this machine. Runs and slots share it."""

import asyncio
import logging
import socket
from collections import deque
from itertools import count
from typing import Any, Final, cast

from deployments.calls.direct.frames import BadFrame, Frames, encode
from deployments.calls.direct.peers import is_ours
from deployments.calls.direct.slot import OpenCall, Slot
from deployments.calls.messages import Address, RunCall, RunReply

log = logging.getLogger("graphside.ingress")

IDLE_S: Final = 1.0
"""How long a slot that nobody uses is kept."""


class Line(asyncio.Protocol):
    """One connection, and the free slots at its replica."""

    def __init__(self, secret: str) -> None:
        self._secret = secret
        self._frames = Frames()
        self._numbers = count()
        self._waiting: dict[int, asyncio.Future[RunReply]] = {}
        self._free: deque[Slot] = deque()  # the slot that was used last is at the right
        self._sweeping: asyncio.TimerHandle | None = None
        self.alive = False

    def claim(self, number: int, call: OpenCall) -> None:
        """Take over a new slot, which ``call`` holds open."""
        slot = self._slot(number, call)
        if self.alive:
            self._send({"slot": number})
        self._add(slot)

    def decline(self, number: int, call: OpenCall) -> None:
        """Give up a new slot that nobody needs."""
        slot = self._slot(number, call)
        self._leave(slot) if self.alive else slot.end()

    @property
    def free_slots(self) -> int:
        """The number of slots that ``take`` could return."""
        return sum(slot.held for slot in self._free)

    def take(self) -> Slot | None:
        """Return the free slot that was used last, if there is one."""
        while self._free:
            slot = self._free.pop()
            if slot.held:
                return slot
        return None

    def close(self) -> None:
        """End the connection, and with it the runs over it."""
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's class is no subclass of asyncio's
        if not is_ours(transport):
            log.warning("direct.stranger a runner's socket belongs to another user")
            return self._transport.abort()
        self.alive = True
        self._send({"secret": self._secret})

    def data_received(self, data: bytes) -> None:
        try:
            for message, content in self._frames.feed(data):
                answer = self._waiting.get(int(message["run"]))
                if answer is None or answer.done():
                    continue  # nobody waits for it any more
                if "reply" in message:
                    answer.set_result(cast(RunReply, {**message["reply"], "content": content}))
                else:
                    answer.set_exception(ConnectionError("the run failed in the replica"))
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

    def _slot(self, number: int, call: OpenCall) -> Slot:
        return Slot(number, call, self._ask, self._add)

    def _add(self, slot: Slot) -> None:
        """Keep a slot that is free from now on, unless it is too old."""
        if not self.alive:
            return slot.end()
        loop = asyncio.get_running_loop()
        slot.idle_since = loop.time()
        if slot.idle_since >= slot.until:
            return self._leave(slot)
        self._free.append(slot)
        if self._sweeping is None:
            self._sweeping = loop.call_later(IDLE_S, self._sweep)

    async def _ask(self, call: RunCall) -> RunReply:
        """Send a run, as ``Slot.run`` does."""
        if not self.alive:
            raise ConnectionError("the replica has ended")
        number = next(self._numbers)
        frame = encode({"run": number, "call": call})
        answer: asyncio.Future[RunReply] = asyncio.get_running_loop().create_future()
        self._waiting[number] = answer
        self._transport.write(frame)
        try:
            return await answer
        except asyncio.CancelledError:
            if self.alive:
                self._send({"run": number})
            raise
        finally:
            self._waiting.pop(number, None)

    def _send(self, message: dict[str, Any]) -> None:
        self._transport.write(encode(message))

    def _sweep(self) -> None:
        """Give up the slots that were idle too long, and look again later."""
        loop = asyncio.get_running_loop()
        last = loop.time() - IDLE_S
        while self._free and self._free[0].idle_since <= last:
            self._leave(self._free.popleft())
        self._sweeping = loop.call_later(IDLE_S / 2, self._sweep) if self._free else None

    def _leave(self, slot: Slot) -> None:
        self._send({"left": slot.number})
        slot.leave()


async def connect(address: Address) -> Line | None:
    """Connect to a replica on this machine; None if it is not here, or belongs to another user."""
    loop = asyncio.get_running_loop()
    endpoint = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        endpoint.setblocking(False)
        await loop.sock_connect(endpoint, f"\0{address['name']}")
        _, line = await loop.create_unix_connection(lambda: Line(address["secret"]), sock=endpoint)
    except OSError as error:
        log.info("direct.far errno=%s %s", error.errno, error.strerror)
        endpoint.close()
        return None
    return line if line.alive else None
