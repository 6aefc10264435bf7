"""A catalog from which nothing comes holds nobody up, and nothing that may have changed counts any more."""

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from deployments.ingress.snapshot import Snapshot
from tests.unit.http.site import Site
from tests.waiting import eventually_async

pytestmark = pytest.mark.anyio


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    opened = Site.open(tmp_path / "data")
    yield opened
    opened.close()


async def test_what_is_remembered_is_forgotten_if_the_catalog_does_not_say_that_it_is_still_true(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = threading.Event()
    monkeypatch.setattr("deployments.ingress.snapshot.ANSWER_S", 0.01)
    monkeypatch.setattr("deployments.ingress.snapshot.POLL_S", 0.01)
    monkeypatch.setattr(site.services.catalog, "version", lambda: answers.wait(60))
    snapshot = Snapshot(site.services.catalog, site.services.threads)
    forgotten: list[bool] = []
    snapshot.when_forgotten(lambda: forgotten.append(True))
    assert await snapshot.get("is_admin", lambda: True)
    snapshot.start()
    try:
        await eventually_async(lambda: len(forgotten) > 2)  # again and again
        assert not await snapshot.get("is_admin", lambda: False)
    finally:
        answers.set()
        snapshot.close()


async def test_one_users_long_answers_do_not_drive_out_what_others_need(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deployments.ingress.snapshot.MOST_BYTES", 100)
    snapshot = Snapshot(site.services.catalog, site.services.threads)
    asked: list[str] = []

    async def get(key: str) -> None:
        def answer() -> str:
            asked.append(key)
            return "x" * 40

        await snapshot.get(key, answer, None if key == "short" else len)

    for key in ("short", "a", "b", "c", "short", "b", "c", "a"):
        await get(key)
    assert asked == ["short", "a", "b", "c", "a"]


async def test_the_check_of_readiness_has_a_deadline(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = threading.Event()
    monkeypatch.setattr("deployments.ingress.routes.health.READY_WITHIN_S", 0.01)
    monkeypatch.setattr(site.services.catalog, "version", lambda: answers.wait(60))
    answer = await asyncio.to_thread(site.browser().get, "/readyz")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    answers.set()
