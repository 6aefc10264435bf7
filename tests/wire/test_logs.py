"""What the logs hold: requests and runs, and no secret."""

from __future__ import annotations

from uuid import uuid4

import httpx
import pytest

from tests.conftest import SMALL_EDGES, LiveServer, Person
from tests.waiting import WITHIN_S, eventually

pytestmark = pytest.mark.e2e


@pytest.mark.claim(40)
def test_logs_hold_no_authorization_cookie_password_or_code(server: LiveServer, alice: Person) -> None:
    """Each of these is sent in every way there is; the end of all tests looks again (``tests/conftest.py``)."""

    def canary(kind: str) -> str:
        secret = f"canary-{kind}-{uuid4().hex}"
        server.secrets.add(secret)
        return secret

    seen = f"seen-{uuid4().hex}"  # this one is logged: the proof that we look where requests are written down
    with httpx.Client(base_url=server.url, trust_env=False, timeout=WITHIN_S) as http:
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

    eventually(lambda: any(seen.encode() in content for _, content in server.logs()))
    assert server.leaks() == []
