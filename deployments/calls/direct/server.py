"""The runner's side: runs of ingresses on this machine, which have a place here by Serve (``Runner.place``)."""

import asyncio
import logging
import secrets
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from hmac import compare_digest
from itertools import count
from typing import Final, cast

from deployments.calls.direct.frames import BadFrame, Frames, Message, encode
from deployments.calls.direct.peers import is_ours

log = logging.getLogger("graphside.runner")

GREETING_S: Final = 5.0
"""Until who connects has said the secret."""

CLAIM_S: Final = 20.0
"""Until somebody has connected who says that a place is theirs."""


class DirectServer:
    """Listens on a socket that has no file, so that nothing of it outlives this process.

    Who connects must be a process of the same user, and know the secret, which Serve tells an ingress with a place.
    """

    def __init__(self, run: Callable[[Message], Awaitable[Message]]) -> None:
        """``run``: what answers a request, as ``Runner.run`` does; a field ``result`` of the answer is bytes."""
        self._run = run
        self._name = f"graphside-runner-{secrets.token_hex(16)}"
        self._secret = secrets.token_urlsafe(32)
        self._server: asyncio.Server | None = None
        self._connections: set[_Connection] = set()
        self._places = _Places()

    @property
    def address(self) -> Message | None:
        """What an ingress needs to connect; None while nobody can."""
        return None if self._server is None else {"name": self._name, "secret": self._secret}

    @asynccontextmanager
    async def place(self) -> AsyncIterator[tuple[int, Awaitable[None]]]:
        """A place's number, and what to wait for: that whoever claimed it is gone, or that nobody did."""
        number, left = self._places.open()
        try:
            yield number, left
        finally:
            self._places.end(number)

    async def start(self) -> None:
        """Begin to listen."""
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            listener.setblocking(False)
            listener.bind(f"\0{self._name}")
            loop = asyncio.get_running_loop()
            self._server = await loop.create_unix_server(
                lambda: _Connection(self._run, self._secret, self._connections, self._places), sock=listener
            )
        except BaseException:
            listener.close()
            raise

    def close(self) -> None:
        """Listen no more, and end what still runs."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for connection in list(self._connections):
            connection.close()


class _Places:
    """Those that are open. Serve would keep some of an ingress that was killed."""

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
    """One ingress. What it asked for ends with it, and so do its places."""

    def __init__(
        self,
        run: Callable[[Message], Awaitable[Message]],
        secret: str,
        connections: "set[_Connection]",
        places: _Places,
    ) -> None:
        self._run = run
        self._secret = secret
        self._connections = connections
        self._places = places
        self._claimed: set[int] = set()
        self._frames = Frames()
        self._runs: dict[int, asyncio.Task[None]] = {}
        self._known = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are none of asyncio's by their class
        self._connections.add(self)
        self._greeting = asyncio.get_running_loop().call_later(GREETING_S, self.close)
        if not is_ours(transport):
            log.info("direct.stranger a process of another user connected")
            self.close()

    def data_received(self, data: bytes) -> None:
        try:
            for message, _ in self._frames.feed(data):
                self._take(message)
        except (BadFrame, KeyError, TypeError):
            log.warning("direct.bad_message")
            self.close()

    def connection_lost(self, _: Exception | None) -> None:
        self._greeting.cancel()
        self._connections.discard(self)
        for task in self._runs.values():
            task.cancel()
        for place in self._claimed:
            self._places.leave(place)

    def close(self) -> None:
        self._transport.abort()

    def _take(self, message: Message) -> None:
        if not self._known:
            self._known = compare_digest(str(message["secret"]).encode(), self._secret.encode())
            self._greeting.cancel()
            if not self._known:
                raise BadFrame("not the secret")
            return
        if "place" in message:
            place = int(message["place"])
            self._claimed.add(place)
            return self._places.claim(place)
        if "left" in message:
            place = int(message["left"])
            self._claimed.discard(place)
            return self._places.leave(place)
        number = int(message["run"])
        if "request" in message:
            task = asyncio.create_task(self._answer(number, message["request"]))
            self._runs[number] = task
            task.add_done_callback(lambda _: self._runs.pop(number, None))
        elif (running := self._runs.get(number)) is not None:
            running.cancel()

    async def _answer(self, number: int, request: Message) -> None:
        frame = encode({"run": number})  # it failed: as of a call by Serve, the ingress learns that, the log why
        try:
            reply = await self._run(request)
            result = reply.pop("result", None)
            has_result = result is not None
            frame = encode({"run": number, "reply": reply, "has_result": has_result}, result or b"")
        except Exception:
            log.exception("direct.run_failed")
        finally:
            if not self._transport.is_closing():
                self._transport.write(frame)
