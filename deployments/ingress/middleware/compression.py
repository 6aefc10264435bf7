"""Large answers are compressed for clients that accept that and are not on this machine.

Compression costs time: a core compresses about 50 MB/s with gzip and 200 MB/s with zstd. So it is faster for a client
whose connection carries less than that, which loopback never does. Answers with credentials are never large.
"""

import io
import re
import zlib
from collections.abc import Callable
from functools import lru_cache
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final, Literal, Protocol

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from deployments.ingress.threads import Pool

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

Coding = Literal["zstd", "gzip"]

_KINDS: Final = ("application/json", "application/zip", "text/")
"""Media types that may become smaller: Parquet is compressed already."""

_WORTH_IT: Final = 0.9
"""The first piece must shrink to this part of its size; a zip of Parquet files does not."""

_THREADS: Final = 2
_MOST_WAITING: Final = 100_000
_GZIP: Final = zlib.MAX_WBITS | 16
_USUAL_CHARACTERS: Final = 200
"""Longer headers are not remembered."""

_QUALITY: Final = re.compile(r"^q=(0(\.\d{0,3})?|1(\.0{0,3})?)$")


class _Compressor(Protocol):
    def compress(self, data: bytes, /) -> bytes: ...
    def flush(self, mode: int = ..., /) -> bytes: ...


class _Pieces(io.RawIOBase):
    """Collects what is written, until it is taken."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: "ReadableBuffer", /) -> int:
        self._pieces.append(bytes(data))
        return len(self._pieces[-1])

    def take(self) -> bytes:
        taken = b"".join(self._pieces)
        self._pieces.clear()
        return taken


class _Zstd:
    """A stream of zstd with the methods of one of zlib."""

    def __init__(self) -> None:
        import pyarrow as pa  # it is loaded already; nothing else here needs it

        self._pieces = _Pieces()
        self._stream = pa.CompressedOutputStream(self._pieces, "zstd")

    def compress(self, data: bytes, /) -> bytes:
        self._stream.write(data)
        return self._pieces.take()

    def flush(self, mode: int = zlib.Z_FINISH, /) -> bytes:
        if mode == zlib.Z_FINISH:
            self._stream.close()
        else:
            self._stream.flush()
        return self._pieces.take()


_COMPRESSORS: Final[dict[Coding, Callable[[], _Compressor]]] = {
    "zstd": _Zstd,
    "gzip": lambda: zlib.compressobj(1, zlib.DEFLATED, _GZIP),
}
"""Fast levels of each, in the order in which they are preferred."""


class Compression:
    """Plain ASGI. Answers of at least ``over_bytes`` are compressed piece by piece, in threads; None: no answer is.

    Each coding of an answer has an ETag of its own.
    """

    def __init__(self, app: ASGIApp, over_bytes: int | None) -> None:
        self._app = app
        self._over_bytes = over_bytes
        # A request has one piece in the queue at most, so the number of requests bounds it.
        self._pool = Pool("compression", _THREADS, queue=_MOST_WAITING, queue_per_sender=_MOST_WAITING)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or self._over_bytes is None or scope["method"] == "HEAD":
            await self._app(scope, receive, send)
            return
        asked = _Asked(scope)
        coding, must = (None, False) if asked.for_range else _wish(asked.accepts)
        if not must and coding is not None and _is_loopback((scope.get("client") or ("",))[0]):
            coding = None
        answer = _Answer(send, coding, 0 if must else self._over_bytes, self._pool)
        if coding is not None and asked.for_change:
            answer.is_known = _without_suffix(scope, coding)
        await self._app(scope, receive, answer.send)


class _Asked:
    """What a request says about its answer. One pass over the headers, because every request pays for it."""

    def __init__(self, scope: Scope) -> None:
        self.for_range = self.for_change = False
        accepts = []
        for name, value in scope["headers"]:
            if name == b"accept-encoding":
                accepts.append(value)
            elif name == b"range":
                self.for_range = True
            elif name == b"if-none-match":
                self.for_change = True
        self.accepts = b",".join(accepts).decode("latin-1")


class _Answer:
    """One answer on its way out. Its head waits for the first piece of the body, which shows if it shrinks."""

    def __init__(self, send: Send, coding: Coding | None, over_bytes: int, pool: Pool) -> None:
        self._send = send
        self._coding = coding
        self._over_bytes = over_bytes
        self._pool = pool
        self._head: Message | None = None
        self._compressor: _Compressor | None = None
        self.is_known = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            await self._begin(message)
        elif message["type"] == "http.response.body" and self._head is not None:
            await self._decide(self._head, message)
        elif message["type"] == "http.response.body" and self._compressor is not None:
            await self._send(await self._compressed(self._compressor, message))
        else:
            await self._send(message)

    async def _begin(self, head: Message) -> None:
        if head["status"] == 200 and self._is_small(head):
            await self._send(head)
            return
        headers = MutableHeaders(raw=head.setdefault("headers", []))
        if head["status"] == 304 and self.is_known and self._coding is not None:
            _add_suffix(headers, self._coding)
        if not self._may_shrink(head["status"], headers):
            await self._send(head)
            return
        headers.add_vary_header("Accept-Encoding")
        if self._coding is None:
            await self._send(head)
        else:
            self._head = head

    def _is_small(self, head: Message) -> bool:
        for name, value in head.get("headers", ()):
            if name == b"content-length":
                return value.isdigit() and int(value) < self._over_bytes
        return False

    def _may_shrink(self, status: int, headers: MutableHeaders) -> bool:
        """Return whether an answer that is not small may become smaller."""
        return (
            status == 200
            and headers.get("content-type", "").startswith(_KINDS)
            and "content-encoding" not in headers
            and "no-transform" not in headers.get("cache-control", "")
        )

    async def _decide(self, head: Message, message: Message) -> None:
        self._head = None
        assert self._coding is not None, "only an answer that may be compressed waits"
        compressor = _COMPRESSORS[self._coding]()
        first = await self._compressed(compressor, message)
        if not self._over_bytes or len(first["body"]) <= _WORTH_IT * len(message.get("body", b"")):
            headers = MutableHeaders(raw=head["headers"])
            headers["Content-Encoding"] = self._coding
            _add_suffix(headers, self._coding)
            if "content-length" in headers:
                del headers["content-length"]
            self._compressor, message = compressor, first
        await self._send(head)
        await self._send(message)

    async def _compressed(self, compressor: _Compressor, message: Message) -> Message:
        """Return a piece of the body in its coding, which is made in a thread when it is the sender's turn."""
        data, is_last = message.get("body", b""), not message.get("more_body", False)

        def work() -> bytes:
            return compressor.compress(data) + compressor.flush(zlib.Z_FINISH if is_last else zlib.Z_SYNC_FLUSH)

        body = await self._pool.call(work)
        return {"type": "http.response.body", "body": body, "more_body": not is_last}


