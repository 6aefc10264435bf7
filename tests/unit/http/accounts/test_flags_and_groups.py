"""Flags and groups over HTTP (protocol 4.8)."""

import pytest

from tests.unit.http.accounts.conftest import FLAG, audit, bearer
from tests.unit.http.site import Browser, Site


class TestFlagsAndGroups:
    SCOPES: tuple[tuple[dict[str, object], str], ...] = (
        ({"user": "ann"}, "user"),
        ({"group": "crew"}, "group"),
        ({"staff": True}, "staff"),
        ({"percent": 30}, "percent"),
        ({}, "everyone"),
    )

    @pytest.mark.parametrize(("whom", "scope"), SCOPES)
    def test_a_flag_is_set_for_every_scope_and_each_change_is_audited(
        self, client: Browser, site: Site, whom: dict[str, object], scope: str
    ) -> None:
        root = bearer(client, "root")
        assert client.post("/api/v2/admin/groups/", json={"name": "crew"}, headers=root).status_code == 201
        url = f"/api/v2/admin/flags/{FLAG}/"
        for value in (True, False):
            assert client.put(url, json={"value": value, **whom}, headers=root).status_code == 200
            (shown,) = client.get("/api/v2/admin/flags/", headers=root).json()["flags"]
            assert (shown["scope"], shown["value"]) == (scope, value)
        assert client.put(url, json={"value": None, **whom}, headers=root).status_code == 200
        assert client.get("/api/v2/admin/flags/", headers=root).json()["flags"] == []
        lines = audit(site.services, action="flag.set")
        assert [(line.actor, line.target, line.detail["value"]) for line in lines] == [
            ("root", f"flag:{FLAG}", value) for value in (None, False, True)
        ]
        assert all(whom.items() <= line.detail.items() for line in lines)

    @pytest.mark.parametrize(
        ("body", "status"),
        [
            ({"value": True, "user": "ann", "staff": True}, 400),
            ({"value": True, "percent": 101}, 400),
            ({"value": True, "group": "none"}, 404),
            ({"value": True, "user": "none"}, 404),
            ({"user": "ann"}, 400),
        ],
    )
    def test_an_invalid_change_is_refused(self, client: Browser, body: dict[str, object], status: int) -> None:
        answer = client.put(f"/api/v2/admin/flags/{FLAG}", json=body, headers=bearer(client, "root"))
        assert answer.status_code == status

    def test_groups_are_added_filled_and_removed(self, client: Browser) -> None:
        root = bearer(client, "root")
        groups = "/api/v2/admin/groups/"
        client.post(groups, json={"name": "crew"}, headers=root)
        assert client.post(groups, json={"name": "crew"}, headers=root).status_code == 409
        assert client.put(groups + "crew/members/ann/", headers=root).status_code == 200
        assert client.get(groups, headers=root).json()["groups"] == [{"name": "crew", "members": ["ann"]}]
        assert client.delete(groups + "crew/members/ann", headers=root).status_code == 204
        assert client.delete(groups + "crew/", headers=root).status_code == 204
        assert client.delete(groups + "crew/", headers=root).status_code == 404
