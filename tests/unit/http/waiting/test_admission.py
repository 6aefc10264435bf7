"""Callers who are not logged in leave half of the places to those who are, and who leaves holds none."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import orjson
import pytest
from starlette.types import ASGIApp

from deployments.ingress.app import build_asgi_app
from deployments.settings import TrafficSettings
from tests.unit.http.site import PASSWORD, Site
from tests.unit.http.waiting.slow_users import SlowUsers
from tests.unit.http.waiting.stream import Connection
from tests.waiting import eventually_async, turns

pytestmark = pytest.mark.anyio


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    opened = Site.open(tmp_path / "data", traffic=TrafficSettings(requests=20))
    opened.user("ann")
    users = SlowUsers(opened)
    yield Site(replace(opened.services, users=users, credentials=replace(opened.services.credentials, users=users)))
    users.go_on.set()
    await turns()
    opened.close()


@pytest.fixture
async def app(site: Site) -> ASGIApp:
    return build_asgi_app(site.services)


def log_in(app: ASGIApp, address: str, path: str = "/api-token-auth/") -> Connection:
    connection = Connection(app, path, address=address, content_type="application/json")
    connection.body(orjson.dumps({"username": "ann", "password": PASSWORD}), more=False)
    return connection


async def get(app: ASGIApp, path: str, address: str = "203.0.113.1", **headers: str) -> Connection:
    return await Connection(app, path, method="GET", address=address, **headers).answered()


async def test_strangers_leave_half_of_the_places_to_those_who_are_logged_in(site: Site, app: ASGIApp) -> None:
    token = site.services.tokens.issue(site.services.users.get("ann"))
    flood = [log_in(app, f"198.51.100.{number}") for number in range(1, 11)]
    await turns()
    refused = await log_in(app, "203.0.113.1").answered()
    assert (refused.status, refused.headers[b"retry-after"]) == (503, b"1")
    assert "10 requests of callers who are not logged in are in progress" in orjson.loads(refused.content)["error"]
    assert (await get(app, "/login")).status == 503
    assert (await get(app, "/healthz")).status == 200  # waits for nothing
    for _ in range(12):
        assert (await get(app, "/api/v2/files/", authorization=f"Bearer {token}")).status == 200
    for connection in flood:
        connection.leave()
        await connection.answered()
    assert (await get(app, "/login")).status == 200


async def test_an_address_leaves_a_tenth_of_that_half_to_others(app: ASGIApp) -> None:
    flood = [log_in(app, "198.51.100.1", path) for path in ("/login", "/api-token-auth/") for _ in range(5)]
    await eventually_async(lambda: any(connection.task.done() for connection in flood))
    refused = next(connection for connection in flood if connection.task.done())
    assert (refused.status, orjson.loads(refused.content)["limit"]) == (429, 9)
    assert (await get(app, "/login", address="198.51.100.2")).status == 200
    for connection in flood:
        connection.leave()


async def test_the_networks_of_an_ipv6_site_are_one_address(app: ASGIApp) -> None:
    flood = [log_in(app, f"2001:db8:1:{number:x}::1") for number in range(10)]
    await eventually_async(lambda: any(connection.task.done() for connection in flood))
    assert (await get(app, "/login", address="2001:db8:1:ffff::1")).status == 429
    assert (await get(app, "/login", address="2001:db8:2::1")).status == 200
    for connection in flood:
        connection.leave()


@pytest.mark.parametrize("path", ["/login", "/api-token-auth/", "/api/v2/auth/token/generate"])
async def test_a_log_in_whose_caller_left_is_over(app: ASGIApp, path: str) -> None:
    connection = log_in(app, "198.51.100.1", path)
    await turns()
    assert not connection.task.done()
    connection.leave()
    async with asyncio.timeout(10):
        assert (await connection.answered()).status == 499  # for the log
