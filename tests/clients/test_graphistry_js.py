"""graphistry-js from npm under node: what it uploads, shares and is refused, and the same data read back (protocol 8).

``@graphistry/js-upload-api`` is what today's JavaScript packages are made of; ``@graphistry/node-api`` is the last one
on npm that was still on its own. One process does it all (``js/session.mjs``), the tests look at its report.
"""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pyarrow as pa
import pyarrow.parquet
import pytest

from tests.clients.conftest import ROOT, absent, run_client
from tests.wire.conftest import new_client

if TYPE_CHECKING:
    from tests.conftest import LiveServer, Person

pytestmark = pytest.mark.e2e

FOLDER = ROOT / "tests/clients/js"
WHOLE = "def task(g): return g._edges"
COLUMNS = [{"s": "a", "d": "b", "w": 1.5}, {"s": "b", "d": "c", "w": 2.5}, {"s": "c", "d": "d", "w": 3.5}]
ROWS = [{"s": "a", "d": "b", "w": 1}, {"s": "b", "d": "c", "w": 2}, {"s": "c", "d": "d", "w": None}]
AGENT = ("agent_name", "agent_version")


@pytest.fixture(scope="module")
def report(server: LiveServer, erin: Person, frank: Person, key: dict[str, str], guild: str) -> dict[str, Any]:
    """What the JavaScript client did and got."""
    node = shutil.which("node")
    if node is None:
        absent("node (on Debian: apt install nodejs npm)")
    if not (FOLDER / "node_modules/.installed").exists():
        absent("graphistry-js")
    told = {
        "server": f"127.0.0.1:{server.port}", "username": erin.username, "password": erin.password,
        "key_id": key["id"], "key_secret": key["secret"], "organization": guild,
        "foreign_dataset": frank.upload(pa.table({"s": ["a"], "d": ["b"]})),
    }  # fmt: skip
    reported: dict[str, Any] = run_client([str(node), str(FOLDER / "session.mjs")], told)
    return reported


@pytest.fixture(scope="module")
def grace(make_user: Callable[..., Person], admin: Person, guild: str) -> Iterator[Person]:
    """Another member of erin's organization."""
    person = make_user(f"grace-{uuid4().hex[:8]}")
    assert admin.http.put(f"/api/v2/o/{guild}/members/{person.username}/", json={}).is_success
    yield person
    person.http.close()


def edges_of(person: Person, dataset_id: str) -> list[dict[str, Any]]:
    """The rows of a dataset, less what the client mixes into columns."""
    answer = person.run(dataset_id, WHOLE, output_type="table", format="parquet")
    assert answer.status_code == 200, answer.text
    table = pa.parquet.read_table(io.BytesIO(answer.content))
    rows: list[dict[str, Any]] = table.drop_columns([name for name in AGENT if name in table.column_names]).to_pylist()
    return rows


def test_no_step_of_an_afternoon_breaks(report: dict[str, Any]) -> None:
    assert {step: told for step, told in report.items() if isinstance(told, dict) and "broken" in told} == {}


def test_columns_with_the_clients_two_scalars_among_them_are_a_table(report: dict[str, Any], erin: Person) -> None:
    told = report["columns"]
    assert {"agent_name", "agent_version"} <= told["uploaded"].keys()  # the client changed what it was given
    assert told["valid"]
    assert told["schemas"][0]["num_rows"] == 3
    assert edges_of(erin, told["dataset"]) == COLUMNS
    described = erin.http.get(f"/api/v2/datasets/{told['dataset']}/").json()
    assert (described["agent_name"], described["agent_version"], described["name"]) == ("tests", "9.9", "columns")
    assert described["edge_files"] == [told["file"]]
    assert erin.run(told["dataset"], "def task(g): return g._nodes['size'].tolist()").json() == [1, 2, 3, 4]


def test_rows_are_a_table(report: dict[str, Any], erin: Person) -> None:
    assert edges_of(erin, report["rows"]["dataset"]) == ROWS


def test_an_arrow_table_keeps_its_types(report: dict[str, Any], erin: Person) -> None:
    assert edges_of(erin, report["arrow"]["dataset"]) == [
        {"s": "a", "d": "b", "n": 1, "w": 1.5, "big": 1, "at": datetime(1970, 1, 1), "yes": True},
        {"s": "b", "d": None, "n": 2, "w": None, "big": 2, "at": None, "yes": False},
        {"s": "a", "d": "d", "n": 3, "w": 3.5, "big": 9007199254740993, "at": datetime(2024, 6, 1, 12), "yes": None},
    ]
    dtypes = erin.run(report["arrow"]["dataset"], "def task(g): return g._edges.dtypes.astype(str).to_dict()").json()
    assert (dtypes["n"], dtypes["big"], dtypes["w"], dtypes["at"]) == ("int32", "int64", "float64", "datetime64[ms]")


