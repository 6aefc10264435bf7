"""``python -m bench.apps.flood NAME``: one user's flood of requests, from a process of its own.

It reads what it needs as one line of JSON, says ``going`` when it floods, and stops at the end of its input. Then it
prints how often each status came, as JSON. It comes last on its machine and has a bound on its memory, so that what it
costs others is what it asks of the server.
"""

import asyncio
import gzip
import json
import os
import resource
import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from itertools import cycle
from typing import Any, Final
from uuid import uuid4

_NICENESS: Final = 15
_MEMORY_BYTES: Final = 2 * 2**30
_CONNECTIONS: Final = 4096
_READ_BYTES: Final = 2**20
_STALLED_BYTES: Final = 1_000_000
"""The length of a body that does not come: HAProxy itself waits for short bodies."""

_ADDRESSES: Final = cycle([(f"127.0.0.{host}", 0) for host in (2, 3, 4)])
"""Where a flood comes from: not the quiet user's address, and three, because one address has a limit of connections."""

_TOO_MUCH: Final = (429, 503)
_REFUSED_S: Final = 1.0
"""The pause after a refusal, which is the least that ``Retry-After`` asks for."""

LOG_INS: Final = 64
STALLED: Final = 1001
SLEEPING: Final = 16
HEAVY: Final = 64
UPLOADS: Final = 8
LISTS: Final = 4
THREADED: Final = 3
THREADS: Final = 63

LONG_ROWS: Final = 100
ROW_BYTES: Final = (1_000_000, 60_000, 8_000, 1_000)

SLEEPS: Final = "import time\ndef task(g):\n    time.sleep(5)"
BURNS: Final = "import time\ndef task(g):\n    end = time.monotonic() + 5\n    while time.monotonic() < end: pass"
BURNS_IN_THREADS: Final = f"""
import hashlib, threading, time
def task(g):
    end, block = time.monotonic() + 5, bytes(100_000)
    def burn():
        while time.monotonic() < end: hashlib.sha256(block)
    threads = []
    try:
        for _ in range({THREADS} - 1):
            threads.append(threading.Thread(target=burn))
            threads[-1].start()
    except RuntimeError:
        threads.pop()
    burn()
    for thread in threads: thread.join()
"""
"""A task that starts as many threads as it may. Hashing lets go of the interpreter's lock."""


@dataclass(slots=True)
class Flood:
    """Requests of one user to one server."""

    port: int
    token: str
    dataset_id: str
    statuses: Counter[int] = field(default_factory=Counter)

    async def ask(
        self, path: str, body: bytes | None = None, *, signed_in: bool = True, content_type: str = "application/json"
    ) -> tuple[int, bytes]:
        """Return status and body of the answer to one request, and pause after a refusal."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, limit=2**20, local_addr=next(_ADDRESSES))
        try:
            writer.write(self._head("GET" if body is None else "POST", path, len(body or b""), signed_in, content_type))
            writer.write(body or b"")
            status, answer = await _answer(reader)
        finally:
            writer.close()
        self.statuses[status] += 1
        if status in _TOO_MUCH:
            await asyncio.sleep(_REFUSED_S)
        return status, answer

    async def stall(self, path: str, *, signed_in: bool) -> None:
        """Begin a request whose body does not come, and wait until the server ends it."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, local_addr=next(_ADDRESSES))
        try:
            writer.write(self._head("POST", path, _STALLED_BYTES, signed_in, "application/json") + b"{")
            status, _ = await _answer(reader)
            self.statuses[status] += 1
        finally:
            writer.close()
        await asyncio.sleep(_REFUSED_S)

    async def run(self, source: str, **fields: Any) -> None:
        body = {"execute": source, "timeout_s": 30, **fields}
        await self.ask(f"/api/v2/datasets/{self.dataset_id}/python", json.dumps(body).encode())

    def _head(self, method: str, path: str, length: int, signed_in: bool, content_type: str) -> bytes:
        authorization = f"Authorization: Bearer {self.token}\r\n" if signed_in else ""
        return (
            f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\nConnection: close\r\n{authorization}"
            f"Content-Type: {content_type}\r\nContent-Length: {length}\r\n\r\n"
        ).encode()


Ask = Callable[[], Awaitable[object]]
Requests = list[tuple[Ask, int]]
"""What a flood asks, and how many requests of each kind are open at a time."""


