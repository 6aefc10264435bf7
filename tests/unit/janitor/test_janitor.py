"""Chores are done in time, by as many janitors as there are, whatever goes wrong in one of them."""

import asyncio
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast
from uuid import uuid4

import pytest
import sqlalchemy as sa

from auth.revocations import Revocations
from catalog.engine import Catalog
from catalog.tables import revoked_tokens
from deployments.calls.runner_client import RunnerClient
from deployments.ingress.janitor import INCOMING_KEPT_S, Chore, Janitor, chores, done
from runtime.datasets.store.sweep import claim
from runtime.receipts import NewRun, RunEnd
from tests.unit.http.site import Site
from tests.waiting import WITHIN_S, eventually_async

pytestmark = pytest.mark.anyio


class Counting:
    """A chore that counts how often it was done."""

    def __init__(self, period_s: float) -> None:
        self.count = 0
        self.chore = Chore("counting", period_s, self._do)

    def _do(self) -> int:
        self.count += 1
        return 0


async def rounds(*chosen: Chore, until: Callable[[], bool]) -> None:
    """A janitor does these until something has happened."""
    janitor = Janitor(chosen)
    janitor.start()
    try:
        await eventually_async(until)
    finally:
        await janitor.stop()


async def test_chores_are_repeated_each_in_its_own_time() -> None:
    often, seldom = Counting(0.02), Counting(3600)
    await rounds(often.chore, seldom.chore, until=lambda: often.count >= 5)
    assert seldom.count <= 1


async def test_a_chore_that_fails_is_logged_and_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    tries: list[int] = []

    def fail() -> int:
        tries.append(1)
        raise LookupError("no catalog")

    with caplog.at_level(logging.INFO, "graphside.janitor"):
        await rounds(Chore("broken", 0.01, fail), until=lambda: len(tries) >= 3)
    assert "chore.failed chore=broken" in caplog.text


async def test_a_slow_chore_holds_up_neither_the_loop_nor_the_others() -> None:
    may_end, quick = threading.Event(), Counting(0.01)

    def quick_was_done() -> bool:
        if quick.count >= 3:
            may_end.set()
        return may_end.is_set()

    await rounds(Chore("slow", 0.001, lambda: int(may_end.wait(WITHIN_S))), quick.chore, until=quick_was_done)


async def test_a_janitor_that_has_stopped_does_nothing_more() -> None:
    often = Counting(0.01)
    before = asyncio.all_tasks()
    await rounds(often.chore, until=lambda: often.count > 0)
    assert asyncio.all_tasks() == before


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    opened = Site.open(tmp_path / "data")
    opened.services.store.prepare()
    claim(opened.services.store, opened.services.datasets, opened.services.catalog.identity())
    yield opened
    opened.close()


async def do_all(site: Site) -> dict[str, int]:
    return {chore.name: await done(chore.do) for chore in chores(site.services)}


async def test_a_tidy_server_has_nothing_to_do(site: Site) -> None:
    assert set((await do_all(site)).values()) == {0}


async def test_what_a_deleted_dataset_left_goes_and_what_is_just_being_uploaded_stays(site: Site) -> None:
    services = site.services
    dataset = site.dataset(site.user("ann"), "d")
    services.datasets.delete(dataset.id)
    path = services.store.incoming()
    path.write_bytes(b"table")
    services.store.commit(path, uuid4().hex)  # its row is still to come
    found = await do_all(site)
    assert (found["unreferenced tables"], found["orphan bytes"]) == (1, 0)
    assert len(list(services.store.stored())) == 1


async def test_a_dead_upload_goes_after_a_day(site: Site) -> None:
    dead, living = site.services.store.incoming(), site.services.store.incoming()
    for path in (dead, living):
        path.write_bytes(b"half")
    then = time.time() - INCOMING_KEPT_S - 1
    os.utime(dead, (then, then))
    assert (await do_all(site))["dead uploads"] == 1
    assert living.exists()


async def test_log_ins_are_forgotten_when_no_token_of_theirs_can_count_any_more(catalog: Catalog) -> None:
    revocations = Revocations(catalog)
    now = datetime.now(UTC)
    for name, until in (("long ago", now - timedelta(hours=2)), ("just now", now), ("to come", now + timedelta(1))):
        revocations.end(name, until.timestamp())
    before = catalog.version()
    assert revocations.forget_expired() == 1
    assert catalog.version() == before
    with catalog.read() as connection:
        assert set(connection.execute(sa.select(revoked_tokens.c.jti)).scalars()) == {"just now", "to come"}


async def test_expired_datasets_old_receipts_and_lost_runs_are_chores(tmp_path: Path) -> None:
    evicted: list[str] = []

    class Runners:
        async def evict(self, dataset_id: str) -> None:
            evicted.append(dataset_id)

    site = Site.open(tmp_path / "data", run_retention_s=0.001)
    services = replace(site.services, runners=cast(RunnerClient, Runners()))
    ann = site.user("ann")
    plotted = services.datasets.create(
        ann.user_id, "plotted", "", {}, {}, expires_at=datetime.now(UTC) - timedelta(seconds=1)
    )
    old, lost = (
        NewRun(uuid4().hex, ann.user_id, plotted.id, "pandas", "json", "json", created_at=at)
        for at in (datetime.now(UTC) - timedelta(minutes=1), datetime.now(UTC) - timedelta(days=1))
    )
    services.receipts.begin(old)
    services.receipts.end(old, RunEnd("ok", ended_at=datetime.now(UTC) - timedelta(seconds=1)))
    services.receipts.begin(lost)
    services.receipts.get(lost.id, ann.user_id)
    by_name = {chore.name: replace(chore, period_s=0.01) for chore in chores(services)}

    def receipt(run: NewRun) -> str | None:
        found = services.receipts.get(run.id, ann.user_id)
        return None if found is None else found.cause

    await rounds(by_name["expired datasets"], until=lambda: evicted == [plotted.id])
    assert services.audit.flush()
    (line,) = services.audit.list(10, 0, action="dataset.expire")[1]
    assert (line.actor, line.target) == ("", f"dataset:{plotted.id}")
    await rounds(by_name["lost runs"], until=lambda: receipt(lost) == "RunInterrupted")
    await rounds(by_name["old receipts"], until=lambda: receipt(old) is None)
    site.close()
