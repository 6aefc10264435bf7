"""Words of strangers in the server's own places: no line of a log, no header, no markup, no row is theirs to make."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from tests.attacks.arena import Arena
from tests.waiting import WITHIN_S

pytestmark = pytest.mark.e2e

MARK = f"mark{uuid4().hex[:12]}"
LINE = f"{MARK} INFO graphside.ingress: admin signed in"
WORDS = {
    "lines": f"x\r\n{LINE}\n\n{LINE}\r{LINE}\u2028{LINE}\x85{LINE}",
    "headers": f"x\r\nX-Evil: {MARK}\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\n\r\n",
    "a terminal": f"\x1b[2J\x1b]0;{MARK}\x07\x9b31m\b\b\x7f",
    "markup": f"<script>{MARK}</script>\"'><img src=x onerror={MARK}>{{{{7*7}}}}{{% raw %}}${{7*7}}",
    "formats": f"%s%n%(levelname)s{{0.__class__}}{{}}%% {MARK} ${{jndi:ldap://x}}",
    "nothing": f"\0{MARK}\0",
    "turned": f"\u202e{MARK}\u2066\ufeff\U000e0041",
    "much": MARK + "a" * 200_000,
}


@pytest.fixture(scope="module")
def http(arena: Arena) -> Iterator[httpx.Client]:
    """A client that sends text which other clients refuse to send."""
    headers = {"Authorization": arena.person.http.headers["Authorization"]}
    with httpx.Client(base_url=arena.server.url, headers=headers, timeout=WITHIN_S, trust_env=False) as client:
        yield client


def no_line_is_theirs(arena: Arena) -> None:
    """Assert that no forged line is in the logs of the server, Ray and HAProxy."""
    forged = (
        b"\n" + LINE.encode(),
        b"\r" + LINE.encode(),
        b"\x1b[2J",
        b"\x1b]0;" + MARK.encode(),
        b"\0" + MARK.encode(),
    )
    files: list[tuple[Path, bytes]] = [*arena.server.logs()]
    stdout = arena.server.data.parent / f"{arena.server.data.name}.log"
    assert files
    for path, content in (*files, (stdout, stdout.read_bytes())):
        for words in forged:
            assert words not in content, f"{path}: {words!r}"
        assert MARK.encode() + b"a" * 10_000 not in content, f"{path} logged a long text whole"


def no_header_is_theirs(answer: httpx.Response) -> None:
    assert "x-evil" not in answer.headers
    assert not any("\n" in value or "\r" in value or "\x1b" in value for value in answer.headers.values())
    assert answer.status_code < 500, answer.text[:300]


@pytest.mark.parametrize("kind", WORDS)
def test_hostile_text_in_a_run_stays_text(arena: Arena, http: httpx.Client, kind: str) -> None:
    """Its label, what it prints, raises and returns; its receipt and its line of audit."""
    words = WORDS[kind]
    code = f"import sys, warnings\nWORDS = {words!r}\ndef task(g):\n    print(WORDS); print(WORDS, file=sys.stderr)\n"
    for ends in (
        "    raise ValueError(WORDS)",
        "    return WORDS",
        "    raise type(WORDS[:50], (Exception,), {})(WORDS)",
    ):
        body = {"execute": code + ends, "run_label": words}
        answer = http.post(f"/api/v2/datasets/{arena.dataset_id}/python", json=body)
        no_header_is_theirs(answer)
        assert answer.status_code in (200, 422)
        receipt = http.get(f"/api/v2/runs/{answer.headers['x-run-id']}")
        no_header_is_theirs(receipt)
        assert receipt.status_code == 200
        label = receipt.json()["run_label"]
        assert label == words[:1000].replace("\0", "\ufffd")
    no_header_is_theirs(http.get("/api/v2/runs", params={"run_label": words[:500]}))
    audit = http.get("/api/v2/admin/audit/", params={"limit": 20})
    assert audit.status_code == 200, audit.text
    for line in audit.json()["results"]:
        assert not any(
            ord(character) < 32 or ord(character) == 127 for character in json.dumps(line, ensure_ascii=False)
        )
        assert len(json.dumps(line)) < 10_000
    no_line_is_theirs(arena)


@pytest.mark.parametrize("kind", WORDS)
def test_hostile_text_in_a_dataset_stays_text(arena: Arena, http: httpx.Client, kind: str) -> None:
    """Its name, description, bindings and columns, in the API, on its page and in what loads it."""
    words = WORDS[kind]
    payload = {
        "name": words, "description": words, "metadata": {"name": words, "agent": words, "bg": {words[:50]: words}},
        "edge_encodings": {"bindings": {"source": words, "destination": words, "edge_color": words}},
        "node_encodings": {"bindings": {}, "complex": {"default": {words[:50]: {"graphType": words}}}},
        "url_params": {words[:50]: words},
    }  # fmt: skip
    made = http.post("/api/v2/upload/datasets/", json=payload)
    no_header_is_theirs(made)
    assert (made.status_code == 201) == (kind != "much"), made.text
    if kind == "much":  # longer than a name may be
        assert len(made.content) < 1000
        return
    dataset_id = made.json()["data"]["dataset_id"]
    column = words[:300].replace('"', "'").replace("\r", " ").replace("\n", " ").replace("\0", " ")
    table = f'"{column}",d\n1,2\n'.encode()
    for content in (table, b"\xff\xfe" + words[:500].encode(), words[:500].encode()):
        no_header_is_theirs(http.post(f"/api/v2/upload/datasets/{dataset_id}/edges/csv", content=content))
    for path in (f"/api/v2/datasets/{dataset_id}", f"/api/v2/upload/datasets/{dataset_id}", "/api/v2/datasets"):
        no_header_is_theirs(http.get(path))
    page = http.get("/graph/graph.html", params={"dataset": dataset_id}, headers={"accept": "text/html"})
    no_header_is_theirs(page)
    assert page.status_code == 200
    assert f"<script>{MARK}" not in page.text
    assert f"<img src=x onerror={MARK}" not in page.text
    assert "\x1b" not in page.text
    run = http.post(
        f"/api/v2/datasets/{dataset_id}/python", json={"execute": "def task(g): return [g._name, g._source]"}
    )
    no_header_is_theirs(run)
    assert run.status_code == 200, run.text
    no_header_is_theirs(http.delete(f"/api/v2/datasets/{dataset_id}"))
    no_line_is_theirs(arena)


@pytest.mark.parametrize("kind", WORDS)
def test_hostile_text_in_paths_headers_and_names_stays_text(arena: Arena, http: httpx.Client, kind: str) -> None:
    words = WORDS[kind][:2000]
    for path in ("/api/v2/datasets/", "/api/v2/runs/", "/api/v2/files/", "/graph/graph.html?dataset=", "/nowhere/"):
        no_header_is_theirs(http.get(path + httpx.QueryParams({"x": words})["x"].encode().hex()))
        quoted = "".join(f"%{byte:02x}" for byte in words.encode())
        no_header_is_theirs(http.get(path + quoted))
    plain = "".join(character for character in words if " " <= character < "\x7f")
    for name in ("X-Request-Id", "User-Agent", "X-Forwarded-For", "X-Run-Id", "Accept", "Origin"):
        no_header_is_theirs(http.get("/api/v2/datasets", headers={name: plain}))
    for body in ({"username": words, "password": words}, {"username": "admin", "password": words}):
        no_header_is_theirs(http.post("/api-token-auth/", json=body))
    no_header_is_theirs(http.get(f"/login?next={quoted}"))
    no_header_is_theirs(http.post("/api/v2/files/", json={"file_type": "csv", "name": words, "agent_name": words}))
    no_line_is_theirs(arena)
