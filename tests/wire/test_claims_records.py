"""Claims about what the server writes down and tells of itself (38 to 40): audit, errors, logs, over HTTP."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import httpx
import pytest

from tests.conftest import PASSWORD, SMALL_EDGES, LiveServer, Person
from tests.unit.http.site import Site, TestClient
from tests.wire.test_claims_tenants import failed_log_in
from tests.wire.test_errors import REPOSITORY

pytestmark = pytest.mark.e2e


def lines_of(admin: Person, actor: str, action: str, least: int = 1) -> list[dict[str, Any]]:
    """The audit lines of an actor's action, oldest first, once there are so many: they are written in batches."""
    deadline = time.monotonic() + 10
    while True:
        page = admin.http.get("/api/v2/admin/audit", params={"actor": actor, "action": action, "limit": 100}).json()
        if len(page["results"]) >= least:
            return list(reversed(page["results"]))
        assert time.monotonic() < deadline, f"no {action} of {actor}"
        threading.Event().wait(0.02)


def assert_line(line: dict[str, Any], target: str | None, outcome: str) -> None:
    """A line says when, in UTC, from where, on what, and how it ended."""
    at = datetime.fromisoformat(line["at"])
    assert at.utcoffset() == timedelta(0)
    assert abs(datetime.now(UTC) - at) < timedelta(minutes=5)
    assert line["address"].startswith("127.")
    assert line["outcome"] == outcome
    if target is not None:
        assert target in json.dumps([line["target"], line["detail"]])


@pytest.fixture(scope="module")
def jim(make_user: Callable[..., Person]) -> Iterator[Person]:
    """Whose lines are looked at."""
    person = make_user(f"jim-{uuid4().hex[:8]}")
    yield person
    person.http.close()


def test_claim_38_each_log_in_refusal_and_log_out_leaves_a_line(server: LiveServer, admin: Person, jim: Person) -> None:
    failed_log_in(server, jim.username)
    second = server.log_in(jim.username)
    assert second.http.post("/api/v2/auth/logout").is_success
    second.http.close()
    signed_in = lines_of(admin, jim.username, "log_in", 3)
    for line, outcome in zip(signed_in, ["ok", "refused", "ok"], strict=True):
        assert_line(line, None, outcome)
    assert_line(lines_of(admin, jim.username, "log_out")[0], None, "ok")


def test_claim_38_so_does_each_refusal_to_somebody_signed_in(server: LiveServer, admin: Person, jim: Person) -> None:
    assert jim.http.get("/api/v2/admin/users/").status_code == 403
    assert_line(lines_of(admin, jim.username, "admin")[0], "/api/v2/admin/users", "refused")
    cookie = {"Cookie": f"graphistry_jwt={jim.token}"}
    assert httpx.post(f"{server.url}/api/v2/files/", json={}, headers=cookie, trust_env=False).status_code == 403
    assert_line(lines_of(admin, jim.username, "csrf")[0], "/api/v2/files", "refused")


def test_claim_38_so_does_each_change_of_a_flag(admin: Person, jim: Person) -> None:
    flag = "flag_python_endpoint_enabled_users"
    change = {"user": jim.username, "value": True}
    assert admin.http.put(f"/api/v2/admin/flags/{flag}/", json=change).is_success
    line = lines_of(admin, admin.username, "flag.set")[-1]
    assert_line(line, flag, "ok")
    assert jim.username in json.dumps(line)


def test_claim_38_so_does_each_upload_share_and_deletion(admin: Person, jim: Person) -> None:
    file = jim.http.post("/api/v2/files/", json={"file_type": "csv"}).json()["file_id"]
    assert jim.http.post(f"/api/v2/upload/files/{file}", content=b"s,d\na,b\n").is_success
    dataset = jim.http.post("/api/v2/upload/datasets/", json={"edge_files": [file]}).json()["data"]["dataset_id"]
    assert jim.http.post("/api/v2/share/link/", json={"obj_pk": dataset, "mode": "private"}).is_success
    assert jim.http.delete(f"/api/v2/datasets/{dataset}/").is_success
    for action, target in (
        ("file.upload", file),
        ("dataset.create", dataset),
        ("dataset.share", dataset),
        ("dataset.delete", dataset),
    ):
        assert_line(lines_of(admin, jim.username, action)[-1], target, "ok")


