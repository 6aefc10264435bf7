"""The runner's side of direct calls: runs of ingresses on this machine that hold a slot (``Runner.slot``)."""

import asyncio
import logging
import math
import secrets
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from hmac import compare_digest
from itertools import count
from typing import Any, Final, cast

from deployments.calls.direct.frames import (
    MOST_BYTES,
    MOST_GREETING_BYTES,
    BadFrame,
    Frames,
    Message,
    encode,
    number_in,
)
from deployments.calls.direct.peers import is_ours
from deployments.calls.messages import Address, RunCall, RunReply

log = logging.getLogger("graphside.runner")

GREETING_S: Final = 5.0
"""How long a process that connects may take to say the secret."""

STRANGERS_EVERY_S: Final = 60.0
"""How often the log has a line about processes that were sent away: any process of the machine can cause it."""

CLAIM_S: Final = 20.0
"""How long a new slot waits for an ingress to claim it."""

AnswerCall = Callable[[RunCall], Awaitable[RunReply]]
"""Runs a task, as ``Runner.run`` does."""


class DirectServer:
    """Listens on a socket that has no file, so that nothing of it outlives this process.

    A process that connects must belong to the same user and know the secret, which an ingress learns with its slot.
    """

    def __init__(self, run: AnswerCall) -> None:
        self._run = run
        self._name = f"graphside-runner-{secrets.token_hex(16)}"
        self._secret = secrets.token_urlsafe(32)
        self._server: asyncio.Server | None = None
        self._connections: set[_Connection] = set()
        self._slots = _Slots()
        self._strangers = _Strangers()

    @property
    def address(self) -> Address | None:
        """What an ingress needs to connect; None while the server does not listen."""
        return None if self._server is None else {"name": self._name, "secret": self._secret}

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[tuple[int, Awaitable[None]]]:
        """Open a slot: its number, and a future that is done when its ingress has left, or none has claimed it."""
        number, left = self._slots.open()
        try:
            yield number, left
        finally:
            self._slots.end(number)

    async def start(self) -> None:
        """Begin to listen."""
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            listener.setblocking(False)
            listener.bind(f"\0{self._name}")
            loop = asyncio.get_running_loop()
            self._server = await loop.create_unix_server(
                lambda: _Connection(self._run, self._secret, self._connections, self._slots, self._strangers),
                sock=listener,
            )
        except BaseException:
            listener.close()
            raise

    def close(self) -> None:
        """Stop listening, and end the runs that came this way."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for connection in list(self._connections):
            connection.close()


class _Strangers:
    """Counts who was sent away, and logs it now and then."""

    def __init__(self) -> None:
        self._count = 0
        self._logged_at = -math.inf

    def sent_away(self, why: str) -> None:
        self._count += 1
        if time.monotonic() - self._logged_at >= STRANGERS_EVERY_S:
            log.warning("direct.stranger sent_away=%d last=%s", self._count, why)
            self._logged_at, self._count = time.monotonic(), 0


class _Slots:
    """The slots that are open. Serve by itself would keep some slots of an ingress that was killed."""

    def __init__(self) -> None:
        self._left: dict[int, asyncio.Future[None]] = {}
        self._unclaimed: dict[int, asyncio.TimerHandle] = {}
        self._numbers = count()

    def open(self) -> tuple[int, "asyncio.Future[None]"]:
        number, loop = next(self._numbers), asyncio.get_running_loop()
        self._left[number] = loop.create_future()
        self._unclaimed[number] = loop.call_later(CLAIM_S, self.leave, number)
        return number, self._left[number]

    def claim(self, number: int) -> None:
        if (timer := self._unclaimed.pop(number, None)) is not None:
            timer.cancel()

    def leave(self, number: int) -> None:
        left = self._left.get(number)
        if left is not None and not left.done():
            left.set_result(None)

    def end(self, number: int) -> None:
        self.claim(number)
        self._left.pop(number, None)


class _Connection(asyncio.Protocol):
    """One ingress. Its runs and its slots end with the connection."""

    def __init__(
        self,
        run: AnswerCall,
        secret: str,
        connections: "set[_Connection]",
        slots: _Slots,
        strangers: _Strangers,
    ) -> None:
        self._strangers = strangers
        self._run = run
        self._secret = secret
        self._connections = connections
        self._slots = slots
        self._claimed: set[int] = set()
        self._frames = Frames(MOST_GREETING_BYTES)
        self._runs: dict[int, asyncio.Task[None]] = {}
        self._known = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's class is no subclass of asyncio's
        self._connections.add(self)
        self._greeting = asyncio.get_running_loop().call_later(GREETING_S, self.close)
        if not is_ours(transport):
            self._strangers.sent_away("another-user")
            self.close()

    def data_received(self, data: bytes) -> None:
        try:
            for message, _ in self._frames.feed(data):
                self._take(message)
        except (BadFrame, KeyError, TypeError, ValueError):
            if self._known:
                log.warning("direct.bad_message")
            else:
                self._strangers.sent_away("no-secret")
            self.close()

    def connection_lost(self, _: Exception | None) -> None:
        self._greeting.cancel()
        self._connections.discard(self)
        for task in self._runs.values():
            task.cancel()
        for slot in self._claimed:
            self._slots.leave(slot)

    def close(self) -> None:
        self._transport.abort()

    def _take(self, message: Message) -> None:
        if not self._known:
            self._known = compare_digest(str(message["secret"]).encode(), self._secret.encode())
            self._greeting.cancel()
            if not self._known:
                raise BadFrame("not the secret")
            self._frames.most = MOST_BYTES
            return
        if "slot" in message:
            slot = number_in(message, "slot")
            self._claimed.add(slot)
            return self._slots.claim(slot)
        if "left" in message:
            slot = number_in(message, "left")
            self._claimed.discard(slot)
            return self._slots.leave(slot)
        number = number_in(message, "run")
        if "call" in message:
            task = asyncio.create_task(self._answer(number, message["call"]))
            self._runs[number] = task
            task.add_done_callback(lambda _: self._runs.pop(number, None))
        elif (running := self._runs.get(number)) is not None:
            running.cancel()

    async def _answer(self, number: int, call: RunCall) -> None:
        frame = encode({"run": number})  # the run failed: the ingress learns that, and the log has the reason
        try:
            reply: dict[str, Any] = {**await self._run(call)}
            content = reply.pop("content")
            frame = encode({"run": number, "reply": reply}, content)
        except Exception:
            log.exception("direct.run_failed")
        finally:
            if not self._transport.is_closing():
                self._transport.write(frame)
