"""The traps that clients of this protocol set for a server (protocol 9), one test each, against the live server.

A trap that other tests walk into anyway stands in ``PROVED_ELSEWHERE``; ``test_contract_checklist.py`` looks whether
those tests are there. Traps of GFQL and named functions are not among them yet, nor are bugs that stay in the client
(9.7) and polars frames, which it declines before it sends anything (9.5).
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import httpx
import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest
import requests

from tests.conftest import SMALL_EDGES
from tests.unit.http.site import PASSWORD, Site
from tests.wire.conftest import new_client

if TYPE_CHECKING:
    from tests.conftest import LiveServer, Person

pytestmark = pytest.mark.e2e

PROVED_ELSEWHERE = {
    "9.1.1 slashes": ["wire/test_uploads.py::test_every_route_takes_both_slash_forms_without_a_redirect"],
    "9.1.2 a GET with a body": ["wire/test_accounts.py::test_a_key_opens_with_get_and_post_until_it_is_revoked"],
    "9.1.4 content types": ["wire/test_uploads.py::test_the_content_type_of_an_upload_means_nothing"],
    "9.1.6 chunks": ["wire/test_uploads.py::test_a_body_may_come_in_chunks"],
    "9.3 an organisation by name": ["wire/test_accounts.py::test_an_organisation_is_asked_for_by_name"],
    "9.4 a frame again": ["wire/test_client.py::test_uploading_a_frame_again_reuses_the_file_for_a_new_dataset"],
    "9.4 an unknown file": ["wire/test_client.py::test_a_file_of_somebody_else_is_not_found"],
    "9.4 ids outlive a restart": [
        "faults/test_kills.py::test_a_restart_after_a_kill_of_everything_finds_all_that_was_acknowledged"
    ],
    "9.5 CSV": ["wire/test_matrix.py::test_table_is_the_frame_that_was_returned"],
    "9.5 what JSON cannot say": ["wire/test_dtypes.py::test_what_json_cannot_say_has_a_rule"],
    "9.5 columns of one name": [
        "wire/test_uploads.py::test_bytes_that_are_no_table_are_refused_and_nothing_stays",
        "wire/test_matrix.py::test_what_has_no_form_is_refused_by_name",
    ],
    "9.6 lists of files": ["wire/test_uploads.py::test_several_files_of_a_dataset_are_put_together"],
    "9.7 a format that the client refuses": [
        "wire/test_matrix.py::test_json_as_a_table_format_runs_and_the_client_refuses"
    ],
}

EDGES = pd.DataFrame({"s": ["a", "b"], "d": ["b", "c"], "w": [1, 2]})
ONE = {"execute": "def task(g): return 1"}


# 9.1 Routing and HTTP


def test_9_1_2_the_body_of_a_get_is_read(server: LiveServer, alice: Person) -> None:
    key = alice.http.post("/api/v2/auth/pkey/", json={}).json()
    header = {"Authorization": f"PersonalKey {key['id']}:{key['secret']}"}
    body = {"org_name": alice.username}
    path = f"{server.url}/api/v2/auth/pkey/jwt/"
    told = httpx.request("GET", path, json=body, headers=header, trust_env=False).json()
    assert told["active_organization"] == {"slug": alice.username, "is_found": True, "is_member": True}


def test_9_1_3_a_switch_is_a_form_and_everything_else_is_json(alice: Person) -> None:
    answer = alice.http.post(f"/api/v2/o/{alice.username}/switch/", data={"slug": alice.username})
    assert answer.request.headers["content-type"] == "application/x-www-form-urlencoded"
    assert answer.json()["status"] == "OK"


def test_9_1_5_trace_headers_change_nothing(alice: Person, people: str) -> None:
    trace = {"traceparent": f"00-{'1' * 32}-{'2' * 16}-01", "tracestate": "x=1,y=2", "baggage": "a=b"}
    assert alice.http.post(f"/api/v2/datasets/{people}/python", json=ONE, headers=trace).json() == 1
    broken = {"traceparent": "nonsense", "tracestate": "=", "baggage": ";;="}
    assert alice.http.post(f"/api/v2/datasets/{people}/python", json=ONE, headers=broken).json() == 1


ANSWERS = [
    ("GET", "/healthz"),
    ("GET", "/nowhere"),
    ("PUT", "/api-token-auth/"),
    ("POST", "/api-token-auth/"),
    ("POST", "/api/v2/auth/token/refresh"),
    ("POST", "/api-token-verify/"),
    ("GET", "/api/v2/auth/pkey/jwt/"),
    ("POST", "/api/v2/o/nowhere/switch/"),
    ("GET", "/api/v2/files/"),
    ("POST", "/api/v2/files/"),
    ("POST", f"/api/v2/upload/files/{'0' * 32}"),
    ("GET", "/api/v2/datasets/"),
    ("POST", "/api/v2/upload/datasets/"),
    ("GET", f"/api/v2/upload/datasets/{'0' * 32}"),
    ("POST", "/api/v2/share/link/"),
    ("POST", f"/api/v2/datasets/{'0' * 32}/python"),
    ("POST", "/api/v2/g/sso/oidc/login/"),
    ("GET", "/api/v2/o/sso/oidc/jwt/x/"),
    ("POST", "/etl"),
    ("GET", "/api/check"),
]


@pytest.mark.parametrize(("method", "path"), ANSWERS, ids=[" ".join(row) for row in ANSWERS])
def test_9_1_7_every_answer_is_json(alice: Person, server: LiveServer, method: str, path: str) -> None:
    for http in (alice.http, httpx.Client(base_url=server.url, trust_env=False)):
        answer = http.request(method, path)
        assert answer.headers["content-type"] == "application/json"
        assert isinstance(answer.json(), dict)
        if http is not alice.http:
            http.close()


# 9.2 Status codes


def test_9_2_what_succeeds_has_the_status_that_clients_expect(alice: Person) -> None:
    http = alice.http

    def status(method: str, path: str, **sent: Any) -> tuple[int, Any]:
        answer = http.request(method, path, **sent)
        return answer.status_code, answer.json()

    log_in = {"username": alice.username, "password": alice.password}
    assert status("POST", "/api-token-auth/", json=log_in)[0] == 200
    assert status("POST", "/api/v2/auth/token/refresh", json={"token": alice.token}) == (200, {"token": alice.token})
    assert status("POST", "/api-token-verify/", json={"token": alice.token})[0] == 200
    code, file = status("POST", "/api/v2/files/", json={"file_type": "csv"})
    assert code == 201
    code, sent = status("POST", f"/api/v2/upload/files/{file['file_id']}", content=b"s,d\na,b\n")
    assert (code, sent["is_valid"], sent["is_uploaded"]) == (200, True, True)
    code, made = status("POST", "/api/v2/upload/datasets/", json={"edge_files": [file["file_id"]]})
    assert (code, made["success"]) == (201, True)
    dataset_id = made["data"]["dataset_id"]
    code, inline = status("POST", f"/api/v2/upload/datasets/{dataset_id}/nodes/csv", content=b"id\na\n")
    assert (code, inline["success"]) == (200, True)
    assert status("GET", f"/api/v2/upload/datasets/{dataset_id}")[0] == 200
    code, shared = status("POST", "/api/v2/share/link/", json={"obj_pk": dataset_id, "mode": "private"})
    assert (code, shared["status"]) == (200, "OK")  # nothing but 200 is clean to PyGraphistry
    assert status("POST", f"/api/v2/datasets/{dataset_id}/python", json=ONE) == (200, 1)


def test_9_2_a_dataset_that_is_refused_has_the_keys_that_clients_look_into(alice: Person) -> None:
    answer = alice.http.post("/api/v2/upload/datasets/", json={"edge_files": ["0" * 32]})
    assert (answer.status_code, answer.json()["success"], answer.json()["data"]) == (404, False, {})


# 9.3 Token churn


@pytest.fixture
def requests_sent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What PyGraphistry sends from here on: method, path and status of each request."""
    sent: list[str] = []
    real = requests.Session.send

    def send(self: Any, request: Any, **options: Any) -> Any:
        answer = real(self, request, **options)
        sent.append(f"{request.method} {urlsplit(request.url).path} {answer.status_code}")
        return answer

    monkeypatch.setattr(requests.Session, "send", send)
    return sent


