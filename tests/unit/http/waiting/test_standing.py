"""A run ends with the log-in of its caller, and a result is not delivered to somebody who may not have it any more."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import httpx
import pytest

from auth.errors import Unauthenticated
from deployments.calls.messages import RunCall, RunReply
from deployments.ingress import standing
from deployments.ingress.credentials import AnyClaims, Credentials
from deployments.ingress.errors import TooManyRequests
from deployments.ingress.sender import current_sender, sent_from
from deployments.ingress.services import Services
from tests.unit.http import app
from tests.waiting import eventually_async

pytestmark = pytest.mark.anyio


class Runners(app.Runners):
    """Notes which runs are killed."""

    def __init__(self) -> None:
        super().__init__()
        self.free.clear()
        self.killed = 0

    async def run(self, call: RunCall) -> RunReply:
        try:
            return await super().run(call)
        except asyncio.CancelledError:
            self.killed += 1
            raise


def services_of(http: httpx.AsyncClient) -> Services:
    return cast(Services, cast(Any, http)._transport.app.state.services)


def log_out(services: Services, token: str) -> None:
    claims = services.tokens.verify(token)
    services.credentials.revocations.end(claims.session, services.tokens.last_of_session(claims))


ENDINGS: dict[str, Callable[[Services, str], object]] = {
    "disabled": lambda services, _: services.users.disable("ann"),
    "a new password": lambda services, _: services.users.set_password("ann", "another horse"),
    "logged out": log_out,
}


@pytest.mark.parametrize("end", ENDINGS.values(), ids=ENDINGS.keys())
async def test_a_run_ends_with_the_log_in_of_its_caller(tmp_path: Path, end: Callable[[Services, str], object]) -> None:
    runners = Runners()
    async with app.opened(tmp_path / "data", runners) as (http, dataset_id):
        services = services_of(http)
        running = asyncio.create_task(app.run(http, dataset_id))
        await eventually_async(lambda: runners.asked)
        await asyncio.to_thread(end, services, http.headers["Authorization"].removeprefix("Bearer "))
        services.snapshot.forget()  # as the poll does within a second
        answer = await running
        assert (answer.status_code, answer.json()["type"]) == (422, "TaskCancelled"), answer.text
        assert runners.killed == 1
        receipt = services.receipts.get(runners.asked[0]["run_id"], 1)
        assert receipt is not None
        assert receipt.cause == "TaskCancelled"


async def test_a_run_of_somebody_else_goes_on_and_so_does_one_whose_token_expires(tmp_path: Path) -> None:
    runners = Runners()
    async with app.opened(tmp_path / "data", runners) as (http, dataset_id):
        services = services_of(http)
        services.users.add("ben", "correct horse battery")
        running = asyncio.create_task(app.run(http, dataset_id))
        await eventually_async(lambda: runners.asked)
        services.users.disable("ben")
        services.tokens._clock = lambda: 1e10
        services.snapshot.forget()
        await eventually_async(lambda: services.standing._looking is None)
        assert not running.done()
        runners.free.set()
        assert (await running).status_code == 200


async def test_a_run_counts_against_its_users_quota_until_its_answer_was_read(tmp_path: Path) -> None:
    runners = Runners()
    async with app.opened(tmp_path / "data", runners, user_runs=1) as (http, dataset_id):
        running = asyncio.create_task(app.run(http, dataset_id))
        await eventually_async(lambda: runners.asked)
        refused = await app.run(http, dataset_id)
        assert (refused.status_code, refused.json()["limit_name"]) == (429, "user_runs")
        runners.free.set()
        assert (await running).status_code == 200
        assert (await app.run(http, dataset_id)).status_code == 200


async def test_a_look_that_fails_is_made_again_and_waits_in_nobodys_queue(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(standing, "LOOK_AGAIN_S", 0.01)
    runners, senders = Runners(), list[str]()
    failures = [TooManyRequests("your queue is full"), RuntimeError("the catalog is gone"), Unauthenticated()]
    async with app.opened(tmp_path / "data", runners) as (http, dataset_id):
        services = services_of(http)
        running = asyncio.create_task(app.run(http, dataset_id))
        await eventually_async(lambda: runners.asked)

        async def look(_: Credentials, claims: AnyClaims) -> Any:
            senders.append(current_sender())
            raise failures.pop(0)

        monkeypatch.setattr(Credentials, "principal_for", look)
        with sent_from("198.51.100.1"):
            services.snapshot.forget()  # as somebody does who changes something
        assert (await running).json()["type"] == "TaskCancelled"
        assert senders == ["server"] * 3
