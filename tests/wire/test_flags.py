"""The switches over the Python endpoint: two flags and one setting."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

import pyarrow as pa
import pytest

from deployments.calls.runner_client import RunnerClient
from runtime.errors import RunInterrupted
from tests.conftest import Person
from tests.unit.http.site import PASSWORD, Site
from tests.wire.errors import assert_error

pytestmark = pytest.mark.e2e

DISABLED, ENABLED = "flag_python_endpoint_disabled", "flag_python_endpoint_enabled_users"


PLAIN = "def task(g): return 1"


@pytest.fixture(scope="module")
def carol(make_user: Callable[..., Person]) -> Iterator[tuple[Person, str]]:
    """A user without any flag, and a dataset of hers."""
    person = make_user(f"carol-{uuid4().hex[:8]}", python=False)
    yield person, person.upload(pa.table({"s": ["a"], "d": ["b"]}))
    person.http.close()


def set_flag(admin: Person, flag: str, value: bool | None, user: str | None) -> None:
    answer = admin.http.put(f"/api/v2/admin/flags/{flag}/", json={"user": user, "value": value})
    assert answer.status_code == 200, answer.text


@pytest.mark.protocol("4.8")
@pytest.mark.parametrize(("disabled", "enabled"), list(product([None, False, True], repeat=2)))
def test_both_flags_decide_who_may_run_python(
    admin: Person, carol: tuple[Person, str], disabled: bool | None, enabled: bool | None
) -> None:
    person, dataset_id = carol
    set_flag(admin, DISABLED, disabled, person.username)
    set_flag(admin, ENABLED, enabled, person.username)
    answer = person.run(dataset_id, PLAIN)
    if enabled and not disabled:
        assert answer.json() == 1
        return
    named = DISABLED if disabled else ENABLED
    assert named in assert_error(answer, 403, "EndpointDisabled")["error"]


@pytest.mark.protocol("4.8")
def test_a_flag_for_everyone_holds_where_the_user_has_none(admin: Person, carol: tuple[Person, str]) -> None:
    person, dataset_id = carol
    set_flag(admin, DISABLED, None, person.username)
    set_flag(admin, ENABLED, None, person.username)
    try:
        set_flag(admin, ENABLED, True, None)
        assert person.run(dataset_id, PLAIN).json() == 1
        set_flag(admin, DISABLED, False, None)
        assert person.run(dataset_id, PLAIN).json() == 1
        set_flag(admin, DISABLED, True, None)
        assert_error(person.run(dataset_id, PLAIN), 403, "EndpointDisabled")
        set_flag(admin, DISABLED, False, person.username)
        assert person.run(dataset_id, PLAIN).json() == 1
    finally:
        set_flag(admin, DISABLED, None, None)
        set_flag(admin, ENABLED, None, None)


@pytest.mark.protocol("4.8")
def test_the_switches_close_nothing_but_the_endpoint(carol: tuple[Person, str], admin: Person) -> None:
    person, dataset_id = carol
    set_flag(admin, ENABLED, None, person.username)
    assert_error(person.run(dataset_id, PLAIN), 403, "EndpointDisabled")
    assert person.http.get(f"/api/v2/datasets/{dataset_id}/").json()["edge_count"] == 1


@pytest.mark.protocol("4.8")
@pytest.mark.parametrize("switch", [True, False])
def test_the_environments_switch_is_over_both_flags(tmp_path: Path, switch: bool) -> None:
    """``ENABLE_PYTHON_ENDPOINT`` becomes this setting; the flags of the user stand the right way in both cases."""
    site = Site.open(tmp_path / "data", python_endpoint=switch)
    ann = site.user("ann")
    dataset = site.dataset(ann, "one")
    site.services.flags.set_for_user("flag_python_endpoint_enabled_users", "ann", True)
    runners = Runners()
    browser = Site(replace(site.services, runners=cast(RunnerClient, runners))).browser()
    token = browser.post("/api-token-auth/", json={"username": "ann", "password": PASSWORD}).json()["token"]
    path, headers = f"/api/v2/datasets/{dataset.id}/python", {"Authorization": f"Bearer {token}"}
    answer = browser.post(path, json={"execute": "def task(g): return 1"}, headers=headers)
    expected = (503, "RunInterrupted", 1) if switch else (403, "EndpointDisabled", 0)
    assert (answer.status_code, answer.json()["type"], runners.asked) == expected
    site.close()


class Runners:
    """Runners that are gone; it counts who wanted them."""

    def __init__(self) -> None:
        self.asked = 0

    def __getattr__(self, name: str) -> Any:
        self.asked += 1
        raise RunInterrupted("the runner is gone", retry_after_s=1)
