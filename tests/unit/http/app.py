"""The HTTP app by itself, with settings of a test's choice, over a runner that is not there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import httpx

from auth.flags import ENABLED_USERS
from deployments.calls.messages import RunCall, RunReply
from deployments.ingress.app import build_asgi_app
from deployments.ingress.services import Services
from deployments.settings import Settings
from tests.catalogs import new_catalog
from tests.tasks import run_reply


class Runners:
    """Stands for the way to the runners: notes what it is asked, answers 1 (with ``changed`` keys) or raises."""

    def __init__(self, error: Exception | None = None, **changed: Any) -> None:
        self.error = error
        self.changed = changed
        self.asked: list[RunCall] = []
        self.free = asyncio.Event()
        self.free.set()

    async def run(self, call: RunCall) -> RunReply:
        self.asked.append(call)
        await self.free.wait()
        if self.error is not None:
            raise self.error
        return run_reply(**self.changed)

    async def evict(self, dataset_id: str) -> None:
        return None


@asynccontextmanager
async def opened(data: Path, runners: Any = None, **settings: Any) -> AsyncIterator[tuple[httpx.AsyncClient, str]]:
    """A client of an app with these settings, signed in as a user who may run Python, and the id of their dataset."""
    configured = Settings(data_dir=data, **settings)
    new_catalog(configured.catalog_url)
    services = Services.open(configured, runners or cast(Any, Runners()))
    services.store.prepare()
    ann = services.users.add("ann", "correct horse battery")
    services.flags.set_for_user(ENABLED_USERS, "ann", True)
    transport = httpx.ASGITransport(build_asgi_app(services))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
        http.headers["Authorization"] = f"Bearer {services.tokens.issue(ann)}"
        created = await http.post("/api/v2/upload/datasets/", json={})
        yield http, created.json()["data"]["dataset_id"]
    services.close()


async def run(http: httpx.AsyncClient, dataset_id: str, **fields: Any) -> httpx.Response:
    return await http.post(f"/api/v2/datasets/{dataset_id}/python", json={"execute": "def task(g): return 1", **fields})
