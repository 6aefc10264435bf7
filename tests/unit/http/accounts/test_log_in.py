"""Log-ins over HTTP: the active organization, the throttle, and their audit lines (protocol 1)."""

import pytest

from tests.unit.http.accounts.conftest import audit, log_in
from tests.unit.http.site import PASSWORD, Browser, Site


class TestLogIn:
    def test_a_server_with_one_organization_names_no_active_organization(self, client: Browser, site: Site) -> None:
        assert "active_organization" not in log_in(client).json()
        site.services.organizations.add("acme")
        site.services.snapshot.forget()
        assert "active_organization" not in log_in(client).json()

    def test_a_server_with_several_organizations_names_the_callers_own(self, client: Browser, site: Site) -> None:
        site.services.organizations.add("acme")
        site.services.organizations.add("other")
        expected = {"slug": "ann", "is_found": True, "is_member": True}
        assert log_in(client).json()["active_organization"] == expected

    @pytest.mark.parametrize(
        ("asked", "found", "member"),
        [
            ("ann", True, True),
            ("acme", True, True),
            ("other", True, False),
            ("bob", False, False),
            ("none", False, False),
            ("a b\n", False, False),
        ],
    )
    def test_the_answer_says_whether_the_requested_organization_is_found_and_the_caller_a_member(
        self, client: Browser, site: Site, asked: str, found: bool, member: bool
    ) -> None:
        for slug in ("acme", "other"):
            site.services.organizations.add(slug)
        site.services.organizations.set_member("acme", "ann", "member")
        answer = log_in(client, org_name=asked).json()
        assert answer["active_organization"] == {"slug": asked, "is_found": found, "is_member": member}

    def test_an_eleventh_failure_in_a_minute_is_429_for_known_and_unknown_users(
        self, client: Browser, site: Site
    ) -> None:
        for username in ("ann", "nobody"):
            answers = [log_in(client, username, "wrong") for _ in range(12)]
            assert [answer.status_code for answer in answers] == [400] * 10 + [429] * 2
            assert 0 < int(answers[-1].headers["retry-after"]) <= 60
            assert answers[-1].json()["type"] == "TooManyRequests"
            assert log_in(client, username).status_code == 429
        assert log_in(client, "bob").status_code == 200
        lines = audit(site.services, action="log_in")
        assert [line.outcome for line in lines].count("throttled") == 2
        assert {line.actor for line in lines if line.outcome == "refused"} == {
            "ann",
            "",
        }  # never the text that was typed

    def test_the_audit_tells_log_ins_and_refusals(self, client: Browser, site: Site) -> None:
        log_in(client, "ann", "wrong")
        log_in(client, "hunter2-typed-here", "wrong")
        log_in(client, "ann")
        lines = audit(site.services)
        assert [(line.action, line.actor, line.outcome) for line in lines] == [
            ("log_in", "ann", "ok"),
            ("log_in", "", "refused"),
            ("log_in", "ann", "refused"),
        ]
        assert all(line.address == "testclient" for line in lines)
        assert "hunter2" not in repr(lines)
        assert PASSWORD not in repr(lines)