def test_an_arrow_table_made_of_arrays_is_a_table(report: dict[str, Any], erin: Person) -> None:
    expected = [{"s": "a", "d": "b", "w": 0.5}, {"s": "b", "d": "a", "w": 1.5}]
    assert edges_of(erin, report["arrow_of_arrays"]["dataset"]) == expected


def test_options_of_the_query_reach_the_reader(report: dict[str, Any], erin: Person) -> None:
    assert edges_of(erin, report["csv"]["dataset"]) == [{"s": "a", "d": "b"}]


@pytest.mark.protocol("8")
def test_pygraphistry_reads_datasets_of_javascript(report: dict[str, Any], server: LiveServer, erin: Person) -> None:
    reader = new_client()
    reader.register(api=3, protocol="http", server=f"127.0.0.1:{server.port}", token=erin.token)
    found = reader.from_dataset_id(report["columns"]["dataset"])
    assert (found._source, found._destination, found._node, found._point_title) == ("s", "d", "id", "id")
    graph = found.python_remote_g("def task(g): return g")
    assert graph._edges[["s", "d", "w"]].to_dict(orient="records") == COLUMNS
    assert graph._nodes["id"].tolist() == ["a", "b", "c", "d"]


def test_the_page_whose_address_the_client_makes_is_there(report: dict[str, Any], erin: Person) -> None:
    page = erin.http.get(report["columns"]["url"])
    assert (page.status_code, "columns" in page.text) == (200, True)


def test_a_file_may_be_named_again(report: dict[str, Any], erin: Person) -> None:
    assert edges_of(erin, report["reused_file"]["dataset"]) == COLUMNS


def test_the_last_package_on_its_own_uploads_too(report: dict[str, Any], erin: Person) -> None:
    assert edges_of(erin, report["older_client"]["columns"]) == COLUMNS
    assert edges_of(erin, report["older_client"]["rows"]) == ROWS
    described = erin.http.get(f"/api/v2/datasets/{report['older_client']['rows']}/").json()
    assert described["agent_name"] == "@graphistry/node-api"


def test_a_personal_key_signs_in_by_post_and_by_get(report: dict[str, Any], erin: Person) -> None:
    told = report["key"]
    assert told["sent"][0] == "POST /api/v2/auth/pkey/jwt/ 200"
    assert [line.split()[-1] for line in told["sent"]] == ["200", "201", "200", "201"]
    assert edges_of(erin, told["dataset"]) == COLUMNS
    assert report["key_by_get"]["sent"] == ["GET /api/v2/auth/pkey/jwt/ 200", "POST /api/v2/files/ 201"]


def test_a_token_that_starts_with_bearer_is_accepted(report: dict[str, Any], erin: Person) -> None:
    assert edges_of(erin, report["given_token"]["dataset"]) == COLUMNS


def test_an_organization_is_named_in_every_request(report: dict[str, Any], erin: Person, guild: str) -> None:
    dataset_id = report["organization"]["dataset"]
    assert edges_of(erin, dataset_id) == COLUMNS
    assert erin.http.get(f"/api/v2/upload/datasets/{dataset_id}").json()["data"]["org_name"] == guild


def test_privacy_is_set_and_holds(report: dict[str, Any], frank: Person, grace: Person) -> None:
    told = report["privacy"]
    assert {mode: shared["failure"] for mode, shared in told.items()} == dict.fromkeys(told)

    def statuses(person: Person) -> dict[str, int]:
        return {mode: person.run(shared["dataset"], WHOLE).status_code for mode, shared in told.items()}

    assert statuses(grace) == {"private": 404, "organization": 200, "public": 200}
    assert statuses(frank) == {"private": 404, "organization": 404, "public": 200}


def test_nobody_shares_a_dataset_of_others(report: dict[str, Any]) -> None:
    assert report["privacy_of_another"]["failure"] == "Privacy upload failed"


@pytest.mark.parametrize("way", ["wrong_password", "wrong_key"])
def test_wrong_credentials_get_no_token(report: dict[str, Any], way: str) -> None:
    assert report[way]["failure"]
    assert not report[way]["valid"]


def test_bytes_that_are_no_table_are_told_with_their_errors(report: dict[str, Any]) -> None:
    told = report["bad_file"]
    assert "validation" in told["failure"]
    assert (told["told"]["is_valid"], told["told"]["is_uploaded"]) == (False, False)
    assert told["told"]["errors"]


@pytest.mark.parametrize("step", ["bad_file_in_dataset", "unknown_file"])
def test_a_dataset_that_is_refused_is_told_in_the_clients_own_words(report: dict[str, Any], step: str) -> None:
    # Without a data object the client stumbles over its absence and tells nobody why.
    assert report[step]["failure"] == "Unexpected dataset response, check dataset._createDatasetResponse"
    assert (report[step]["told"]["success"], report[step]["told"]["data"]) == (False, {})
    assert "file" in report[step]["told"]["message"]


def test_every_answer_is_json(report: dict[str, Any]) -> None:
    assert report["answers_are_json"] == ["object"] * 5
