"""Bytes of bodies that are arriving are bounded, and a sender who holds many gives way."""

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, cast

import orjson
import pytest

from deployments.ingress.app import build_asgi_app
from deployments.ingress.errors import TooManyRequests
from deployments.ingress.held_bodies import HeldBodies
from deployments.ingress.services import Services
from runtime.task import MIB
from tests.unit.http import app
from tests.unit.http.waiting.stream import Connection
from tests.waiting import eventually_async


def stays(error: Exception) -> None:
    raise AssertionError(f"ended: {error}")


def test_the_oldest_of_the_greediest_gives_way() -> None:
    bodies, ended = HeldBodies(100), list[str]()

    def ends(name: str) -> Callable[[Exception], None]:
        return lambda error: ended.append(f"{name} {type(error).__name__}")

    with ExitStack() as held:
        for number in range(3):
            held.enter_context(bodies.holding("greedy", 30, ends(str(number))))
        held.enter_context(bodies.holding("ann", 30, stays))
        assert ended == ["0 Overloaded"]
        held.enter_context(bodies.holding("ben", 10, stays))
        held.enter_context(bodies.holding("cleo", 20, stays))
        assert ended == ["0 Overloaded", "1 Overloaded"]
        with pytest.raises(TooManyRequests) as refused:
            held.enter_context(bodies.holding("dora", 40, stays))
        assert refused.value.fields["limit_name"] == "body_bytes"
    with bodies.holding("dora", 100, stays):
        pass


def test_a_sender_does_not_end_its_own() -> None:
    bodies = HeldBodies(100)
    with bodies.holding("ann", 60, stays), pytest.raises(TooManyRequests), bodies.holding("ann", 50, stays):
        pass


@pytest.mark.anyio
async def test_large_bodies_that_stop_give_way_to_others(tmp_path: Path) -> None:
    async with app.opened(tmp_path / "data", traffic={"body_bytes": 16 * MIB}) as (http, _):
        services = cast(Services, cast(Any, http)._transport.app.state.services)
        token = {"authorization": f"Bearer {services.tokens.issue(services.users.add('ben', 'correct horse'))}"}
        server = build_asgi_app(services)
        stalled = [Connection(server, "/api/v2/upload/datasets/", **token) for _ in range(4)]
        for connection in stalled:
            connection.body(b" " * 100_000)  # of a body without a length, which may become as long as the limit
        await eventually_async(lambda: services.bodies.byte_count == 16 * MIB)
        made = await http.post("/api/v2/upload/datasets/", content=orjson.dumps({"metadata": {}, "x": "y" * MIB}))
        assert made.status_code == 201, made.text
        await eventually_async(lambda: any(connection.task.done() for connection in stalled))
        assert [connection.status for connection in stalled].count(503) == 1
        for connection in stalled:
            connection.leave()
            await connection.answered()
        assert services.bodies.byte_count == 0