def test_claim_38_so_does_each_run_and_each_cancelling(admin: Person, jim: Person) -> None:
    dataset = jim.upload(SMALL_EDGES)
    ran = jim.run(dataset, "def task(g): return 'canary-of-the-audit'")
    line = lines_of(admin, jim.username, "run")[-1]
    assert_line(line, ran.headers["x-run-id"], "ok")
    assert dataset in json.dumps(line)
    assert "canary-of-the-audit" not in json.dumps(line)
    jim.http.post(f"/api/v2/runs/{ran.headers['x-run-id']}/cancel")  # it has ended: nothing happens, and is noted
    cancelled = uuid4().hex
    with ThreadPoolExecutor(1) as caller:
        waiting = caller.submit(jim.run, dataset, "import time\ndef task(g): time.sleep(60)", run_id=cancelled)
        deadline = time.monotonic() + 20
        while jim.http.get(f"/api/v2/runs/{cancelled}").json().get("state") != "running":
            assert time.monotonic() < deadline
            threading.Event().wait(0.02)
        assert jim.http.post(f"/api/v2/runs/{cancelled}/cancel").is_success
        assert waiting.result().json()["type"] == "TaskCancelled"
    lines = [line for line in lines_of(admin, jim.username, "run.cancel") if cancelled in json.dumps(line)]
    assert_line(lines[-1], cancelled, "ok")


@pytest.mark.parametrize("sign", ["\n", "\r\n", "\u2028", "\x1b[2K", "\u202e"])
def test_claim_38_nobody_smuggles_a_line_in(admin: Person, jim: Person, sign: str) -> None:
    """A refused path is the text of strangers that lines hold; names that nobody has are not written down."""
    name = f"mallory-{uuid4().hex[:8]}"
    smuggled = quote(f"{name}{sign}2026-01-01 admin log_in ok")
    assert jim.http.post(f"/api/v2/admin/users/{smuggled}/disable").status_code == 403
    deadline = time.monotonic() + 10
    while not (found := [text for text in audit_texts(admin) if name in text]):
        assert time.monotonic() < deadline
    assert len(found) == 1
    assert all(character.isprintable() for character in found[0])


def audit_texts(admin: Person) -> list[str]:
    """The texts of the newest lines, each as one would print it."""
    page = admin.http.get("/api/v2/admin/audit", params={"limit": 50}).json()
    return [
        " ".join(str(line[key]) for key in ("at", "actor", "action", "target", "outcome")) for line in page["results"]
    ]


def test_claim_38_no_line_holds_a_token_a_password_or_code(admin: Person, jim: Person) -> None:
    jim.run(jim.upload(SMALL_EDGES), "def task(g): return 'canary-of-the-audit'")
    page = admin.http.get("/api/v2/admin/audit", params={"limit": 1000}).text
    for secret in (PASSWORD, "wrong horse", jim.token, "canary-of-the-audit", "def task"):
        assert secret not in page


SERVERS_OWN = (REPOSITORY, "deployments/", "runtime/", "auth/", "catalog/", "site-packages", ".venv", "sqlite")


def test_claim_39_a_failure_of_the_servers_own_shows_nothing_of_it(tmp_path: Path) -> None:
    site = Site.open(tmp_path / "data")
    app: Any = site.browser().app

    async def broken() -> None:
        raise RuntimeError(f"cannot open {tmp_path}/secret")

    app.get("/broken")(broken)
    answer = TestClient(app, raise_server_exceptions=False).get("/broken")  # one that knows nothing of /openapi.json
    assert (answer.status_code, answer.json()["type"]) == (500, "InternalError")
    for ours in (*SERVERS_OWN, str(tmp_path), "Traceback", "RuntimeError", "line "):
        assert ours not in answer.text
    site.close()


