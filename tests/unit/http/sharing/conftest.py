"""A site with two organizations, and what its users see of a dataset of ann."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import httpx
import pytest

from deployments.calls.runner_client import RunnerClient
from tests.unit.http.site import PAGE, Browser, Site

VIEWER = "/graph/graph.html"
LINK = "/api/v2/share/link/"
NOWHERE = "0" * 32


class Runners:
    """Takes the place of the runners, which are only asked to evict a dataset from their caches."""

    async def evict(self, dataset_id: str) -> None:
        pass


def opened(data_dir: Path, **settings: Any) -> Site:
    """Return a site: ann and cem are in lab, dora is in shop, eve is in no organization, root is an administrator."""
    site = Site.open(data_dir, **settings)
    site = Site(replace(site.services, runners=cast(RunnerClient, Runners())))
    services = site.services
    services.store.prepare()
    for username in ("ann", "cem", "dora", "eve", "root"):
        services.users.add(username, "correct horse battery", f"{username}@X.example", is_admin=username == "root")
    for slug, members in (("lab", ("ann", "cem")), ("shop", ("dora",))):
        services.organizations.add(slug)
        for username in members:
            services.organizations.set_member(slug, username, "member")
    return site


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    made = opened(tmp_path_factory.mktemp("site") / "data")
    yield made
    made.close()


@pytest.fixture
def dataset(site: Site) -> str:
    """Return the id of a dataset of ann's that belongs to no organization."""
    return created(site, "ann")


def caller(site: Site, username: str | None) -> Browser:
    browser = site.browser()
    if username is not None:
        token = site.services.tokens.issue(site.services.users.get(username))
        browser.headers["Authorization"] = f"Bearer {token}"
    return browser


def created(site: Site, username: str, **body: Any) -> str:
    answer = caller(site, username).post("/api/v2/upload/datasets/", json={"name": "g", **body})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["data"]["dataset_id"])


def share(site: Site, username: str, dataset_id: str, **body: Any) -> httpx.Response:
    answer: httpx.Response = caller(site, username).post(LINK, json={"obj_pk": dataset_id, **body})
    return answer


def read(site: Site, username: str | None, dataset_id: str) -> int:
    status: int = caller(site, username).get(f"/api/v2/datasets/{dataset_id}/").status_code
    return status


def views(site: Site, username: str | None, dataset_id: str) -> bool:
    """Return True if the viewer page names the dataset."""
    page = caller(site, username).get(VIEWER, params={"dataset": dataset_id}, headers=PAGE).text
    return f'<code class="pick">{dataset_id}</code>' in page


def audited(site: Site, dataset_id: str) -> list[tuple[str, str, str, dict[str, Any]]]:
    """Return (actor, action, outcome, detail) of the audit lines about a dataset, oldest first."""
    assert site.services.audit.flush()
    _, lines = site.services.audit.list(1000, 0)
    target = f"dataset:{dataset_id}"
    return [(line.actor, line.action, line.outcome, dict(line.detail)) for line in lines[::-1] if line.target == target]


def listed(site: Site, username: str) -> dict[str, str]:
    page = caller(site, username).get("/api/v2/datasets/?limit=1000").json()
    return {item["dataset_id"]: item["access"] for item in page["results"]}
