"""Share links, organizations and expiry of datasets over HTTP (protocol 3.1, 3.6), and what others may not learn."""

import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
from sqlalchemy import event

from deployments.calls.runner_client import RunnerClient
from deployments.settings import Settings
from runtime.datasets.records import DatasetRecord
from tests.unit.http.site import PAGE, Browser, Site

VIEWER = "/graph/graph.html"
LINK = "/api/v2/share/link/"
NOWHERE = "0" * 32


class Runners:
    """Stands for the way to the runners where only their caches are spoken of."""

    async def evict(self, dataset_id: str) -> None:
        pass


def opened(data_dir: Path, **settings: Any) -> Site:
    """ann and cem are in lab, dora is in shop, eve in none, root administers."""
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
    """(actor, action, outcome, detail) of the lines about a dataset, oldest first."""
    assert site.services.audit.flush()
    _, lines = site.services.audit.list(1000, 0)
    target = f"dataset:{dataset_id}"
    return [(line.actor, line.action, line.outcome, dict(line.detail)) for line in lines[::-1] if line.target == target]


# The share link

SHARED = [
    ({}, {"mode": "private", "mode_action": "10", "organization": None, "invited_users": []}),
    (
        {"obj_type": "dataset", "notify": False, "invited_users": [], "mode_action": "20", "message": ""},
        {"mode": "private", "mode_action": "20", "organization": None, "invited_users": []},
    ),
    (
        {"invited_users": [{"email": " EVE@x.Example ", "action": "20"}, {"email": "cem", "action": 30, "x": 1}]},
        {
            "mode": "private",
            "mode_action": "10",
            "organization": None,
            "invited_users": [{"email": "cem", "action": "30"}, {"email": "eve@x.example", "action": "20"}],
        },
    ),
    (
        {"invited_users": ["a@x.example", {"email": "b@x.example"}, "a@x.example"], "mode_action": "20"},
        {
            "mode": "private",
            "mode_action": "20",
            "organization": None,
            "invited_users": [{"email": "a@x.example", "action": "20"}, {"email": "b@x.example", "action": "20"}],
        },
    ),
    (
        {"mode": "organization", "mode_action": "20"},
        {"mode": "organization", "mode_action": "20", "organization": "lab", "invited_users": []},
    ),
    (
        {"mode": "public", "mode_action": "30", "invited_users": ["eve"]},
        {
            "mode": "public",
            "mode_action": "10",
            "organization": None,
            "invited_users": [{"email": "eve", "action": "10"}],
        },
    ),
    (
        {"mode": "public", "invited_users": None, "message": None, "mode_action": None, "notify": None},
        {"mode": "public", "mode_action": "10", "organization": None, "invited_users": []},
    ),
]  # fmt: skip


@pytest.mark.parametrize(("body", "held"), SHARED)
def test_a_share_is_answered_as_it_holds(site: Site, dataset: str, body: dict[str, Any], held: dict[str, Any]) -> None:
    answer = share(site, "ann", dataset, **body)
    assert answer.status_code == 200, answer.text
    assert answer.json() == {"status": "OK", "message": "", "data": {"obj_pk": dataset, **held}}
    assert caller(site, "ann").get(f"{LINK}{dataset}").json() == answer.json()
    assert audited(site, dataset)[-1] == ("ann", "dataset.share", "ok", held)


REFUSED: list[dict[str, Any]] = [
    {"mode": "everybody"},
    {"mode": None},
    {"obj_type": "file"},
    {"mode_action": "40"},
    {"mode_action": True},
    {"mode_action": 10.0},
    {"invited_users": "eve"},
    {"invited_users": [7]},
    {"invited_users": [""]},
    {"invited_users": ["@"]},
    {"invited_users": ["a@b@c"]},
    {"invited_users": ["a b@x.example"]},
    {"invited_users": ["a@x.example\0"]},
    {"invited_users": ["a" * 320 + "@x"]},
    {"invited_users": ["not a name"]},
    {"invited_users": [{"email": "eve", "action": "90"}]},
    {"invited_users": [{"action": "10"}]},
    {"invited_users": ["eve"] * 1001},
    {"message": "x" * 10_001},
]