def test_9_3_a_client_that_refreshes_before_every_call_switches_once(
    server: LiveServer, alice: Person, requests_sent: list[str]
) -> None:
    session = new_client()
    address = f"127.0.0.1:{server.port}"
    session.register(api=3, protocol="http", server=address, username=alice.username, password=alice.password)
    graph = session.edges(EDGES, "s", "d").upload()
    for _ in range(3):
        assert graph.python_remote_json(ONE["execute"]) == 1
    refreshes = [line for line in requests_sent if "refresh" in line]
    switches = [line for line in requests_sent if "switch" in line]
    assert len(refreshes) >= 4
    assert {line.split()[-1] for line in refreshes} == {"200"}
    assert len(switches) <= 1  # the token stays the same string, and with it what the client knows


def test_9_3_any_token_that_has_not_expired_is_refreshed(server: LiveServer, alice: Person) -> None:
    older, newer = server.log_in(alice.username), server.log_in(alice.username)
    for person in (newer, older, newer, older):
        answer = person.http.post("/api/v2/auth/token/refresh", json={"token": person.token})
        assert answer.json() == {"token": person.token}
    for person in (older, newer):
        person.http.close()


def test_9_3_a_refresh_is_cheap(alice: Person) -> None:
    """It hashes nothing: fifty take less time than two log-ins do, on a machine however busy."""
    started = time.monotonic()
    for _ in range(2):
        body = {"username": alice.username, "password": alice.password}
        alice.http.post("/api-token-auth/", json=body).raise_for_status()
    log_ins = time.monotonic() - started
    taken = [
        alice.http.post("/api/v2/auth/token/refresh", json={"token": alice.token}).elapsed.total_seconds()
        for _ in range(21)
    ]
    assert sorted(taken)[10] < log_ins / 4


