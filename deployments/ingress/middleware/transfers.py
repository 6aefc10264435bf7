"""Bodies and answers move, or their requests end.

- A body is read when the handler asks for it, and not before. Nothing may stay away for longer than ``idle_s``, and
  after ``grace_s`` the whole must have come at ``least_bytes_per_s`` or more: else the answer is 408.
- An answer is taken by its reader at the same pace, or the connection is closed. It is given to the socket in small
  pieces, so that what nobody reads is in memory once and not twice.
- Time that we make a sender wait does not count.
- When the body is there, a client that leaves ends its request: its run is killed, and it waits in no queue any more.
  (Serve would watch for that too, but it reads ahead without a bound: ``serve_controls.py`` turns that off.)
"""

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final, TypeVar

from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from deployments.ingress.errors import BodyTooSlow
from deployments.ingress.middleware.arrivals import Arrivals, Arriving
from deployments.ingress.middleware.deadlines import Deadlines
from deployments.ingress.sender import current_sender
from deployments.settings import TrafficSettings

log = logging.getLogger("graphside.ingress")

PIECE_BYTES: Final = 256 * 1024
"""An answer goes to the socket in pieces of this size."""

_LEFT: Final = 499
"""The status in the log for a request whose client left, as Serve and HAProxy write it."""

_GIVE_UP: Final = "give_up"

T = TypeVar("T")


def give_up(request: Request) -> Callable[[], None]:
    """Return a function that ends the request and closes its connection, whatever has been answered so far."""
    function: Callable[[], None] = request.scope["state"][_GIVE_UP]
    return function


class Transfers:
    """Plain ASGI, inside ``Admission``."""

    def __init__(self, app: ASGIApp, traffic: TrafficSettings) -> None:
        self._app = app
        self._traffic = traffic
        self._arrivals = Arrivals(traffic.arriving, traffic.arriving_per_sender)
        self._deadlines = Deadlines(traffic.idle_s)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        transfer = _Transfer(scope, receive, send, self._traffic, self._arrivals, self._deadlines)
        scope["state"][_GIVE_UP] = transfer.give_up
        try:
            await self._app(scope, transfer.receive, transfer.send)
        except ClientDisconnect:  # before the last byte of its body
            await transfer.left()
        except asyncio.CancelledError:
            if not transfer.is_over or transfer.task.uncancel() > 0:
                raise
            await transfer.left()
        finally:
            transfer.close()


class _Pace:
    """When the next bytes have to move: ``bytes_moved`` so far, and the time that was ours."""

    def __init__(self, traffic: TrafficSettings, deadlines: Deadlines) -> None:
        self._traffic = traffic
        self._deadlines = deadlines
        self._spent_s = 0.0
        self.bytes_moved = 0

    async def next(self, move: Callable[[], Awaitable[T]]) -> T:
        """Return what the move returns. Raise ``TimeoutError``."""
        within_s = self.within_s
        if within_s == 0:  # many quick moves of a few bytes are too slow, too
            raise TimeoutError
        loop = asyncio.get_running_loop()
        started = loop.time()
        try:
            return await self._deadlines.within(within_s, move())
        finally:
            self._spent_s += loop.time() - started

    @property
    def within_s(self) -> float:
        """How long the other side may take now."""
        return max(0.0, min(self._traffic.idle_s, self._left_s))

    @property
    def _left_s(self) -> float:
        """How long the other side may take before its average rate is too low."""
        rate = self._traffic.least_bytes_per_s
        return self._traffic.grace_s + self.bytes_moved / rate - self._spent_s if rate else math.inf

    def too_slow(self) -> BodyTooSlow:
        """Return the error for a body that did not come in time."""
        traffic, moved = self._traffic, self.bytes_moved
        again = "send the request again"
        if self._left_s > 0:
            text = f"the body stopped after {moved} bytes, and nothing came for {traffic.idle_s:g} s; {again}"
            return BodyTooSlow(text, limit_name="idle_s", limit=traffic.idle_s, observed=traffic.idle_s)
        rate = moved / self._spent_s
        text = f"the body came at {rate:.0f} bytes per second, and the least is {traffic.least_bytes_per_s}; {again}"
        return BodyTooSlow(text, limit_name="least_bytes_per_s", limit=traffic.least_bytes_per_s, observed=round(rate))


