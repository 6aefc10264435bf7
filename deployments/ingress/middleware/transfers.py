"""Bodies and answers move, or their requests end.

- A body is read when the handler asks for it, and not before. Nothing may stay away for longer than ``idle_s``, and
  after ``grace_s`` the whole must have come at ``least_bytes_per_s`` or more: else the answer is 408.
- An answer is taken by its reader at the same pace, or the connection is closed. It is given to the socket in small
  pieces, so that what nobody reads is in memory once and not twice.
- Time that we make a sender wait does not count.
- When the body is there, a client that leaves ends its request: its run is killed, and it waits in no queue any more.
  (Serve would watch for that too, but it reads ahead without a bound: ``serve_controls.py`` turns that off.) A request
  that is answered before the next look (``looks.py``) needs no watch.
"""

import asyncio
import logging
import math
from collections.abc import Callable
from typing import Final

from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from deployments.ingress.errors import BodyTooSlow
from deployments.ingress.giving_way import Held
from deployments.ingress.middleware.arrivals import Arrivals
from deployments.ingress.middleware.looks import Looks
from deployments.ingress.sender import current_sender
from deployments.settings import TrafficSettings

log = logging.getLogger("graphside.ingress")

PIECE_BYTES: Final = 256 * 1024
"""An answer goes to the socket in pieces of this size."""

_LEFT: Final = 499
"""The status in the log for a request whose client left, as Serve and HAProxy write it."""

_GIVE_UP: Final = "give_up"
_END_ARRIVAL: Final = "end_arrival"


def give_up(request: Request) -> Callable[[], None]:
    """Return a function that ends the request and closes its connection, whatever has been answered so far."""
    function: Callable[[], None] = request.scope["state"][_GIVE_UP]
    return function


def end_arrival(request: Request) -> Callable[[Exception], None]:
    """Return a function that ends the request with an error if its body is still arriving."""
    function: Callable[[Exception], None] = request.scope["state"][_END_ARRIVAL]
    return function


class Transfers:
    """Plain ASGI, inside ``Admission``."""

    def __init__(self, app: ASGIApp, traffic: TrafficSettings) -> None:
        self._app = app
        self._traffic = traffic
        self._arrivals = Arrivals(traffic.arriving, traffic.arriving_per_sender)
        self._looks = Looks(traffic.idle_s)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        transfer = _Transfer(scope, receive, send, self._traffic, self._arrivals)
        scope["state"][_GIVE_UP] = transfer.give_up
        scope["state"][_END_ARRIVAL] = transfer.end_arrival
        self._looks.begin(transfer)
        try:
            await self._app(scope, transfer.receive, transfer.send)
        except ClientDisconnect:  # before the last byte of its body
            await transfer.left()
        except asyncio.CancelledError:
            if not transfer.is_over or transfer.task.uncancel() > 0:
                raise
            await transfer.left()
        finally:
            self._looks.end(transfer)
            transfer.close()


class _Pace:
    """When the next bytes have to move: ``bytes_moved`` so far, and ``spent_s`` of the other side's time."""

    __slots__ = ("_traffic", "bytes_moved", "spent_s")

    def __init__(self, traffic: TrafficSettings) -> None:
        self._traffic = traffic
        self.bytes_moved = 0
        self.spent_s = 0.0

    def within_s(self) -> float:
        """Return how long the other side may take now: 0 if many quick moves of a few bytes took too long already."""
        idle_s, left_s = self._traffic.idle_s, self._left_s()
        return idle_s if left_s > idle_s else max(0.0, left_s)

    def _left_s(self) -> float:
        """Return how long the other side may take before its average rate is too low."""
        rate = self._traffic.least_bytes_per_s
        return self._traffic.grace_s + self.bytes_moved / rate - self.spent_s if rate else math.inf

    def too_slow(self, waited_s: float) -> BodyTooSlow:
        """Return the error for a body that did not come in time."""
        traffic, moved, spent_s = self._traffic, self.bytes_moved, self.spent_s + waited_s
        again = "send the request again"
        if self._left_s() > waited_s:
            text = f"the body stopped after {moved} bytes, and nothing came for {traffic.idle_s:g} s; {again}"
            return BodyTooSlow(text, limit_name="idle_s", limit=traffic.idle_s, observed=traffic.idle_s)
        rate = moved / spent_s
        text = f"the body came at {rate:.0f} bytes per second, and the least is {traffic.least_bytes_per_s}; {again}"
        return BodyTooSlow(text, limit_name="least_bytes_per_s", limit=traffic.least_bytes_per_s, observed=round(rate))


