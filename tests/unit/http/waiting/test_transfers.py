"""Bodies and answers move, or their requests end; who leaves ends their request."""

import asyncio
from typing import Any

import orjson
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from deployments.ingress.error_answers import error_response
from deployments.ingress.errors import RequestError
from deployments.ingress.middleware.admission import Admission, until_answered
from deployments.ingress.middleware.request_ids import RequestIds
from deployments.ingress.middleware.transfers import PIECE_BYTES, Transfers, give_up
from deployments.settings import TrafficSettings
from runtime.errors import RuntimeFailure
from tests.unit.http.waiting.stream import Connection, pieces
from tests.waiting import eventually_async, turns

pytestmark = pytest.mark.anyio

SOON: Any = {"idle_s": 0.02, "grace_s": 10}
NEVER: Any = {"idle_s": 100, "grace_s": 100}


class Handler:
    """Reads the body, then waits until the test lets it answer."""

    def __init__(self) -> None:
        self.read: list[bytes] = []
        self.free = asyncio.Event()
        self.free.set()
        self.has_begun = asyncio.Event()
        self.was_cancelled = False
        self.answer: Response = Response(b"ok")
        self.held: list[str] = []
        self.request: Request | None = None

    async def serve(self, request: Request) -> Response:
        self.request = request
        until_answered(request).callback(self.held.append, "let go")
        async for part in request.stream():
            self.read.append(part)
        self.has_begun.set()
        try:
            await self.free.wait()
        except asyncio.CancelledError:
            self.was_cancelled = True
            raise
        return self.answer


def app_of(handler: Handler, **traffic: Any) -> Starlette:
    settings = TrafficSettings(**traffic)

    async def known(request: Request, error: Exception) -> Response:
        return error_response(error, path=request.url.path, request_id=request.state.request_id)

    return Starlette(
        routes=[Route("/", handler.serve, methods=["GET", "POST"])],
        middleware=[
            Middleware(RequestIds),
            Middleware(Admission, most=settings.requests),
            Middleware(Transfers, traffic=settings),
        ],
        exception_handlers=dict.fromkeys((RequestError, RuntimeFailure), known),
    )


@pytest.fixture
async def handler() -> Handler:
    return Handler()


async def test_a_body_that_stops_is_answered_with_408_and_its_connection_is_closed(handler: Handler) -> None:
    connection = Connection(app_of(handler, **SOON), "/")
    connection.body(b"begin")
    await connection.answered()
    assert connection.status == 408
    assert connection.headers[b"connection"] == b"close"
    error = orjson.loads(connection.content)
    assert (error["type"], error["limit_name"]) == ("BodyTooSlow", "idle_s")
    assert "after 5 bytes" in error["error"]
    assert handler.held == ["let go"]


async def test_a_body_that_drips_is_too_slow_on_the_average(handler: Handler) -> None:
    connection = Connection(app_of(handler, idle_s=100, grace_s=0.05, least_bytes_per_s=1_000_000), "/")

    async def drip() -> None:
        while not connection.task.done():
            connection.body(b"x")
            await asyncio.sleep(0.005)

    dripping = asyncio.create_task(drip())
    await connection.answered()
    await dripping
    assert connection.status == 408
    assert orjson.loads(connection.content)["limit_name"] == "least_bytes_per_s"


async def test_time_that_the_handler_takes_is_not_the_senders(handler: Handler) -> None:
    """A large upload waits for our disk, and for its turn."""
    app = app_of(handler, **SOON)
    handler.free.clear()
    connection = Connection(app, "/")
    connection.body(b"all", more=False)
    await handler.has_begun.wait()
    await asyncio.sleep(0.05)  # longer than a body may pause
    handler.free.set()
    assert (await connection.answered()).status == 200


async def test_a_whole_body_arrives_as_it_was(handler: Handler) -> None:
    connection = Connection(app_of(handler, **NEVER), "/")
    for part in (b"a", b"", b"bc"):
        connection.body(part)
    connection.body(b"d", more=False)
    assert (await connection.answered()).status == 200
    assert b"".join(handler.read) == b"abcd"
    assert b"connection" not in connection.headers


async def test_a_client_that_leaves_ends_its_request(handler: Handler) -> None:
    handler.free.clear()
    for method in ("GET", "POST"):
        connection = Connection(app_of(handler, **NEVER), "/", method=method)
        if method == "POST":
            connection.body(b"{}", more=False)
        await handler.has_begun.wait()
        handler.has_begun.clear()
        connection.leave()
        await connection.answered()
        assert handler.was_cancelled
        handler.was_cancelled = False
        assert connection.status == 499  # for the log
    assert handler.held == ["let go", "let go"]


async def test_a_client_that_leaves_in_the_middle_of_its_body_is_no_failure_of_the_server(
    handler: Handler, caplog: pytest.LogCaptureFixture
) -> None:
    connection = Connection(app_of(handler, **NEVER), "/")
    connection.body(b"half")
    connection.leave()
    assert (await connection.answered()).status == 499
    assert "request.failed" not in caplog.text


