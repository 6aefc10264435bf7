"""Earlier releases of PyGraphistry, as they come from PyPI (claim 41).

Each is a process of its own that does what a person does in an afternoon (``pygraphistry_session.py``); its report is
what the tests look at. ``make test`` drives the oldest 0.4x, ``make soak`` the last of each minor of two years. Before
0.35, in January 2025, PyGraphistry could not run Python.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import pytest

from tests.clients.conftest import ROOT, absent, run_client

if TYPE_CHECKING:
    from tests.conftest import LiveServer, Person

pytestmark = pytest.mark.e2e

OLDEST = "0.40.0"
LISTED = re.findall(r"^graphistry==(\S+)", (ROOT / "requirements/clients/releases.txt").read_text(), re.MULTILINE)
RELEASES = [
    pytest.param(release, id=release, marks=() if release == OLDEST else pytest.mark.soak) for release in LISTED
]
FORMS = ["json", "csv", "parquet"]


@pytest.fixture(scope="module", params=RELEASES)
def release(request: pytest.FixtureRequest) -> str:
    if not (ROOT / f".clients/pygraphistry/{request.param}/.installed").exists():
        absent(f"PyGraphistry {request.param}")
    return str(request.param)


@pytest.fixture(scope="module")
def person(make_user: Callable[..., Person], release: str) -> Iterator[Person]:
    """Who uses it: somebody new, since two failures of each afternoon count against the name."""
    somebody = make_user(f"user-of-{release}-{uuid4().hex[:6]}")
    yield somebody
    somebody.http.close()


@pytest.fixture(scope="module")
def report(server: LiveServer, admin: Person, person: Person, guild: str, release: str) -> dict[str, Any]:
    """What that release did and got."""
    assert admin.http.put(f"/api/v2/o/{guild}/members/{person.username}/", json={}).is_success
    key = person.http.post("/api/v2/auth/pkey/", json={}).json()
    told = {
        "server": f"127.0.0.1:{server.port}", "username": person.username, "password": person.password,
        "key_id": key["id"], "key_secret": key["secret"], "organization": guild,
    }  # fmt: skip
    interpreter, script = ".clients/python/bin/python", "tests/clients/pygraphistry_session.py"
    command = [str(ROOT / interpreter), "-W", "ignore", str(ROOT / script)]
    reported: dict[str, Any] = run_client(command, told, PYTHONPATH=str(ROOT / f".clients/pygraphistry/{release}"))
    assert reported["version"].removeprefix("v") == release
    return reported


def dataset_of(url: str) -> str:
    parts = urlsplit(url)
    assert parts.path == "/graph/graph.html"
    return parse_qs(parts.query)["dataset"][0]


def test_no_step_of_an_afternoon_breaks(report: dict[str, Any]) -> None:
    assert {step: told for step, told in report.items() if isinstance(told, dict) and "broken" in told} == {}


def test_a_refused_log_in_is_told_in_the_servers_words(report: dict[str, Any]) -> None:
    assert "Unable to log in with provided credentials" in report["wrong_password"]["text"]
    assert "others" in report["foreign_organization"]["text"]


def test_it_signs_in_with_password_key_and_token(report: dict[str, Any]) -> None:
    assert report["signed_in_with_password"].count(".") == 2
    for way in ("signed_in_with_key", "signed_in_with_token"):
        assert report[way] == report["document"], way


def test_it_signs_in_to_and_switches_organizations(report: dict[str, Any], guild: str) -> None:
    assert report["signed_in_to_organization"] == guild
    assert "switch organization" in report["switched"][1]["text"]


def test_an_upload_is_a_dataset_of_files(report: dict[str, Any], person: Person) -> None:
    described = person.http.get(f"/api/v2/datasets/{report['uploaded']['dataset']}/").json()
    assert (described["node_count"], described["edge_count"], described["name"]) == (4, 3, "afternoon")
    assert described["edge_files"] == [report["uploaded"]["edges"]]


@pytest.mark.parametrize(("step", "total"), [("plotted_as_files", 15), ("plotted_inline", 24)])
def test_a_plotted_graph_is_a_dataset_with_its_bindings(
    report: dict[str, Any], person: Person, step: str, total: int
) -> None:
    code = "def task(g): return [int(g._edges['w'].sum()), g._source, g._destination, g._node, g._edge_title]"
    answer = person.run(dataset_of(report[step]), code)
    assert answer.json() == [total, "src", "dst", "name", "kind"]


@pytest.mark.claim(41)
def test_a_graph_comes_back_as_it_went(report: dict[str, Any]) -> None:
    assert report["graphs"]["parquet"] == report["whole"]


@pytest.mark.parametrize("form", FORMS)
def test_rows_are_the_same_in_every_format(report: dict[str, Any], form: str) -> None:
    def rows(graph: dict[str, Any]) -> Any:
        """Without the times, which only parquet has a type for."""
        edges = [{**row, "at": row["at"] is not None} for row in graph["edges"]["records"]]
        return edges, graph["nodes"]["records"]

    assert rows(report["graphs"][form]) == rows(report["whole"])


@pytest.mark.parametrize("form", FORMS)
def test_a_table_equals_the_one_that_the_task_returns_locally(report: dict[str, Any], form: str) -> None:
    here, home = report["tables"][form], report["heavy_at_home"]
    if form != "parquet":
        here, home = ([(row["src"], row["kind"], row["w"]) for row in table["records"]] for table in (here, home))
    assert here == home


def test_a_document_is_json(report: dict[str, Any]) -> None:
    assert report["document"] == {"edges": 3, "nodes": 4, "total": 6}


def test_failures_are_exceptions(report: dict[str, Any]) -> None:
    # Before 0.43 the client showed the status and nothing of the body.
    assert re.search("422|ZeroDivisionError", report["failed_task"]["text"])
    assert re.search("404|not found", report["missing_dataset"]["text"])


def test_nobody_else_reads_a_private_dataset(report: dict[str, Any], frank: Person, person: Person) -> None:
    dataset_id = dataset_of(report["kept_private"])
    assert person.http.get(f"/api/v2/datasets/{dataset_id}/").status_code == 200
    assert frank.http.get(f"/api/v2/datasets/{dataset_id}/").status_code == 404


def test_others_read_a_public_dataset(report: dict[str, Any], frank: Person) -> None:
    dataset_id = dataset_of(report["made_public"])
    assert frank.run(dataset_id, "def task(g): return int(g._edges['w'].sum())").json() == 42
