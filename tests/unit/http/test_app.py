"""The HTTP app by itself, over a runner that is not there: what settings change on the wire, whose fault is told."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from runtime.errors import Overloaded, RuntimeFailure, StoreUnavailable, TaskError
from tests.unit.http.app import Runners, opened, run
from tests.waiting import eventually_async

pytestmark = pytest.mark.anyio

# Cross-origin calls

ORIGIN = "https://notebooks.example"


async def preflight(http: httpx.AsyncClient, dataset_id: str, origin: str = ORIGIN) -> httpx.Response:
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization, content-type"}
    return await http.options(f"/api/v2/datasets/{dataset_id}/python", headers={"Origin": origin, **asked})


async def test_a_page_of_an_allowed_origin_may_call(tmp_path: Path) -> None:
    async with opened(tmp_path, cors_origins=(ORIGIN,)) as (http, dataset_id):
        answer = await preflight(http, dataset_id)
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, ORIGIN)
    assert "POST" in answer.headers["access-control-allow-methods"]
    assert "authorization" in answer.headers["access-control-allow-headers"].lower()


async def test_a_page_of_an_allowed_origin_can_read_the_headers_of_a_run(tmp_path: Path) -> None:
    async with opened(tmp_path, cors_origins=(ORIGIN,)) as (http, dataset_id):
        http.headers["Origin"] = ORIGIN
        answer = await run(http, dataset_id)
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    assert {"X-Run-Id", "Server-Timing"} <= set(answer.headers["access-control-expose-headers"].split(", "))


@pytest.mark.parametrize("cors_origins", [(), (ORIGIN,)], ids=["no origin allowed", "another origin allowed"])
async def test_a_page_of_another_origin_may_not_call(tmp_path: Path, cors_origins: tuple[str, ...]) -> None:
    async with opened(tmp_path, cors_origins=cors_origins) as (http, dataset_id):
        answer = await preflight(http, dataset_id, "https://elsewhere.example")
    assert answer.status_code >= 400
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize(
    ("changed", "what"),
    [
        ({"Origin": "https://elsewhere.example"}, "origin"),
        ({"Origin": "null"}, "origin"),
        ({"Access-Control-Request-Method": "BREW"}, "method"),
        ({"Access-Control-Request-Headers": "x-graphside-front"}, "headers"),
        ({"Access-Control-Request-Private-Network": "true"}, "private-network"),
    ],
)
async def test_a_refused_preflight_is_an_error_like_all_others(
    tmp_path: Path, changed: dict[str, str], what: str
) -> None:
    async with opened(tmp_path, cors_origins=(ORIGIN,)) as (http, dataset_id):
        asked = {"Origin": ORIGIN, "Access-Control-Request-Method": "POST", **changed}
        answer = await http.options(f"/api/v2/datasets/{dataset_id}/python", headers=asked)
    assert (answer.status_code, answer.json()["type"]) == (400, "InvalidRequest")
    assert f"disallowed CORS {what}" in answer.json()["error"]
    assert answer.headers["x-request-id"] == answer.json()["request_id"]
    assert answer.headers["content-security-policy"]


# What clients show


async def test_the_error_of_a_run_has_what_pygraphistry_would_drop(tmp_path: Path) -> None:
    frames = [{"line": 3, "function": "task", "source": "return g._edges['nope']"}]
    failure = TaskError("KeyError: 'nope'", frames=frames).to_wire()
    output = {"stdout": "so far\n", "stderr": "", "stdout_truncated": False, "stderr_truncated": False}
    async with opened(tmp_path, Runners(failure=failure, kind=None, output=output)) as (http, dataset_id):
        body = (await run(http, dataset_id)).json()
    assert body["message"] == body["detail"] == "KeyError: 'nope'"
    assert body["error"] == ("KeyError: 'nope'\n  line 3, in task: return g._edges['nope']\nend of stdout:\n  so far")


async def test_a_result_whose_labels_are_left_out_says_so(tmp_path: Path) -> None:
    for dropped in (True, False):
        async with opened(tmp_path / str(dropped), Runners(labels_dropped=dropped)) as (http, dataset_id):
            answer = await run(http, dataset_id)
        assert ("call .reset_index()" in answer.headers.get("x-result-note", "")) == dropped


@pytest.mark.parametrize(
    ("path", "instead"),
    [
        ("/api/v2/etl/datasets/0123/gfql/all", "g.python_remote_g("),
        ("/api/v2/datasets/0123/gfql", "g.python_remote_g("),
        ("/api/v2/o/ours/functions/python/", "/api/v2/datasets/<dataset_id>/python"),
        ("/api/v2/other", "Not Found"),
    ],
)
async def test_what_other_servers_have_is_answered_with_what_works_instead(
    tmp_path: Path, path: str, instead: str
) -> None:
    async with opened(tmp_path) as (http, _):
        answer = await http.post(path, json={})
    assert (answer.status_code, answer.json()["type"]) == (404, "NotFound")
    assert instead in answer.json()["error"]


# Settings that decide about runs


async def test_the_operators_switch_overrides_the_flags(tmp_path: Path) -> None:
    runners = Runners()
    async with opened(tmp_path, runners, python_endpoint=False) as (http, dataset_id):
        answer = await run(http, dataset_id)
    assert (answer.status_code, answer.json()["type"]) == (403, "EndpointDisabled")
    assert "ENABLE_PYTHON_ENDPOINT" in answer.json()["error"]
    assert not runners.asked


@pytest.mark.parametrize(("falls_back", "asked_for"), [(True, "pandas"), (False, "cudf")])
async def test_cudf_falls_back_to_pandas_if_the_operator_allows_it(
    tmp_path: Path, falls_back: bool, asked_for: str
) -> None:
    runners = Runners()
    async with opened(tmp_path, runners, cudf_falls_back_to_pandas=falls_back) as (http, dataset_id):
        answer = await run(http, dataset_id, engine="cudf")
    assert runners.asked[0]["engine"] == asked_for
    assert answer.headers.get("x-engine") == ("pandas" if falls_back else None)


async def test_a_users_runs_are_counted(tmp_path: Path) -> None:
    runners = Runners()
    async with opened(tmp_path, runners, user_runs=1) as (http, dataset_id):
        runners.free.clear()
        first = asyncio.create_task(run(http, dataset_id))
        await eventually_async(lambda: runners.asked)
        refused = await run(http, dataset_id)
        runners.free.set()
        served = [await first, await run(http, dataset_id)]
    assert (refused.status_code, refused.json()["type"]) == (429, "TooManyRequests")
    assert int(refused.headers["retry-after"]) >= 1
    assert (refused.json()["limit"], refused.json()["observed"]) == (1, 1)
    assert [answer.json() for answer in served] == [1, 1]


# Uploads that are too large


@pytest.mark.parametrize("announced", [True, False], ids=["announced", "found while reading"])
async def test_an_upload_over_the_limit_is_refused_and_nothing_stays(tmp_path: Path, announced: bool) -> None:
    read = 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal read
        for _ in range(1000):
            read += 1024
            yield bytes(1024)

    headers = {"Content-Length": str(1024 * 1000)} if announced else {}
    async with opened(tmp_path, max_upload_bytes=10_000) as (http, dataset_id):
        path = f"/api/v2/upload/datasets/{dataset_id}/edges/csv"
        answer = await http.post(path, content=body(), headers=headers)
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
async def test_a_retryable_refusal_says_when_to_try_again(
    tmp_path: Path, error: Exception, kind: str, retry_after: str
) -> None:
    async with opened(tmp_path, Runners(error)) as (http, dataset_id):
        answer = await run(http, dataset_id)
    assert (answer.status_code, answer.json()["type"]) == (503, kind)
    assert answer.headers["retry-after"] == retry_after


async def test_a_deletion_succeeds_although_the_store_does_not_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> int:
        raise StoreUnavailable("away", retry_after_s=5)

    monkeypatch.setattr("deployments.ingress.services.forget_unreferenced", away)
    async with opened(tmp_path) as (http, dataset_id):
        assert (await http.delete(f"/api/v2/datasets/{dataset_id}/")).status_code == 204
        assert (await http.get(f"/api/v2/datasets/{dataset_id}/")).status_code == 404


async def test_an_unexpected_error_shows_only_its_id(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        async with opened(tmp_path, Runners(ZeroDivisionError("secret detail"))) as (http, dataset_id):
            answer = await run(http, dataset_id)
    body = answer.json()
    assert (answer.status_code, body["type"]) == (500, "InternalError")
    assert "secret" not in answer.text
    assert "Traceback" not in answer.text
    assert body["request_id"] in caplog.text
    assert "secret detail" in caplog.text