@pytest.mark.parametrize("body", REFUSED, ids=[str(body)[:60] for body in REFUSED])
def test_a_share_that_means_nothing_is_refused_and_changes_nothing(
    site: Site, dataset: str, body: dict[str, Any]
) -> None:
    share(site, "ann", dataset, invited_users=["eve"])
    answer = share(site, "ann", dataset, **body)
    assert (answer.status_code, answer.json()["type"], answer.json()["status"]) == (400, "InvalidRequest", "Failed")
    assert read(site, "eve", dataset) == 200


def test_an_invitation_by_mail_or_name_opens_a_dataset_until_it_is_taken_back(site: Site, dataset: str) -> None:
    assert read(site, "eve", dataset) == 404
    for invited in ("eve", "Eve@X.Example"):
        share(site, "ann", dataset, invited_users=[invited])
        assert read(site, "eve", dataset) == 200
        assert [read(site, other, dataset) for other in ("cem", "dora", "root")] == [404, 404, 404]
        share(site, "ann", dataset)
        assert read(site, "eve", dataset) == 404


def test_a_name_with_an_at_sign_is_not_an_address(site: Site, dataset: str) -> None:
    site.services.users.add("eve@x.example", "correct horse battery")
    share(site, "ann", dataset, invited_users=["eve@x.example"])
    assert [read(site, name, dataset) for name in ("eve", "eve@x.example")] == [200, 404]


def test_an_invitation_waits_for_somebody_who_is_no_user_yet(site: Site, dataset: str) -> None:
    share(site, "ann", dataset, invited_users=["zoe", "yan@x.example"])
    site.services.users.add("zoe", "correct horse battery")
    site.services.users.add("yan", "correct horse battery", "Yan@x.example")
    assert [read(site, name, dataset) for name in ("zoe", "yan")] == [200, 200]


def test_an_organization_is_left_and_joined_at_once(site: Site, dataset: str) -> None:
    share(site, "ann", dataset, mode="organization")
    root = caller(site, "root")
    root.post("/api/v2/admin/users/", json={"username": "noor", "password": "correct horse battery"})
    assert read(site, "noor", dataset) == 404
    root.put("/api/v2/o/lab/members/noor/")
    assert read(site, "noor", dataset) == 200
    root.delete("/api/v2/o/lab/members/noor/")
    assert read(site, "noor", dataset) == 404


def test_who_may_share_shares_on_and_shuts_nobody_out_but_readers(site: Site, dataset: str) -> None:
    share(site, "ann", dataset, invited_users=[{"email": "cem", "action": "30"}])
    assert share(site, "cem", dataset, invited_users=[{"email": "dora", "action": "30"}]).status_code == 200
    assert [read(site, name, dataset) for name in ("ann", "cem", "dora")] == [200, 404, 200]
    # The organization that is meant is the owner's, whoever shares.
    assert share(site, "dora", dataset, mode="organization").json()["data"]["organization"] == "lab"


# Who may not


@pytest.mark.parametrize(
    ("action", "method", "path", "body", "needs"),
    [
        ("dataset.attach", "POST", "/api/v2/upload/datasets/{id}/edges/csv", b"s,d\na,b\n", "20"),
        ("dataset.share", "POST", LINK, b'{"obj_pk": "{id}"}', "30"),
        ("dataset.share", "GET", LINK + "{id}", None, "30"),
        ("dataset.delete", "DELETE", "/api/v2/datasets/{id}/", None, "40"),
    ],
)
def test_who_may_read_is_told_that_he_may_not_do_this_and_others_nothing(
    site: Site, dataset: str, action: str, method: str, path: str, body: bytes | None, needs: str
) -> None:
    def ask(username: str, dataset_id: str) -> httpx.Response:
        content = None if body is None else body.replace(b"{id}", dataset_id.encode())
        answer: httpx.Response = caller(site, username).request(method, path.format(id=dataset_id), content=content)
        return answer

    for granted in ("10", "20", "30"):
        if granted >= needs:
            break
        share(site, "ann", dataset, invited_users=[{"email": "eve", "action": granted}])
        answer = ask("eve", dataset)
        assert (answer.status_code, answer.json()["type"]) == (403, "Forbidden"), granted
        detail = {"access": {"10": "view", "20": "edit", "30": "share"}[granted]}
        assert audited(site, dataset)[-1] == ("eve", action, "refused", detail)
    before = audited(site, dataset)
    bodies = []
    for dataset_id in (dataset, NOWHERE):
        answer = ask("dora", dataset_id)
        assert answer.status_code == 404
        told = {key: str(value).replace(dataset_id, "ID") for key, value in answer.json().items()}
        bodies.append(told | {"request_id": ""})
    assert bodies[0] == bodies[1]
    assert audited(site, dataset) == before