@pytest.fixture
def alone(tmp_path: Path) -> Iterator[Site]:
    """An app on which nobody has made an organisation."""
    site = Site.open(tmp_path / "data")
    site.user("ann")
    yield site
    site.close()


def test_9_3_without_organisations_a_log_in_names_none(alone: Site) -> None:
    body = {"username": "ann", "password": PASSWORD}
    assert "active_organization" not in alone.browser().post("/api-token-auth/", json=body).json()
    told = alone.browser().post("/api-token-auth/", json={**body, "org_name": "ann"}).json()
    assert told["active_organization"] == {"slug": "ann", "is_found": True, "is_member": True}


# 9.4 Memoised uploads


def test_9_4_a_changed_graph_becomes_a_new_dataset_on_the_next_call(client: Any, alice: Person) -> None:
    graph = client.edges(EDGES, "s", "d").upload()
    assert graph.bind(source="s")._dataset_id == graph._dataset_id
    changed = graph.name(f"changed-{uuid4().hex}").encode_edge_color("s", categorical_mapping={"a": "red"})
    assert changed._dataset_id is None
    assert changed.python_remote_json("def task(g): return [g._name, g._source]") == [changed._name, "s"]
    found = alice.http.get("/api/v2/datasets/", params={"search": changed._name}).json()
    assert [item["dataset_id"] != graph._dataset_id for item in found["results"]] == [True]


# 9.5 Data fidelity


@pytest.mark.filterwarnings("ignore:python_remote.*untyped")
@pytest.mark.parametrize("form", ["json", "csv", "parquet"])
def test_9_5_a_column_called_error_is_no_error(people_graph: Any, form: str) -> None:
    code = "import pandas as pd\ndef task(g): return pd.DataFrame({'error': ['x'], 'metadata': [1]})"
    table = people_graph.python_remote_table(code, format=form)
    assert table.to_dict(orient="records") == [{"error": "x", "metadata": 1}]


