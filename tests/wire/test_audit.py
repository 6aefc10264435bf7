"""What the audit keeps: a line for whatever somebody did or was refused, without secrets."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import httpx
import pytest

from tests.conftest import PASSWORD, SMALL_EDGES, LiveServer, Person
from tests.waiting import WITHIN_S, eventually
from tests.wire.conftest import try_to_log_in

pytestmark = pytest.mark.e2e


def lines_of(admin: Person, actor: str, action: str, least: int = 1) -> list[dict[str, Any]]:
    """The audit lines of an actor's action, oldest first, once there are so many: they are written in batches."""

    def written() -> list[dict[str, Any]]:
        page = admin.http.get("/api/v2/admin/audit", params={"actor": actor, "action": action, "limit": 100}).json()
        return list(reversed(page["results"])) if len(page["results"]) >= least else []

    return eventually(written)


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


@pytest.mark.claim(38)
def test_each_log_in_refused_log_in_and_log_out_leaves_a_line(server: LiveServer, admin: Person, jim: Person) -> None:
    try_to_log_in(server, jim.username)
    second = server.log_in(jim.username)
    assert second.http.post("/api/v2/auth/logout").is_success
    second.http.close()
    signed_in = lines_of(admin, jim.username, "log_in", 3)
    for line, outcome in zip(signed_in, ["ok", "refused", "ok"], strict=True):
        assert_line(line, None, outcome)
    assert_line(lines_of(admin, jim.username, "log_out")[0], None, "ok")


@pytest.mark.claim(38)
def test_each_refusal_to_a_signed_in_user_leaves_a_line(server: LiveServer, admin: Person, jim: Person) -> None:
    assert jim.http.get("/api/v2/admin/users/").status_code == 403
    assert_line(lines_of(admin, jim.username, "admin")[0], "/api/v2/admin/users", "refused")
    cookie = {"Cookie": f"graphistry_jwt={jim.token}"}
    assert httpx.post(f"{server.url}/api/v2/files/", json={}, headers=cookie, trust_env=False).status_code == 403
    assert_line(lines_of(admin, jim.username, "csrf")[0], "/api/v2/files", "refused")


@pytest.mark.claim(38)
def test_each_change_of_a_flag_leaves_a_line(admin: Person, jim: Person) -> None:
    flag = "flag_python_endpoint_enabled_users"
    change = {"user": jim.username, "value": True}
    assert admin.http.put(f"/api/v2/admin/flags/{flag}/", json=change).is_success
    line = lines_of(admin, admin.username, "flag.set")[-1]
    assert_line(line, flag, "ok")
    assert jim.username in json.dumps(line)


@pytest.mark.claim(38)
def test_each_upload_share_and_deletion_leaves_a_line(admin: Person, jim: Person) -> None:
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


@pytest.mark.claim(38)
def test_each_run_and_each_cancellation_leaves_a_line(admin: Person, jim: Person) -> None:
    dataset = jim.upload(SMALL_EDGES)
    ran = jim.run(dataset, "def task(g): return 'canary-of-the-audit'")
    line = lines_of(admin, jim.username, "run")[-1]
    assert_line(line, ran.headers["x-run-id"], "ok")
    assert dataset in json.dumps(line)
    assert "canary-of-the-audit" not in json.dumps(line)
    jim.http.post(f"/api/v2/runs/{ran.headers['x-run-id']}/cancel")  # it has ended: nothing happens, and is noted
    cancelled = uuid4().hex
    with ThreadPoolExecutor(1) as caller:
        sleeps = "import time\ndef task(g): time.sleep(1000)"
        waiting = caller.submit(jim.run, dataset, sleeps, run_id=cancelled, timeout_s=WITHIN_S)
        eventually(lambda: jim.http.get(f"/api/v2/runs/{cancelled}").json().get("state") == "running")
        assert jim.http.post(f"/api/v2/runs/{cancelled}/cancel").is_success
        assert waiting.result().json()["type"] == "TaskCancelled"
    lines = [line for line in lines_of(admin, jim.username, "run.cancel") if cancelled in json.dumps(line)]
    assert_line(lines[-1], cancelled, "ok")


PLAIN = "def task(g):\n    print('hello')\n    return len(g._edges)"


@pytest.mark.claim(38)
def test_the_line_of_a_run_has_its_label_and_none_of_its_output(admin: Person, alice: Person, people: str) -> None:
    run_id = alice.run(people, PLAIN, run_label="two\nlines").headers["X-Run-Id"]

    def written() -> list[dict[str, Any]]:
        lines = lines_of(admin, alice.username, "run")
        return [line for line in lines if line["detail"]["run_id"] == run_id]

    (line,) = eventually(written)
    assert (line["target"], line["outcome"]) == (f"dataset:{people}", "ok")
    assert line["detail"]["run_label"] == "two\\u000alines"
    assert "hello" not in str(line)


@pytest.mark.claim(38)
@pytest.mark.parametrize("sign", ["\n", "\r\n", "\u2028", "\x1b[2K", "\u202e"])
def test_nobody_smuggles_a_line_in(admin: Person, jim: Person, sign: str) -> None:
    """A refused path is the text of strangers that lines hold; names that nobody has are not written down."""
    name = f"mallory-{uuid4().hex[:8]}"
    smuggled = quote(f"{name}{sign}2026-01-01 admin log_in ok")
    assert jim.http.post(f"/api/v2/admin/users/{smuggled}/disable").status_code == 403
    found = eventually(lambda: [text for text in audit_texts(admin) if name in text])
    assert len(found) == 1
    assert all(character.isprintable() for character in found[0])


def audit_texts(admin: Person) -> list[str]:
    """The texts of the newest lines, each as one would print it."""
    page = admin.http.get("/api/v2/admin/audit", params={"limit": 50}).json()
    return [
        " ".join(str(line[key]) for key in ("at", "actor", "action", "target", "outcome")) for line in page["results"]
    ]


@pytest.mark.claim(38)
def test_no_line_holds_a_token_a_password_or_code(admin: Person, jim: Person) -> None:
    jim.run(jim.upload(SMALL_EDGES), "def task(g): return 'canary-of-the-audit'")
    page = admin.http.get("/api/v2/admin/audit", params={"limit": 1000}).text
    for secret in (PASSWORD, "wrong horse", jim.token, "canary-of-the-audit", "def task"):
        assert secret not in page