def test_a_question_about_a_foreign_dataset_costs_what_one_about_none_does(site: Site, dataset: str) -> None:
    share(site, "ann", dataset, mode="organization", invited_users=["cem"])
    dora = caller(site, "dora")
    first = {}
    for dataset_id in (dataset, NOWHERE):
        site.services.snapshot.forget()
        first[dataset_id] = statements(site, dora, dataset_id)
        assert statements(site, dora, dataset_id) == []
    assert first[dataset] == first[NOWHERE] != []


def test_a_warm_call_asks_the_catalog_nothing(site: Site, dataset: str) -> None:
    share(site, "ann", dataset, mode="organization", invited_users=["eve"])
    for browser in (caller(site, "ann"), caller(site, "cem"), caller(site, "eve")):
        assert statements(site, browser, dataset) != []
        assert statements(site, browser, dataset) == []


def statements(site: Site, browser: Browser, dataset_id: str) -> list[str]:
    """The SQL that reading a dataset takes."""
    seen: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        seen.append(statement)

    assert site.services.audit.flush()  # it writes in a thread of its own
    engine = site.services.catalog._engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        browser.get(f"/api/v2/datasets/{dataset_id}/")
    finally:
        event.remove(engine, "before_cursor_execute", note)
    return seen


# Pages and lists


def test_a_public_dataset_is_shown_to_anybody_and_listed_to_nobody(site: Site, dataset: str) -> None:
    assert not views(site, None, dataset)
    share(site, "ann", dataset, mode="public")
    assert all(views(site, name, dataset) for name in (None, "eve", "ann"))
    assert [read(site, name, dataset) for name in (None, "eve")] == [401, 200]
    assert dataset not in listed(site, "eve")
    share(site, "ann", dataset, mode="private")
    assert [views(site, name, dataset) for name in (None, "eve", "ann")] == [False, False, True]


def test_a_list_says_what_one_may_do(site: Site, dataset: str) -> None:
    invited = [{"email": "cem", "action": "20"}, {"email": "eve", "action": "30"}]
    share(site, "ann", dataset, mode="organization", invited_users=invited)
    seen = {name: listed(site, name).get(dataset) for name in ("ann", "cem", "eve", "dora", "root")}
    assert seen == {"ann": "owner", "cem": "edit", "eve": "share", "dora": None, "root": None}
    assert caller(site, "cem").get(f"/api/v2/datasets/{dataset}/").json()["access"] == "edit"


def listed(site: Site, username: str) -> dict[str, str]:
    page = caller(site, username).get("/api/v2/datasets/?limit=1000").json()
    return {item["dataset_id"]: item["access"] for item in page["results"]}


# Organisations of datasets


def test_a_dataset_belongs_to_the_organization_that_it_was_created_in(site: Site) -> None:
    site.services.organizations.set_member("shop", "ann", "member")
    try:
        dataset_id = created(site, "ann", org_name="shop")
        assert share(site, "ann", dataset_id, mode="organization").json()["data"]["organization"] == "shop"
        assert [read(site, name, dataset_id) for name in ("cem", "dora")] == [404, 200]
        for none in ({}, {"org_name": "ann"}, {"org_name": ""}, {"org_name": None}):
            refused = share(site, "ann", created(site, "ann", **none), mode="organization")
            assert (refused.status_code, refused.json()["type"]) == (400, "InvalidRequest")
            assert "org_name" in refused.json()["error"]
    finally:
        site.services.organizations.remove_member("shop", "ann")


@pytest.mark.parametrize(
    ("org_name", "status", "kind", "said"),
    [
        ("shop", 403, "Forbidden", "Not authorized to organization 'shop'"),
        ("nowhere", 404, "NotFound", "No such organization id 'nowhere'"),
        ("cem", 404, "NotFound", "No such organization id 'cem'"),
        (7, 400, "InvalidRequest", "org_name"),
    ],
)
def test_a_dataset_is_not_created_in_an_organization_that_one_is_not_in(
    site: Site, org_name: object, status: int, kind: str, said: str
) -> None:
    before = listed(site, "ann")
    answer = caller(site, "ann").post("/api/v2/upload/datasets/", json={"name": "g", "org_name": org_name})
    assert (answer.status_code, answer.json()["type"], answer.json()["success"]) == (status, kind, False)
    assert said in answer.json()["message"]
    assert listed(site, "ann") == before