def test_9_5_parquet_has_no_index_and_readable_categories(alice: Person, people: str) -> None:
    code = "def task(g): return g._nodes.assign(kind=g._nodes['id'].astype('category')).iloc[::-1]"
    answer = alice.run(people, code, output_type="table", format="parquet")
    table = pa.parquet.read_table(io.BytesIO(answer.content))
    assert table.column_names == ["id", "age", "kind"]
    frame = table.to_pandas()
    assert frame["kind"].astype(str).tolist() == ["d", "c", "b", "a"]
    assert frame["kind"].dtype == "category"


def test_9_5_what_is_missing_is_null(alice: Person, people: str) -> None:
    assert json.loads(alice.run(people, "def task(g): return g._edges['w'].tolist()").text) == [1.5, 2.5, None]


# 9.6 Dataset binding details


@pytest.mark.parametrize("nodes", [None, pa.table({"id": ["a"]})], ids=["no node table", "node table"])
def test_9_6_node_bindings_may_be_empty(alice: Person, nodes: pa.Table | None) -> None:
    dataset_id = alice.upload(SMALL_EDGES, nodes)
    seen = alice.run(dataset_id, "def task(g): return [g._node, None if g._nodes is None else len(g._nodes)]").json()
    assert seen == [None, None if nodes is None else 1]


def test_9_6_plot_binds_a_title_by_itself_and_it_is_kept(client: Any, alice: Person) -> None:
    nodes = pd.DataFrame({"name": ["a", "b", "c"], "x": [1, 2, 3]})
    url = client.edges(EDGES, "s", "d").nodes(nodes, "name").plot(render=False)
    dataset_id = parse_qs(urlsplit(url).query)["dataset"][0]
    told = alice.http.get(f"/api/v2/upload/datasets/{dataset_id}").json()["data"]
    assert told["node_encodings"]["bindings"] == {"node": "name", "node_title": "name"}
    assert alice.run(dataset_id, "def task(g): return [g._point_title]").json() == ["name"]


def test_9_6_a_binding_may_name_a_column_that_is_not_there(alice: Person) -> None:
    """The vendor leaves open what happens. Here the task gets what was said, and finds the column missing."""
    dataset_id = alice.upload(SMALL_EDGES, source="nowhere", node="neither")
    assert alice.run(dataset_id, "def task(g): return [g._source, g._node]").json() == ["nowhere", "neither"]
    failed = alice.run(dataset_id, "def task(g): return g._edges[g._source]")
    assert (failed.status_code, failed.json()["exception_type"]) == (422, "KeyError")


def test_9_6_ids_of_nodes_and_edges_may_differ_in_type(alice: Person) -> None:
    dataset_id = alice.upload(SMALL_EDGES, pa.table({"id": [1, 2]}), node="id")
    code = "def task(g): return [str(g._edges['s'].dtype), str(g._nodes['id'].dtype)]"
    assert alice.run(dataset_id, code).json() == ["str", "int64"]


# 9.8 Configuration by environment

UNREGISTERED = """
import graphistry, json, pandas as pd
graph = graphistry.edges(pd.DataFrame({"s": ["a"], "d": ["b"]}), "s", "d")
print(json.dumps(graph.python_remote_json("def task(g): return len(g._edges)", engine="pandas")))
"""


def in_python(code: str, environment: dict[str, str]) -> Any:
    """What a PyGraphistry of its own, which knows nothing but this environment, prints."""
    ended = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, timeout=120,
        env={"PATH": os.environ["PATH"], "HOME": "/nonexistent", "NO_PROXY": "*", **environment}, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr[-3000:]
    return json.loads(ended.stdout.splitlines()[-1])


@pytest.mark.parametrize("where", ["environment", "file"])
def test_9_8_environment_or_a_file_say_where_and_with_which_token(
    server: LiveServer, alice: Person, tmp_path: Path, where: str
) -> None:
    told = {
        "GRAPHISTRY_HOSTNAME": f"127.0.0.1:{server.port}",
        "GRAPHISTRY_PROTOCOL": "http",
        "GRAPHISTRY_API_VERSION": "3",
        "GRAPHISTRY_API_TOKEN": alice.token,
    }
    config = tmp_path / "graphistry.json"
    config.write_text(json.dumps(told))
    assert in_python(UNREGISTERED, told if where == "environment" else {"PYGRAPHISTRY_CONFIG": str(config)}) == 1