def _wish(header: str) -> tuple[Coding | None, bool]:
    """Return the coding that is accepted, and whether the answer must have it."""
    return _known_wish(header) if len(header) <= _USUAL_CHARACTERS else _known_wish.__wrapped__(header)


@lru_cache(maxsize=256)
def _known_wish(header: str) -> tuple[Coding | None, bool]:
    coding = accepted(header)
    return coding, coding is not None and refuses_plain(header)


def accepted(header: str) -> Coding | None:
    """Return the coding that an ``Accept-Encoding`` prefers to none; None if that is no coding of ours (RFC 9110)."""
    quality = _qualities(header)
    others = quality.get("*", 0.0)
    best = max(_COMPRESSORS, key=lambda coding: quality.get(coding, others))
    best_quality = quality.get(best, others)
    return best if best_quality > 0 and best_quality >= quality.get("identity", others) else None


def refuses_plain(header: str) -> bool:
    """Return True if an ``Accept-Encoding`` does not allow an answer without a coding, however small it is."""
    quality = _qualities(header)
    return quality.get("identity", quality.get("*", 1.0)) == 0


def _qualities(header: str) -> dict[str, float]:
    """Return the quality of each coding that is named. An item that is malformed is left out."""
    quality = {}
    for item in header.lower().split(","):
        name, _, parameter = (part.strip() for part in item.partition(";"))
        found = _QUALITY.match(parameter.replace(" ", ""))
        if name and (found or not parameter):
            quality[name] = float(found[1]) if found else 1.0
    return quality


@lru_cache(maxsize=256)
def _is_loopback(client: str) -> bool:
    try:
        address = ip_address(client)
    except ValueError:  # a test client, or a socket without an address
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return bool(address.is_loopback or (mapped is not None and mapped.is_loopback))


def _add_suffix(headers: MutableHeaders, coding: Coding) -> None:
    tag = headers.get("etag", "")
    if tag.endswith('"'):
        headers["ETag"] = f'{tag[:-1]}-{coding}"'


def _without_suffix(scope: Scope, coding: Coding) -> bool:
    """Have the route see its own ETags in ``If-None-Match``. Return True if one of them was that of this coding."""
    suffix, is_known, headers = f'-{coding}"'.encode(), False, []
    for name, value in scope["headers"]:
        if name == b"if-none-match" and suffix in value:
            value, is_known = value.replace(suffix, b'"'), True
        headers.append((name, value))
    scope["headers"] = headers
    return is_known