# Settings

DEFAULTS = [
    # default_access, who reads a dataset of ann's that nobody has shared
    ("private", {"ann": 200, "cem": 404, "dora": 404, "root": 404}, False),
    ("organization", {"ann": 200, "cem": 200, "dora": 404, "root": 404}, False),
    ("public", {"ann": 200, "cem": 200, "dora": 200, "root": 200}, True),
]


@pytest.mark.parametrize(("default", "readers", "shown"), DEFAULTS)
def test_a_dataset_that_nobody_shared_is_as_default_access_says(
    tmp_path: Path, default: str, readers: dict[str, int], shown: bool
) -> None:
    site = opened(tmp_path, default_access=default)
    dataset_id = created(site, "ann")
    assert {name: read(site, name, dataset_id) for name in readers} == readers
    assert views(site, None, dataset_id) == shown
    assert caller(site, "ann").get(f"{LINK}{dataset_id}").json()["data"]["mode"] == default
    assert (dataset_id in listed(site, "cem")) == (default == "organization")
    assert share(site, "ann", dataset_id).json()["data"]["mode"] == "private"
    assert [read(site, name, dataset_id) for name in ("cem", "dora")] == [404, 404]
    site.close()


def test_with_organizations_by_default_ones_own_name_keeps_a_dataset_to_oneself(tmp_path: Path) -> None:
    site = opened(tmp_path, default_access="organization")
    assert read(site, "cem", created(site, "ann", org_name="ann")) == 404
    assert read(site, "cem", created(site, "ann", org_name="lab")) == 200
    site.services.organizations.set_member("shop", "ann", "member")
    assert read(site, "cem", created(site, "ann")) == 404
    site.close()


@pytest.mark.parametrize(("body", "expires"), [({}, True), ({"edge_files": []}, False), ({"node_files": None}, False)])
def test_what_plot_creates_expires_where_the_operator_says_so(
    tmp_path: Path, body: dict[str, Any], expires: bool
) -> None:
    site = opened(tmp_path, plot_expiry_s=3600)
    before = datetime.now(UTC)
    shown = caller(site, "ann").get(f"/api/v2/datasets/{created(site, 'ann', **body)}/").json()
    if expires:
        left = datetime.fromisoformat(shown["expires_at"]) - before
        assert timedelta(seconds=3600) <= left < timedelta(seconds=3660)
    else:
        assert shown["expires_at"] is None
    site.close()


def test_nothing_expires_unless_the_operator_says_so(site: Site, dataset: str) -> None:
    assert Settings().plot_expiry_s is None
    assert caller(site, "ann").get(f"/api/v2/datasets/{dataset}/").json()["expires_at"] is None


def test_an_expired_dataset_is_gone_for_those_who_have_just_read_it(site: Site) -> None:
    ends = datetime.now(UTC) + timedelta(seconds=4)
    owner = site.services.users.get("ann")
    record: DatasetRecord = site.services.datasets.create(owner.user_id, "brief", "", {}, {}, expires_at=ends)
    share(site, "ann", record.id, mode="public")
    assert [read(site, name, record.id) for name in ("ann", "eve")] == [200, 200]
    deadline = time.monotonic() + 10
    while read(site, "ann", record.id) == 200 and time.monotonic() < deadline:
        pass
    assert datetime.now(UTC) >= ends
    assert [read(site, name, record.id) for name in ("ann", "eve")] == [404, 404]
    assert not views(site, None, record.id)
    assert record.id not in listed(site, "ann")
    assert caller(site, "ann").delete(f"/api/v2/datasets/{record.id}/").status_code == 404
    assert share(site, "ann", record.id).status_code == 404


# The audit


def test_what_is_done_with_a_dataset_is_audited(site: Site) -> None:
    dataset_id = created(site, "ann")
    assert caller(site, "ann").delete(f"/api/v2/datasets/{dataset_id}/").status_code == 204
    assert audited(site, dataset_id) == [("ann", "dataset.create", "ok", {}), ("ann", "dataset.delete", "ok", {})]
