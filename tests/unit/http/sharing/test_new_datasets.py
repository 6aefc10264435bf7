"""A new dataset: its organization, its access by default, its expiry and its audit lines (protocol 3.1)."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from deployments.settings import Settings
from runtime.datasets.records import DatasetRecord
from tests.unit.http.sharing.conftest import LINK, audited, caller, created, listed, opened, read, share, views
from tests.unit.http.site import Site
from tests.waiting import eventually


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
def test_a_dataset_cannot_be_created_in_an_organization_of_others(
    site: Site, org_name: object, status: int, kind: str, said: str
) -> None:
    before = listed(site, "ann")
    answer = caller(site, "ann").post("/api/v2/upload/datasets/", json={"name": "g", "org_name": org_name})
    assert (answer.status_code, answer.json()["type"], answer.json()["success"]) == (status, kind, False)
    assert said in answer.json()["message"]
    assert listed(site, "ann") == before


DEFAULTS = [
    # default_access, status of reading a dataset of ann that nobody has shared, is its viewer page public
    ("private", {"ann": 200, "cem": 404, "dora": 404, "root": 404}, False),
    ("organization", {"ann": 200, "cem": 200, "dora": 404, "root": 404}, False),
    ("public", {"ann": 200, "cem": 200, "dora": 200, "root": 200}, True),
]


@pytest.mark.parametrize(("default", "readers", "shown"), DEFAULTS)
def test_a_dataset_that_nobody_shared_has_the_default_access(
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


def test_with_default_access_organization_the_callers_own_name_keeps_a_dataset_private(tmp_path: Path) -> None:
    site = opened(tmp_path, default_access="organization")
    assert read(site, "cem", created(site, "ann", org_name="ann")) == 404
    assert read(site, "cem", created(site, "ann", org_name="lab")) == 200
    site.services.organizations.set_member("shop", "ann", "member")
    assert read(site, "cem", created(site, "ann")) == 404
    site.close()


@pytest.mark.parametrize(("body", "expires"), [({}, True), ({"edge_files": []}, False), ({"node_files": None}, False)])
def test_datasets_of_plot_expire_if_the_operator_sets_plot_expiry_s(
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


def test_without_the_setting_no_dataset_expires(site: Site, dataset: str) -> None:
    assert Settings().plot_expiry_s is None
    assert caller(site, "ann").get(f"/api/v2/datasets/{dataset}/").json()["expires_at"] is None


def test_an_expired_dataset_is_gone_also_for_callers_who_have_just_read_it(site: Site) -> None:
    ends = datetime.now(UTC) + timedelta(seconds=4)
    owner = site.services.users.get("ann")
    record: DatasetRecord = site.services.datasets.create(owner.user_id, "brief", "", {}, {}, expires_at=ends)
    share(site, "ann", record.id, mode="public")
    assert [read(site, name, record.id) for name in ("ann", "eve")] == [200, 200]
    eventually(lambda: read(site, "ann", record.id) != 200)
    assert datetime.now(UTC) >= ends
    assert [read(site, name, record.id) for name in ("ann", "eve")] == [404, 404]
    assert not views(site, None, record.id)
    assert record.id not in listed(site, "ann")
    assert caller(site, "ann").delete(f"/api/v2/datasets/{record.id}/").status_code == 404
    assert share(site, "ann", record.id).status_code == 404


def test_creating_and_deleting_a_dataset_is_audited(site: Site) -> None:
    dataset_id = created(site, "ann")
    assert caller(site, "ann").delete(f"/api/v2/datasets/{dataset_id}/").status_code == 204
    assert audited(site, dataset_id) == [("ann", "dataset.create", "ok", {}), ("ann", "dataset.delete", "ok", {})]
