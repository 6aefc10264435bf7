"""Which answers are compressed, for whom, and how."""

import asyncio
import random
import threading
import zlib
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pyarrow as pa
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from deployments.ingress.middleware import compression
from deployments.ingress.middleware.compression import Compression, accepted
from deployments.ingress.sender import current_sender, sent_from
from tests.waiting import eventually_async

pytestmark = pytest.mark.anyio

TEXT = b'{"s":1,"d":2},' * 100_000
NOISE = random.Random(0).randbytes(200_000)
OVER = 1000


@pytest.mark.parametrize(
    ("header", "coding"),
    [
        ("gzip, deflate, br", "gzip"),
        ("gzip, zstd", "zstd"),
        ("GZIP;q=1.0", "gzip"),
        ("zstd;q=0.5, gzip", "gzip"),
        ("zstd;q=0, gzip;q=0.001", "gzip"),
        ("*", "zstd"),
        ("*;q=0, gzip", "gzip"),
        ("zstd;q=0, *", "gzip"),
        ("identity;q=0, gzip;q=0.1", "gzip"),
        ("identity;q=0", None),
        ("identity, gzip;q=0.5", None),
        ("identity;q=0.5, gzip;q=0.5", "gzip"),
        ("gzip;q=0", None),
        ("gzip;q=2", None),
        ("gzip;q=x, zstd", "zstd"),
        ("br, deflate", None),
        ("*;q=0", None),
        ("", None),
        (",;,", None),
    ],
)
async def test_the_coding_is_the_one_that_the_client_prefers(header: str, coding: str | None) -> None:
    assert accepted(header) == coding


async def answer(path: str, client: str = "203.0.113.7", method: str = "GET", **headers: str) -> httpx.Response:
    async def plain(request: Request) -> Response:
        tag = {"ETag": '"v1"', "Content-Type": "application/json"}
        if '"v1"' in request.headers.get("if-none-match", ""):
            return Response(status_code=304, headers=tag)
        return Response(TEXT, headers=tag)

    async def streamed(_: Request) -> Response:
        async def pieces() -> AsyncIterator[bytes]:
            for start in range(0, len(TEXT), 300_000):
                yield TEXT[start : start + 300_000]

        return StreamingResponse(pieces(), headers={"Content-Type": "text/csv", "Content-Length": str(len(TEXT))})

    async def other(request: Request) -> Response:
        kind = request.query_params["kind"]
        body = {"small": TEXT[: OVER - 1], "noise": NOISE}.get(kind, TEXT)
        more = {"coded": {"Content-Encoding": "x"}, "kept": {"Cache-Control": "no-transform"}}.get(kind, {})
        media = {"parquet": "application/vnd.apache.parquet", "noise": "application/zip"}.get(kind, "text/plain")
        return Response(body, 404 if kind == "missing" else 200, {**more, "Content-Type": media})

    app: Any = Compression(
        Starlette(routes=[Route("/plain", plain), Route("/streamed", streamed), Route("/other", other)]), OVER
    )
    async with (
        httpx.AsyncClient(
            transport=httpx.ASGITransport(app, client=(client, 1)),
            base_url="http://here",
            headers={"accept-encoding": ""},
        ) as http,
        http.stream(method, path, headers=headers) as response,
    ):
        raw = b"".join([piece async for piece in response.aiter_raw()])
    response.extensions["raw"] = raw
    return response


def decoded(response: httpx.Response) -> bytes:
    raw: bytes = response.extensions["raw"]
    match response.headers.get("content-encoding"):
        case "gzip":
            return zlib.decompress(raw, 31)
        case "zstd":
            return pa.input_stream(pa.py_buffer(raw), compression="zstd").read()
    return raw


@pytest.mark.parametrize("path", ["/plain", "/streamed"])
@pytest.mark.parametrize("coding", ["gzip", "zstd"])
async def test_a_large_answer_is_compressed_piece_by_piece(path: str, coding: str) -> None:
    response = await answer(path, **{"accept-encoding": coding})
    assert (response.headers["content-encoding"], response.headers["vary"]) == (coding, "Accept-Encoding")
    assert "content-length" not in response.headers
    assert len(response.extensions["raw"]) < len(TEXT) / 10
    assert decoded(response) == TEXT