class _Transfer:
    """One request's body and answer."""

    def __init__(
        self,
        scope: Scope,
        receive: Receive,
        send: Send,
        traffic: TrafficSettings,
        arrivals: Arrivals,
        deadlines: Deadlines,
    ) -> None:
        task = asyncio.current_task()
        assert task is not None
        self.task = task
        self.is_over = False
        self._scope = scope
        self._receive = receive
        self._send = send
        self._traffic = traffic
        self._arrivals = arrivals
        self._deadlines = deadlines
        self._in = _Pace(traffic, deadlines)
        self._out: _Pace | None = None
        self._arriving: Arriving | None = None
        self._reader: asyncio.Task[object] | None = None
        self._ended: Exception | None = None
        self._has_begun = self._is_answered = False
        self._leaving: asyncio.Task[None] | None = None
        if not _announces_body(scope):
            self._watch()
            self._first: Message | None = {"type": "http.request", "body": b"", "more_body": False}
        else:
            self._first = None

    async def receive(self) -> Message:
        """Return the next part of the body, or that the client has left.

        Raises ``BodyTooSlow``, and ``TooManyRequests`` or ``Overloaded`` if too many requests are arriving.
        """
        if self._first is not None:
            first, self._first = self._first, None
            return first
        if self._leaving is not None:
            await asyncio.shield(self._leaving)
            return {"type": "http.disconnect"}
        if self._ended is not None:
            raise self._ended
        if self._arriving is None:
            self._arriving = self._arrivals.begin(current_sender(), self._end)
        message = await self._next_part()
        self._in.bytes_moved += len(message.get("body", b""))
        if message["type"] == "http.disconnect" or not message.get("more_body", False):
            self._arrivals.done(self._arriving)
            if message["type"] == "http.request":
                self._watch()
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
        for start in range(PIECE_BYTES, len(body), PIECE_BYTES):
            await self._take({**message, "body": body[start - PIECE_BYTES : start], "more_body": True})
        rest = (len(body) - 1) // PIECE_BYTES * PIECE_BYTES if len(body) > PIECE_BYTES else 0
        if is_last:
            self._is_answered = True
        await self._take({**message, "body": body[rest:]} if rest else message)

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

    async def _next_part(self) -> Message:
        self._reader = asyncio.current_task()
        try:
            return await self._in.next(self._receive)
        except TimeoutError:
            self._ended = self._in.too_slow()
            raise self._ended from None
        except asyncio.CancelledError:
            if self._ended is None or self._reader is None or self._reader.uncancel() > 0:
                raise
            raise self._ended from None
        finally:
            self._reader = None

    async def _take(self, message: Message) -> None:
        if self._out is None:
            self._out = _Pace(self._traffic, self._deadlines)
        try:
            await self._out.next(partial(self._send, message))
        except TimeoutError:
            log.info("answer.not_read path=%r sent_bytes=%d", self._scope["path"], self._out.bytes_moved)
            self.give_up()
            await asyncio.Event().wait()  # the request's task is cancelled, and with it this one
        self._out.bytes_moved += len(message.get("body", b""))

    def _end(self, reason: Exception) -> None:
        """End the request, which is arriving, with an error."""
        self._ended = reason
        if self._reader is not None:
            self._reader.cancel()

    def _watch(self) -> None:
        self._leaving = asyncio.create_task(self._until_left())

    async def _until_left(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        if not self._is_answered:
            self.give_up()

    def give_up(self) -> None:
        """End the request: there is nobody to answer, or nobody who may have the answer."""
        self.is_over = True
        self.task.cancel()


def _announces_body(scope: Scope) -> bool:
    for name, value in scope["headers"]:
        if name == b"transfer-encoding" or (name == b"content-length" and value.strip() not in (b"0", b"")):
            return True
    return False
