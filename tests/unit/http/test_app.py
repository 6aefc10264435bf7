"""The HTTP app by itself, over a runner that is not there: what settings change on the wire, whose fault is told."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, cast

import httpx
import pytest

from auth.flags import ENABLED_USERS
from catalog.engine import migrate
from deployments.calls.messages import RunCall, RunReply
from deployments.ingress.app import build_asgi_app
from deployments.ingress.services import Services
from deployments.settings import Settings
from runtime.errors import Overloaded, RuntimeFailure, StoreUnavailable
from tests.tasks import run_reply

Act = Callable[[httpx.AsyncClient, str], Awaitable[Any]]


class Runners:
    """Stands for the way to the runners: notes what it is asked, answers 1 or raises."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.asked: list[RunCall] = []
        self.free = asyncio.Event()
        self.free.set()

    async def run(self, call: RunCall) -> RunReply:
        self.asked.append(call)
        await self.free.wait()
        if self.error is not None:
            raise self.error
        return run_reply()

    async def evict(self, dataset_id: str) -> None:
        return None


def with_app(data: Path, act: Act, runners: Any = None, **settings: Any) -> Any:
    """``act(http, dataset_id)`` on an app with these settings, by a user who may run Python and has a dataset."""

    async def main() -> Any:
        configured = Settings(data_dir=data, **settings)
        migrate(configured.catalog_url)
        services = Services.open(configured, runners or cast(Any, Runners()))
        services.store.prepare()
        ann = services.users.add("ann", "correct horse battery")
        services.flags.set_for_user(ENABLED_USERS, "ann", True)
        transport = httpx.ASGITransport(build_asgi_app(services))
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
            http.headers["Authorization"] = f"Bearer {services.tokens.issue(ann)}"
            created = await http.post("/api/v2/upload/datasets/", json={})
            result = await act(http, created.json()["data"]["dataset_id"])
        services.close()
        return result

    return asyncio.run(main())


async def run(http: httpx.AsyncClient, dataset_id: str, **fields: Any) -> httpx.Response:
    return await http.post(f"/api/v2/datasets/{dataset_id}/python", json={"execute": "def task(g): return 1", **fields})


# Cross-origin calls

ORIGIN = "https://notebooks.example"


async def preflight(http: httpx.AsyncClient, dataset_id: str, origin: str = ORIGIN) -> httpx.Response:
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization, content-type"}
    return await http.options(f"/api/v2/datasets/{dataset_id}/python", headers={"Origin": origin, **asked})


def test_a_page_of_an_allowed_origin_may_call(tmp_path: Path) -> None:
    answer = with_app(tmp_path, preflight, cors_origins=(ORIGIN,))
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, ORIGIN)
    assert "POST" in answer.headers["access-control-allow-methods"]
    assert "authorization" in answer.headers["access-control-allow-headers"].lower()


def test_a_page_of_an_allowed_origin_can_read_the_headers_of_a_run(tmp_path: Path) -> None:
    async def act(http: httpx.AsyncClient, dataset_id: str) -> httpx.Response:
        http.headers["Origin"] = ORIGIN
        return await run(http, dataset_id)

    answer = with_app(tmp_path, act, cors_origins=(ORIGIN,))
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    assert {"X-Run-Id", "Server-Timing"} <= set(answer.headers["access-control-expose-headers"].split(", "))


@pytest.mark.parametrize("cors_origins", [(), (ORIGIN,)], ids=["no origin allowed", "another origin allowed"])
def test_a_page_of_another_origin_may_not(tmp_path: Path, cors_origins: tuple[str, ...]) -> None:
    async def act(http: httpx.AsyncClient, dataset_id: str) -> httpx.Response:
        return await preflight(http, dataset_id, "https://elsewhere.example")

    answer = with_app(tmp_path, act, cors_origins=cors_origins)
    assert answer.status_code >= 400
    assert "access-control-allow-origin" not in answer.headers


# Settings that decide about runs


def test_the_operators_switch_overrides_the_flags(tmp_path: Path) -> None:
    runners = Runners()
    answer = with_app(tmp_path, run, runners, python_endpoint=False)
    assert (answer.status_code, answer.json()["type"]) == (403, "EndpointDisabled")
    assert "ENABLE_PYTHON_ENDPOINT" in answer.json()["error"]
    assert not runners.asked