async def test_a_request_that_is_cancelled_from_outside_stays_cancelled(handler: Handler) -> None:
    """A replica that stops does so."""
    handler.free.clear()
    connection = Connection(app_of(handler, **NEVER), "/", method="GET")
    await handler.has_begun.wait()
    connection.task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await connection.task
    assert connection.sent == []


async def test_an_answer_that_nobody_takes_is_given_up_and_what_it_held_is_let_go(handler: Handler) -> None:
    async def endless() -> Any:
        while True:
            yield b"x" * 1000
            await asyncio.sleep(0)

    handler.answer = StreamingResponse(endless())
    connection = Connection(app_of(handler, **SOON), "/", method="GET")
    await eventually_async(lambda: len(connection.sent) > 3)
    connection.takes_all = False
    await connection.answered()
    assert connection.sent[-1].get("more_body") is not False  # it was not completed
    assert handler.held == ["let go"]


async def test_a_reader_who_drips_is_too_slow_on_the_average(handler: Handler) -> None:
    handler.answer = Response(b"x" * (20 * PIECE_BYTES))
    connection = Connection(app_of(handler, idle_s=100, grace_s=0.05, least_bytes_per_s=10**9), "/", method="GET")
    connection.takes_all = False

    async def drip() -> None:
        while not connection.task.done():
            connection.takes_one.release()
            await asyncio.sleep(0.02)

    dripping = asyncio.create_task(drip())
    await connection.answered()
    await dripping
    assert len(connection.content) < 20 * PIECE_BYTES


@pytest.mark.parametrize("size", [0, 1, PIECE_BYTES, PIECE_BYTES + 1, 3 * PIECE_BYTES, 3 * PIECE_BYTES + 7])
async def test_an_answer_goes_out_in_pieces_and_whole(handler: Handler, size: int) -> None:
    content = bytes(number % 251 for number in range(size))
    handler.answer = Response(content)
    connection = Connection(app_of(handler, **NEVER), "/", method="GET")
    await connection.answered()
    assert connection.content == content
    assert max(pieces(connection)) <= PIECE_BYTES
    assert [message.get("more_body", False) for message in connection.sent[1:]][-1] is False


async def test_bodies_that_never_come_do_not_keep_others_out(handler: Handler) -> None:
    app = app_of(handler, **NEVER, arriving=8, arriving_per_sender=6)
    stalled = [Connection(app, "/", address="198.51.100.1") for _ in range(7)]
    await turns()
    assert [connection.status for connection in stalled] == [None] * 6 + [429]
    others = [Connection(app, "/", address=f"198.51.100.{number}") for number in range(2, 5)]
    await turns()
    assert stalled[0].status == 503  # the oldest gave way
    assert stalled[0].headers[b"retry-after"] == b"1"
    for connection in others:
        connection.body(b"", more=False)
        assert (await connection.answered()).status == 200
    for connection in stalled[1:6]:
        connection.leave()
        await connection.answered()


async def test_the_last_tenth_of_the_places_is_for_addresses_that_hold_less_than_a_tenth(handler: Handler) -> None:
    handler.free.clear()
    app = app_of(handler, **NEVER, requests=20)
    busy = [Connection(app, "/", method="GET", address=f"198.51.100.{number % 2}") for number in range(18)]
    for address in ("198.51.100.0", "198.51.100.1"):
        assert (await Connection(app, "/", method="GET", address=address).answered()).status == 429
    quiet = Connection(app, "/", method="GET", address="198.51.100.2")
    handler.free.set()
    assert {(await connection.answered()).status for connection in (*busy, quiet)} == {200}


async def test_requests_in_progress_are_bounded_and_an_address_leaves_some_to_others(handler: Handler) -> None:
    handler.free.clear()
    app = app_of(handler, **NEVER, requests=10)
    going_on = [Connection(app, "/", method="GET", address="198.51.100.1") for _ in range(9)]
    refused = await Connection(app, "/", method="GET", address="198.51.100.1").answered()
    assert (refused.status, orjson.loads(refused.content)["limit_name"]) == (429, "requests_of_an_address")
    going_on.append(Connection(app, "/", method="GET", address="198.51.100.2"))
    full = await Connection(app, "/", address="198.51.100.3").answered()  # before its body came
    assert (full.status, full.headers[b"retry-after"]) == (503, b"1")
    handler.free.set()
    assert {(await connection.answered()).status for connection in going_on} == {200}
    assert (await Connection(app, "/", method="GET", address="198.51.100.1").answered()).status == 200


async def test_a_request_can_be_given_up_before_and_while_it_is_answered(handler: Handler) -> None:
    handler.free.clear()
    connection = Connection(app_of(handler, **NEVER), "/", method="GET")
    await handler.has_begun.wait()
    assert handler.request is not None
    give_up(handler.request)()
    await connection.answered()
    assert handler.was_cancelled
    assert connection.content == b""