async def log_ins(flood: Flood) -> Requests:
    """Log in under names that nobody has."""

    async def log_in() -> None:
        body = {"username": f"nobody-{uuid4().hex[:12]}", "password": "wrong password"}
        await flood.ask("/api-token-auth/", json.dumps(body).encode(), signed_in=False)

    return [(log_in, LOG_INS)]


async def stalled_bodies(flood: Flood) -> Requests:
    """Send heads of requests, about a third each: a log-in, an upload without a token, an upload."""
    path = f"/api/v2/upload/datasets/{flood.dataset_id}/edges/csv"
    third = STALLED // 3
    return [
        (partial(flood.stall, "/api-token-auth/", signed_in=False), third),
        (partial(flood.stall, path, signed_in=False), third),
        (partial(flood.stall, path, signed_in=True), STALLED - 2 * third),
    ]


async def sleeping_runs(flood: Flood) -> Requests:
    """Run tasks that sleep."""
    return [(partial(flood.run, SLEEPS), SLEEPING)]


async def heavy_runs(flood: Flood) -> Requests:
    """Run tasks that compute."""
    return [(partial(flood.run, BURNS), HEAVY)]


async def threaded_runs(flood: Flood) -> Requests:
    """Run tasks that compute in as many threads as they may have, and ask for more."""
    return [(partial(flood.run, BURNS_IN_THREADS, threads=THREADS), THREADED)]


async def uploads(flood: Flood) -> Requests:
    """Upload short files that take a parser long and are refused at their last line."""
    content = gzip.compress(b"s,d\n" + b"1,2\n" * 20_000_000 + b"1,2,3\n", 1)
    new = json.dumps({"file_type": "csv", "file_compression": "gzip", "name": "long"}).encode()
    file_ids = [json.loads((await flood.ask("/api/v2/files/", new))[1])["file_id"] for _ in range(UPLOADS)]

    async def upload() -> None:
        file_id = file_ids.pop()
        try:
            await flood.ask(f"/api/v2/upload/files/{file_id}", content, content_type="application/octet-stream")
        finally:
            file_ids.append(file_id)

    return [(upload, UPLOADS)]


async def long_lists(flood: Flood) -> Requests:
    """List files whose rows are as long as the server lets them be."""
    for length in ROW_BYTES:
        new = json.dumps({"file_type": "csv", "name": "x", "parser_options": {"sep": "x" * length}}).encode()
        status, _ = await flood.ask("/api/v2/files/", new)
        if status == 201:
            break
    for _ in range(LONG_ROWS):
        await flood.ask("/api/v2/files/", new)
    return [(partial(flood.ask, "/api/v2/files/?limit=1000"), LISTS)]


FLOODS: Final[dict[str, Callable[[Flood], Awaitable[Requests]]]] = {
    "log-ins": log_ins,
    "stalled bodies": stalled_bodies,
    "sleeping runs": sleeping_runs,
    "heavy runs": heavy_runs,
    "uploads": uploads,
    "long lists": long_lists,
    "threads": threaded_runs,
}


async def _again(ask: Ask) -> None:
    """Ask again and again, until this is cancelled."""
    while True:
        try:
            await ask()
        except (OSError, ValueError, asyncio.IncompleteReadError):  # no answer, or none that is HTTP
            await asyncio.sleep(_REFUSED_S)


async def _answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """Return the status and the beginning of the body."""
    head = await reader.readuntil(b"\r\n\r\n")
    body = await reader.read(_READ_BYTES)
    while await reader.read(_READ_BYTES):
        pass
    return int(head[9:12]), body


async def _main(name: str) -> None:
    flood = Flood(**json.loads(await asyncio.to_thread(sys.stdin.readline)))
    requests = await FLOODS[name](flood)
    flood.statuses.clear()
    asking = [asyncio.create_task(_again(ask)) for ask, at_once in requests for _ in range(at_once)]
    print("going", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    for task in asking:
        task.cancel()
    await asyncio.wait(asking)
    print(json.dumps(flood.statuses), flush=True)


if __name__ == "__main__":
    os.nice(_NICENESS)
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_NOFILE, (_CONNECTIONS, _CONNECTIONS))
    asyncio.run(_main(sys.argv[1]))