@pytest.mark.parametrize("kind", ["small", "noise", "parquet", "coded", "kept", "missing"])
async def test_an_answer_that_would_not_gain_is_left_as_it_is(kind: str) -> None:
    response = await answer(f"/other?kind={kind}", **{"accept-encoding": "gzip"})
    assert response.headers.get("content-encoding") == ("x" if kind == "coded" else None)
    assert int(response.headers["content-length"]) == len(response.extensions["raw"])


@pytest.mark.parametrize(
    ("client", "headers"),
    [
        ("127.0.0.1", {"accept-encoding": "gzip"}),
        ("::1", {"accept-encoding": "gzip"}),
        ("::ffff:127.0.0.1", {"accept-encoding": "gzip"}),
        ("203.0.113.7", {"accept-encoding": "gzip", "range": "bytes=0-5"}),
        ("203.0.113.7", {"accept-encoding": "gzip;q=0"}),
        ("203.0.113.7", {}),
    ],
)
async def test_who_would_not_gain_gets_it_plain(client: str, headers: dict[str, str]) -> None:
    response = await answer("/plain", client, **headers)
    assert "content-encoding" not in response.headers
    assert (response.headers["etag"], response.headers["vary"]) == ('"v1"', "Accept-Encoding")
    assert response.extensions["raw"] == TEXT


async def test_a_client_that_refuses_plain_answers_gets_none() -> None:
    for path in ("/other?kind=small", "/plain"):
        response = await answer(path, "127.0.0.1", **{"accept-encoding": "identity;q=0, gzip"})
        assert response.headers["content-encoding"] == "gzip"
        assert TEXT.startswith(decoded(response))


async def test_each_coding_has_an_etag_that_is_recognized() -> None:
    gzip = {"accept-encoding": "gzip"}
    assert (await answer("/plain", **gzip)).headers["etag"] == '"v1-gzip"'
    known = await answer("/plain", **gzip, **{"if-none-match": '"v1-gzip"'})
    assert (known.status_code, known.headers["etag"]) == (304, '"v1-gzip"')
    plain = await answer("/plain", **{"if-none-match": '"v1"'})
    assert (plain.status_code, plain.headers["etag"]) == (304, '"v1"')
    other = await answer("/plain", **{"if-none-match": '"v1-gzip"'})
    assert other.status_code == 200


async def test_a_head_is_not_touched() -> None:
    response = await answer("/plain", method="HEAD", **{"accept-encoding": "gzip"})
    assert int(response.headers["content-length"]) == len(TEXT)


async def test_who_compresses_much_waits_for_nobody_but_themselves(monkeypatch: pytest.MonkeyPatch) -> None:
    """The threads go to senders in turn."""
    go_on, began = threading.Event(), list[str]()

    class Slow:
        def compress(self, data: bytes) -> bytes:
            began.append(current_sender())
            assert go_on.wait(10)
            return b""

        def flush(self, mode: int = 0) -> bytes:
            return b""

    async def whole(scope: Scope, receive: Receive, send: Send) -> None:
        with sent_from(scope["path"]):
            await Response(TEXT, media_type="text/plain")(scope, receive, send)

    monkeypatch.setitem(compression._COMPRESSORS, "gzip", Slow)
    app: Any = Compression(whole, OVER)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app, client=("203.0.113.7", 1)), base_url="http://here",
                                 headers={"accept-encoding": "gzip"}) as http:  # fmt: skip
        flood = [asyncio.create_task(http.get("/flood")) for _ in range(4)]
        await eventually_async(lambda: began)
        quiet = asyncio.create_task(http.get("/quiet"))
        await eventually_async(lambda: len(began) == 2)
        assert began == ["address /flood", "address /quiet"]
        go_on.set()
        await asyncio.gather(quiet, *flood)