class _Transfer:
    """One request's body and answer. Everything that takes long is noticed by ``look``."""

    __slots__ = (
        "_arrivals", "_arriving", "_clock", "_ended", "_first", "_has_begun", "_in", "_is_answered", "_is_complete",
        "_leaving", "_out", "_reader", "_reader_cancels", "_receive", "_scope", "_send", "_since", "_until", "is_over",
        "task",
    )  # fmt: skip

    def __init__(
        self, scope: Scope, receive: Receive, send: Send, traffic: TrafficSettings, arrivals: Arrivals
    ) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.task = task
        self.is_over = False
        self._scope = scope
        self._receive = receive
        self._send = send
        self._arrivals = arrivals
        self._in, self._out = _Pace(traffic), _Pace(traffic)
        self._clock = asyncio.get_running_loop().time
        self._since = 0.0
        self._until = math.inf  # the other side has to move till then; without an end while it is our turn
        self._arriving: Held | None = None
        self._reader: asyncio.Task[object] | None = None
        self._reader_cancels = 0
        self._ended: Exception | None = None
        self._has_begun = self._is_answered = False
        self._leaving: asyncio.Task[None] | None = None
        self._is_complete = not _announces_body(scope)
        self._first: Message | None = None
        if self._is_complete:
            self._first = {"type": "http.request", "body": b"", "more_body": False}

    async def receive(self) -> Message:
        """Return the next part of the body, or that the client has left.

        Raises ``BodyTooSlow``, and ``TooManyRequests`` or ``Overloaded`` if too many requests are arriving.
        """
        if self._first is not None:
            first, self._first = self._first, None
            return first
        if self._is_complete:
            await asyncio.shield(self._leaving or self._watch())
            return {"type": "http.disconnect"}
        if self._ended is not None:
            raise self._ended
        if self._arriving is None:
            self._arriving = self._arrivals.begin(current_sender(), self.end_arrival)
        message = await self._next_part()
        self._in.bytes_moved += len(message.get("body", b""))
        if message["type"] == "http.disconnect" or not message.get("more_body", False):
            self._arrivals.done(self._arriving)
            self._is_complete = message["type"] == "http.request"
        return message

    async def send(self, message: Message) -> None:
        """Send a part of the answer, in pieces. A reader that does not take them ends the request."""
        if message["type"] == "http.response.start":
            if self._ended is not None:  # the rest of the body is not read, so the connection is of no more use
                message = {**message, "headers": [*message.get("headers", ()), (b"connection", b"close")]}
            self._has_begun = True
            await self._send(message)
            return
        body, is_last = message.get("body", b""), not message.get("more_body", False)
        rest = 0
        if len(body) > PIECE_BYTES:
            rest = (len(body) - 1) // PIECE_BYTES * PIECE_BYTES
            for start in range(0, rest, PIECE_BYTES):
                piece = body[start : start + PIECE_BYTES]
                await self._take({**message, "body": piece, "more_body": True}, len(piece))
        if is_last:
            self._is_answered = True
        await self._take({**message, "body": body[rest:]} if rest else message, len(body) - rest)

    def look(self, now: float) -> None:
        """End what takes too long. If the body is there and the answer takes its time, see whether the client left."""
        if self._until <= now:
            if self._reader is not None:
                self.end_arrival(self._in.too_slow(now - self._since))
            else:
                self._not_read()
        if self._is_complete and self._leaving is None and not self._is_answered:
            self._watch()

    async def left(self) -> None:
        """Note in the log that there is nobody to answer."""
        if not self._has_begun:
            await self._send({"type": "http.response.start", "status": _LEFT, "headers": []})

    def close(self) -> None:
        """End the watch."""
        if self._arriving is not None:
            self._arrivals.done(self._arriving)
        if self._leaving is not None:
            self._leaving.cancel()

    def give_up(self) -> None:
        """End the request: there is nobody to answer, or nobody who may have the answer."""
        self.is_over = True
        self.task.cancel()

    async def _next_part(self) -> Message:
        reader = asyncio.current_task()
        assert reader is not None
        self._reader, self._reader_cancels = reader, reader.cancelling()
        try:
            if not self._begin_to_wait(self._in):
                self._ended = self._in.too_slow(0)
                raise self._ended
            return await self._receive()
        except asyncio.CancelledError:
            if self._ended is None or reader.uncancel() > self._reader_cancels:
                raise
            raise self._ended from None
        finally:
            self._end_of_wait(self._in)
            self._reader = None

    async def _take(self, message: Message, byte_count: int) -> None:
        if not self._begin_to_wait(self._out):
            self._not_read()
            await asyncio.Event().wait()  # the request's task is cancelled, and with it this one
        try:
            await self._send(message)
        finally:
            self._end_of_wait(self._out)
        self._out.bytes_moved += byte_count

    def _begin_to_wait(self, pace: _Pace) -> bool:
        """Wait for the other side from now on. Return False if it has been too slow already."""
        within_s = pace.within_s()
        self._since = self._clock()
        self._until = self._since + within_s
        return within_s > 0

    def _end_of_wait(self, pace: _Pace) -> None:
        self._until = math.inf
        pace.spent_s += self._clock() - self._since

    def _not_read(self) -> None:
        self._until = math.inf
        log.info("answer.not_read path=%r sent_bytes=%d", self._scope["path"], self._out.bytes_moved)
        self.give_up()

    def end_arrival(self, reason: Exception) -> None:
        """End the request with an error if it is still arriving."""
        if self._ended is None and not self._is_complete:
            self._ended = reason
            if self._reader is not None:
                self._reader.cancel()

    def _watch(self) -> "asyncio.Task[None]":
        self._leaving = asyncio.create_task(self._until_left())
        return self._leaving

    async def _until_left(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        if not self._is_answered:
            self.give_up()


def _announces_body(scope: Scope) -> bool:
    for name, value in scope["headers"]:
        if name == b"transfer-encoding" or (name == b"content-length" and value.strip() not in (b"0", b"")):
            return True
    return False
