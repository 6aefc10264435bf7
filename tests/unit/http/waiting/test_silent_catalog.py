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


async def test_the_check_of_readiness_has_a_deadline(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = threading.Event()
    monkeypatch.setattr("deployments.ingress.routes.health.READY_WITHIN_S", 0.01)
    monkeypatch.setattr(site.services.catalog, "version", lambda: answers.wait(60))
    answer = await asyncio.to_thread(site.browser().get, "/readyz")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    answers.set()