BROKEN_TASKS = {
    "in the task": "def task(g): return 1 / 0",
    "in pandas": "def task(g): return g._edges['nope']",
    "in graphistry": "def task(g): return g.hop(hops='x')",
    "while it is encoded": "class Odd:\n    def __str__(self): 1 / 0\ndef task(g): return {Odd(): Odd()}",
    "at the top": "import no_such_module\ndef task(g): return 1",
}


@pytest.mark.parametrize("name", BROKEN_TASKS)
def test_claim_39_the_traceback_of_a_task_has_the_users_frames_and_libraries_only(
    alice: Person, people: str, name: str
) -> None:
    answer = alice.run(people, BROKEN_TASKS[name])
    assert answer.status_code == 422
    body = answer.json()
    for ours in SERVERS_OWN:
        assert ours not in answer.text
    for path in re.findall(r'File "([^"]+)"', body.get("traceback", "")):
        assert path == "<task>" or not path.startswith("/"), path
    assert all(frame.keys() == {"line", "function", "source"} for frame in body.get("frames", []))


def test_claim_40_logs_hold_no_authorization_cookie_password_or_code(server: LiveServer, alice: Person) -> None:
    """Each of these is sent in every way there is; the end of all tests looks again (``tests/conftest.py``)."""

    def canary(kind: str) -> str:
        secret = f"canary-{kind}-{uuid4().hex}"
        server.secrets.add(secret)
        return secret

    seen = f"seen-{uuid4().hex}"  # this one is logged: the proof that we look where requests are written down
    with httpx.Client(base_url=server.url, trust_env=False, timeout=60) as http:
        http.get("/nowhere", headers={"Authorization": f"Bearer {canary('bearer')}", "X-Request-Id": seen})
        for scheme in ("Basic", "PersonalKey", "Other"):
            http.get("/api/v2/datasets/", headers={"Authorization": f"{scheme} {canary('authorization')}"})
        for name in ("graphistry_jwt", "csrftoken", "other"):
            http.post("/api/v2/files/", headers={"Cookie": f"{name}={canary('cookie')}"})
        http.post("/api/v2/files/", headers={"X-CSRFToken": canary("csrf"), "Cookie": f"graphistry_jwt={alice.token}"})
        http.post("/login", data={"username": seen, "password": canary("form")})
        http.post("/login", json={"username": seen, "password": canary("json")})
        http.post("/api-token-auth/", json={"username": seen, "password": canary("password"), "other": canary("field")})
        http.post("/api-token-auth/", content=f'{{"password": "{canary("broken-body")}"')
        for path in ("/api-token-verify/", "/api-token-refresh/"):
            http.post(path, json={"token": canary("token")})
        key = alice.http.post("/api/v2/auth/pkey/", json={}).json()
        server.secrets.add(key["secret"])
        for secret in (key["secret"], canary("key")):
            header = {"Authorization": f"PersonalKey {key['id']}:{secret}"}
            http.request("GET", "/api/v2/auth/pkey/jwt/", json={}, headers=header)
    body = {"password": canary("new-password"), "current_password": canary("old-password")}
    alice.http.post(f"/api/v2/admin/users/{alice.username}/password/", json=body)
    dataset = alice.upload(SMALL_EDGES)
    for code in (
        "def task(g): return '{}'",
        "def task(g): raise ValueError('{}')",
        "def task(g): return '{}' / 2",
        "def task(g): '{}",
        "import sys\ndef task(g): print('{}'); print('{}', file=sys.stderr); return object()",
        "import os\ndef task(g): '{}'; os.abort()",
        "def task(g):\n    '{}'\n    while True: pass",
    ):
        alice.run(dataset, code.replace("{}", canary("code")), timeout_s=1)
    alice.http.post(f"/api/v2/datasets/{dataset}/python", json={"execute": [canary("no-code")]})

    deadline = time.monotonic() + 10
    while not any(seen.encode() in content for _, content in server.logs()):
        assert time.monotonic() < deadline, "the logs hold no requests: where are they?"
    assert server.leaks() == []