@pytest.mark.parametrize(("falls_back", "asked_for"), [(True, "pandas"), (False, "cudf")])
def test_cudf_falls_back_to_pandas_where_the_operator_says_so(tmp_path: Path, falls_back: bool, asked_for: str) -> None:
    async def act(http: httpx.AsyncClient, dataset_id: str) -> httpx.Response:
        return await run(http, dataset_id, engine="cudf")

    runners = Runners()
    answer = with_app(tmp_path, act, runners, cudf_falls_back_to_pandas=falls_back)
    assert runners.asked[0]["engine"] == asked_for
    assert answer.headers.get("x-engine") == ("pandas" if falls_back else None)


def test_a_users_runs_are_counted(tmp_path: Path) -> None:
    runners = Runners()

    async def act(http: httpx.AsyncClient, dataset_id: str) -> list[httpx.Response]:
        runners.free.clear()
        first = asyncio.create_task(run(http, dataset_id))
        while not runners.asked:
            await asyncio.sleep(0)
        second = await run(http, dataset_id)
        runners.free.set()
        return [second, await first, await run(http, dataset_id)]

    refused, *served = with_app(tmp_path, act, runners, user_runs=1)
    assert (refused.status_code, refused.json()["type"]) == (429, "TooManyRequests")
    assert int(refused.headers["retry-after"]) >= 1
    assert (refused.json()["limit"], refused.json()["observed"]) == (1, 1)
    assert [answer.json() for answer in served] == [1, 1]


# Uploads that are too large


@pytest.mark.parametrize("announced", [True, False], ids=["announced", "found while reading"])
def test_an_upload_over_the_limit_is_refused_and_nothing_stays(tmp_path: Path, announced: bool) -> None:
    read = 0

    async def act(http: httpx.AsyncClient, dataset_id: str) -> httpx.Response:
        async def body() -> AsyncIterator[bytes]:
            nonlocal read
            for _ in range(1000):
                read += 1024
                yield bytes(1024)

        headers = {"Content-Length": str(1024 * 1000)} if announced else {}
        path = f"/api/v2/upload/datasets/{dataset_id}/edges/csv"
        return await http.post(path, content=body(), headers=headers)

    answer = with_app(tmp_path, act, max_upload_bytes=10_000)
    assert (answer.status_code, answer.json()["type"]) == (413, "TooLarge")
    assert answer.json()["limit"] == 10_000
    assert read <= (0 if announced else 12 * 1024)
    assert list((tmp_path / "incoming").iterdir()) == []


# Our own fault


@pytest.mark.parametrize(
    ("error", "kind", "retry_after"),
    [
        (Overloaded("full", retry_after_s=3), "Overloaded", "3"),
        (RuntimeFailure.from_wire({"type": "RunInterrupted", "message": "died"}), "RunInterrupted", "1"),
        (StoreUnavailable("away", retry_after_s=5), "StoreUnavailable", "5"),
    ],
)
def test_what_may_be_tried_again_says_when(tmp_path: Path, error: Exception, kind: str, retry_after: str) -> None:
    answer = with_app(tmp_path, run, Runners(error))
    assert (answer.status_code, answer.json()["type"]) == (503, kind)
    assert answer.headers["retry-after"] == retry_after


def test_a_deletion_is_done_for_its_caller_although_the_store_does_not_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> int:
        raise StoreUnavailable("away", retry_after_s=5)

    async def act(http: httpx.AsyncClient, dataset_id: str) -> Any:
        deleted = await http.delete(f"/api/v2/datasets/{dataset_id}/")
        return deleted.status_code, (await http.get(f"/api/v2/datasets/{dataset_id}/")).status_code

    monkeypatch.setattr("deployments.ingress.services.forget_unreferenced", away)
    assert with_app(tmp_path, act) == (204, 404)


def test_an_error_that_nobody_expected_tells_its_id_and_no_more(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        answer = with_app(tmp_path, run, Runners(ZeroDivisionError("secret detail")))
    body = answer.json()
    assert (answer.status_code, body["type"]) == (500, "InternalError")
    assert "secret" not in answer.text
    assert "Traceback" not in answer.text
    assert body["request_id"] in caplog.text
    assert "secret detail" in caplog.text
