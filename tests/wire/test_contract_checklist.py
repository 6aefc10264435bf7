"""The checklist of protocol 11, one test an item, less GFQL and named functions (7, and parts of 1 and 10).

What other tests prove stands in ``PROVED_ELSEWHERE``, by name; the first test here looks whether they are there.
"""

from __future__ import annotations

import ast
import base64
import json
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import httpx
import pytest

from deployments.calls.runner_client import RunnerClient
from runtime.errors import RunInterrupted
from tests.unit.http.site import PASSWORD, Site
from tests.wire import test_contract_traps as traps

if TYPE_CHECKING:
    from tests.conftest import LiveServer, Person

pytestmark = pytest.mark.e2e

TESTS = Path(__file__).parents[1]

PROVED_ELSEWHERE = {
    "1 routes, both slash forms": [
        "wire/test_uploads.py::test_every_route_takes_both_slash_forms_without_a_redirect",
        "wire/test_health.py::test_a_probe_is_answered_in_both_slash_forms",
    ],
    "3 files are parsed at upload": [
        "wire/test_uploads.py::test_a_file_of_every_kind_becomes_a_dataset",
        "wire/test_uploads.py::test_bytes_of_another_kind_than_declared_are_refused",
    ],
    "4 datasets keep their payload": ["wire/test_uploads.py::test_what_a_dataset_was_created_with_is_given_back"],
    "5 the graph that a task gets": [
        "wire/test_client.py::test_the_task_sees_bindings_encodings_and_name",
        "wire/test_client.py::test_from_dataset_id_gives_back_bindings_and_encodings",
    ],
    "6 how a task runs": [
        "wire/test_client.py::test_source_text_of_every_kind_runs",
        "wire/test_client.py::test_source_text_may_be_indented_as_a_whole",
        "wire/test_matrix.py::test_every_kind_of_return_has_its_json",
        "wire/test_matrix.py::test_all_is_both_tables",
        "wire/test_errors.py::test_whatever_a_task_raises_is_told",
    ],
    "8 errors": ["wire/test_errors.py::test_a_mistake_has_its_status_type_and_keys"],
    "9 both flags": ["wire/test_errors.py::test_both_flags_decide_who_may_run_python"],
    "10 the notebook, the page, graphistry-js": [
        "wire/test_notebook.py::test_source_text_returns_a_graph",
        "wire/test_seed_curl.py::test_a_multi_line_body_in_double_quotes_runs",
        "wire/test_seed_curl.py::test_the_request_of_the_page_itself_runs",
        "clients/test_graphistry_js.py::test_pygraphistry_reads_what_javascript_wrote",
        "clients/test_pygraphistry_releases.py::test_a_graph_comes_back_as_it_went",
    ],
}
NAMED = sorted(
    {name for table in (PROVED_ELSEWHERE, traps.PROVED_ELSEWHERE) for names in table.values() for name in names}
)


@pytest.mark.parametrize("name", NAMED)
def test_what_is_proved_elsewhere_is(name: str) -> None:
    file, _, test = name.partition("::")
    tree = ast.parse((TESTS / file).read_text())
    assert test in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("slash", ["", "/"])
def test_1_a_personal_key_signs_in_by_both_methods_and_in_both_slash_forms(
    server: LiveServer, alice: Person, method: str, slash: str
) -> None:
    key = alice.http.post(f"/api/v2/auth/pkey{slash}", json={}).json()
    header = {"Authorization": f"PersonalKey {key['id']}:{key['secret']}"}
    bodies: list[dict[str, Any]] = [{"json": {}}, {"json": {"org_name": alice.username}}, {}]
    for body in bodies:
        answer = httpx.request(
            method, f"{server.url}/api/v2/auth/pkey/jwt{slash}", headers=header, trust_env=False, **body
        )
        assert (answer.status_code, answer.json()["user"]["username"]) == (200, alice.username)
        assert answer.json()["token"].count(".") == 2


def test_2_a_token_is_a_jwt_of_an_hour_that_names_its_user(client: Any, alice: Person) -> None:
    def part(text: str) -> Any:
        return json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))

    client.refresh()
    header, claims = map(part, client.api_token().split(".")[:2])
    assert (header["alg"], header["typ"]) == ("HS256", "JWT")
    assert claims["username"] == alice.username
    assert isinstance(claims["user_id"], int)
    assert claims["exp"] - claims["iat"] == pytest.approx(3600, abs=1)
    assert claims["exp"] == pytest.approx(time.time() + 3600, abs=600)


@pytest.mark.parametrize("switch", [True, False])
def test_9_the_environments_switch_is_over_both_flags(tmp_path: Path, switch: bool) -> None:
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
