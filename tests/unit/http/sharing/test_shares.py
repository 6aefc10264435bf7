"""Share links: what they grant, and to whom (protocol 3.6)."""

from typing import Any

import pytest

from tests.unit.http.sharing.conftest import LINK, audited, caller, listed, read, share, views
from tests.unit.http.site import Site

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
def test_the_answer_to_a_share_is_the_share_as_stored(
    site: Site, dataset: str, body: dict[str, Any], held: dict[str, Any]
) -> None:
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
def test_an_invalid_share_is_refused_and_changes_nothing(site: Site, dataset: str, body: dict[str, Any]) -> None:
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


def test_an_invitation_holds_for_a_user_who_is_added_later(site: Site, dataset: str) -> None:
    share(site, "ann", dataset, invited_users=["zoe", "yan@x.example"])
    site.services.users.add("zoe", "correct horse battery")
    site.services.users.add("yan", "correct horse battery", "Yan@x.example")
    assert [read(site, name, dataset) for name in ("zoe", "yan")] == [200, 200]


def test_joining_and_leaving_an_organization_takes_effect_at_once(site: Site, dataset: str) -> None:
    share(site, "ann", dataset, mode="organization")
    root = caller(site, "root")
    root.post("/api/v2/admin/users/", json={"username": "noor", "password": "correct horse battery"})
    assert read(site, "noor", dataset) == 404
    root.put("/api/v2/o/lab/members/noor/")
    assert read(site, "noor", dataset) == 200
    root.delete("/api/v2/o/lab/members/noor/")
    assert read(site, "noor", dataset) == 404


def test_a_user_with_share_access_can_share_on_but_not_remove_others_who_can_share(site: Site, dataset: str) -> None:
    share(site, "ann", dataset, invited_users=[{"email": "cem", "action": "30"}])
    assert share(site, "cem", dataset, invited_users=[{"email": "dora", "action": "30"}]).status_code == 200
    assert [read(site, name, dataset) for name in ("ann", "cem", "dora")] == [200, 404, 200]
    # The dataset goes to the organization of its owner, also when another user shares it.
    assert share(site, "dora", dataset, mode="organization").json()["data"]["organization"] == "lab"


def test_a_public_dataset_is_shown_to_everybody_but_listed_only_for_its_owner(site: Site, dataset: str) -> None:
    assert not views(site, None, dataset)
    share(site, "ann", dataset, mode="public")
    assert all(views(site, name, dataset) for name in (None, "eve", "ann"))
    assert [read(site, name, dataset) for name in (None, "eve")] == [401, 200]
    assert dataset not in listed(site, "eve")
    share(site, "ann", dataset, mode="private")
    assert [views(site, name, dataset) for name in (None, "eve", "ann")] == [False, False, True]


def test_a_list_names_the_callers_access_to_each_dataset(site: Site, dataset: str) -> None:
    invited = [{"email": "cem", "action": "20"}, {"email": "eve", "action": "30"}]
    share(site, "ann", dataset, mode="organization", invited_users=invited)
    seen = {name: listed(site, name).get(dataset) for name in ("ann", "cem", "eve", "dora", "root")}
    assert seen == {"ann": "owner", "cem": "edit", "eve": "share", "dora": None, "root": None}
    assert caller(site, "cem").get(f"/api/v2/datasets/{dataset}/").json()["access"] == "edit"
