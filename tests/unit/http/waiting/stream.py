"""The two ends of an HTTP connection as an ASGI app sees them, in the hands of a test."""

import asyncio
from typing import Any

from starlette.types import ASGIApp, Message, Scope

from tests.waiting import WITHIN_S


class Connection:
    """A request whose body comes when the test says so, and whose answer is taken when the test says so."""

    def __init__(self, app: ASGIApp, path: str, *, method: str = "POST", address: str = "203.0.113.9", **headers: str):
        body_announced = {"transfer-encoding": "chunked"} if method == "POST" else {}
        named = {**body_announced, **{name.replace("_", "-"): value for name, value in headers.items()}}
        scope: Scope = {
            "type": "http", "method": method, "path": path, "raw_path": path.encode(), "query_string": b"",
            "root_path": "", "scheme": "http", "http_version": "1.1", "client": (address, 1), "server": ("test", 80),
            "headers": [(b"host", b"test"), *((name.encode(), value.encode()) for name, value in named.items())],
        }  # fmt: skip
        self.sent: list[Message] = []
        self.takes_all = True
        self.takes_one = asyncio.Semaphore(0)
        self._arriving: asyncio.Queue[Message] = asyncio.Queue()
        if method != "POST":
            self.body(b"", more=False)
        self.task = asyncio.ensure_future(app(scope, self._arriving.get, self._send))

    def body(self, part: bytes, *, more: bool = True) -> None:
        self._arriving.put_nowait({"type": "http.request", "body": part, "more_body": more})

    def leave(self) -> None:
        self._arriving.put_nowait({"type": "http.disconnect"})

    @property
    def status(self) -> int | None:
        return self.sent[0]["status"] if self.sent else None

    @property
    def headers(self) -> dict[bytes, bytes]:
        return dict(self.sent[0]["headers"])

    @property
    def content(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.sent)

    async def answered(self) -> "Connection":
        async with asyncio.timeout(WITHIN_S):
            await self.task
        return self

    async def _send(self, message: Message) -> None:
        if not self.takes_all:
            await self.takes_one.acquire()
        self.sent.append(message)


def pieces(connection: Connection) -> list[Any]:
    """The sizes of what the answer was sent in."""
    return [len(message["body"]) for message in connection.sent if message["type"] == "http.response.body"]
