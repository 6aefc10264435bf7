"""Every refusal: its status, its type, one shape, the keys that clients of the route read, and nothing of the server's.

One row a mistake. What a body must never hold is checked on every row (``assert_error``).
"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tests.conftest import LiveServer, Person
from tests.unit.http.site import Site, TestClient
from tests.waiting import WITHIN_S
from tests.wire.errors import NOWHERE, REPOSITORY, assert_error

pytestmark = pytest.mark.e2e

# One mistake a row: method, path, body (JSON unless bytes), status, type, family


MISTAKES: list[tuple[str, str, Any, int, str, str]] = [
    ("POST", "/api-token-auth/", {}, 400, "InvalidRequest", "auth"),
    ("POST", "/api-token-auth/", b"{", 400, "InvalidRequest", "auth"),
    ("POST", "/api-token-auth/", {"username": "x", "password": "y"}, 400, "InvalidCredentials", "auth"),
    ("POST", "/api-token-auth/", {"username": "x", "password": 1}, 400, "InvalidRequest", "auth"),
    ("POST", "/api-token-auth/", {"username": "\0", "password": "\ud83d\ude00" * 9}, 400, "InvalidCredentials", "auth"),
    ("POST", "/api/v2/auth/token/generate", {"username": "x", "password": "y"}, 400, "InvalidCredentials", "auth"),
    ("POST", "/api/v2/auth/token/refresh", {"token": "a.b.c"}, 401, "Unauthenticated", "auth"),
    ("POST", "/api/v2/auth/token/refresh", {}, 400, "InvalidRequest", "auth"),
    ("POST", "/api-token-refresh/", {"token": ""}, 401, "Unauthenticated", "auth"),
    ("POST", "/api-token-verify/", {"token": "a.b.c"}, 400, "InvalidRequest", "auth"),
    ("POST", "/api/v2/o/others/switch/", None, 404, "NotFound", "organizations"),
    ("POST", "/api/v2/files/", {}, 400, "InvalidRequest", "files"),
    ("POST", "/api/v2/files/", {"file_type": "exe"}, 400, "InvalidRequest", "files"),
    ("POST", "/api/v2/files/", {"file_type": "csv", "sql_transforms": ["x"]}, 400, "InvalidRequest", "files"),
    ("POST", "/api/v2/files/", b"file_type=csv", 400, "InvalidRequest", "files"),
    ("GET", "/api/v2/files/?limit=many", None, 400, "InvalidRequest", "files"),
    ("GET", f"/api/v2/files/{NOWHERE}", None, 404, "NotFound", "files"),
    ("DELETE", f"/api/v2/files/{NOWHERE}", None, 404, "NotFound", "files"),
    ("PATCH", f"/api/v2/files/{NOWHERE}", {"name": "n"}, 404, "NotFound", "files"),
    ("POST", f"/api/v2/upload/files/{NOWHERE}?erase=true", b"ARROW1", 404, "NotFound", "files"),
    ("POST", "/api/v2/upload/datasets/", {"node_encodings": 3}, 400, "InvalidRequest", "datasets"),
    ("POST", "/api/v2/upload/datasets/", {"edge_encodings": {}}, 400, "InvalidRequest", "datasets"),
    ("POST", "/api/v2/upload/datasets/", {"edge_files": [NOWHERE]}, 404, "NotFound", "datasets"),
    ("POST", "/api/v2/upload/datasets/", {"edge_files": [[NOWHERE, 0]]}, 404, "NotFound", "datasets"),
    ("POST", "/api/v2/upload/datasets/", {"edge_files": [{}]}, 400, "InvalidRequest", "datasets"),
    ("POST", "/api/v2/upload/datasets/", {"edge_files": [[NOWHERE, 7]]}, 400, "InvalidRequest", "datasets"),
    ("POST", "/api/v2/upload/datasets/", b"[]", 400, "InvalidRequest", "datasets"),
    ("POST", f"/api/v2/upload/datasets/{NOWHERE}/edges/arrow", b"", 404, "NotFound", "datasets"),
    ("GET", f"/api/v2/upload/datasets/{NOWHERE}", None, 404, "NotFound", "datasets"),
    ("GET", f"/api/v2/datasets/{NOWHERE}/", None, 404, "NotFound", "datasets"),
    ("GET", "/api/v2/datasets/../../etc/passwd", None, 404, "NotFound", "datasets"),
    ("GET", "/api/v2/datasets/?offset=-1", None, 400, "InvalidRequest", "datasets"),
    ("GET", "/api/v2/datasets/?limit=99999999999999999999", None, 400, "InvalidRequest", "datasets"),
    ("DELETE", f"/api/v2/datasets/{NOWHERE}/", None, 404, "NotFound", "datasets"),
    ("POST", f"/api/v2/datasets/{NOWHERE}/python", {"execute": "def task(g): return 1"}, 404, "NotFound", "datasets"),
    ("GET", f"/api/v2/datasets/{NOWHERE}/python", None, 405, "MethodNotAllowed", "datasets"),
    ("POST", "/api/v2/share/link/", {"obj_pk": NOWHERE}, 404, "NotFound", "organizations"),
    ("POST", "/api/v2/share/link/", {}, 400, "InvalidRequest", "organizations"),
    ("GET", f"/api/v2/share/link/{NOWHERE}", None, 404, "NotFound", "organizations"),
    ("POST", "/api/v2/upload/datasets/", {"org_name": "nowhere"}, 404, "NotFound", "datasets"),
    ("GET", "/api/v2/admin/users/", None, 403, "Forbidden", "datasets"),
    ("PUT", "/api/v2/admin/flags/x/", {"value": True}, 403, "Forbidden", "datasets"),
    ("GET", "/no/such/page", None, 404, "NotFound", "datasets"),
    ("PATCH", "/api-token-auth/", None, 405, "MethodNotAllowed", "auth"),
]


@pytest.mark.protocol("9.2")
@pytest.mark.parametrize(
    ("method", "path", "body", "status", "kind", "family"), MISTAKES, ids=[f"{row[0]} {row[1]}" for row in MISTAKES]
)
def test_a_mistake_has_its_status_type_and_keys(
    alice: Person, method: str, path: str, body: Any, status: int, kind: str, family: str
) -> None:
    content = body if isinstance(body, bytes) else None if body is None else json.dumps(body)
    told = assert_error(alice.http.request(method, path, content=content), status, kind, family)
    if family == "auth":
        assert told["non_field_errors"] == [told["error"]]
    if family == "datasets":
        assert (told["success"], told["message"]) == (False, told["error"])
    if family == "files":
        assert (told["is_valid"], told["errors"]) == (False, [told["error"]])


# The server's own failures


SERVERS_OWN = (REPOSITORY, "deployments/", "runtime/", "auth/", "catalog/", "site-packages", ".venv", "sqlite")


@pytest.mark.claim(39)
def test_an_internal_failure_shows_no_detail_of_the_server(tmp_path: Path) -> None:
    site = Site.open(tmp_path / "data")
    app: Any = site.browser().app

    async def broken(_: Request) -> Response:
        raise RuntimeError(f"cannot open {tmp_path}/secret")

    app.router.routes.append(Route("/broken", broken))
    answer = TestClient(app, raise_server_exceptions=False).get("/broken")  # an app without /openapi.json
    assert (answer.status_code, answer.json()["type"]) == (500, "InternalError")
    for ours in (*SERVERS_OWN, str(tmp_path), "Traceback", "RuntimeError", "line "):
        assert ours not in answer.text
    site.close()


# Too large


def test_an_announced_length_is_refused_before_the_body_comes(server: LiveServer, alice: Person, people: str) -> None:
    too_long = 1024**3 + 1
    for path in (f"/api/v2/upload/datasets/{people}/edges/arrow", f"/api/v2/datasets/{people}/python"):
        head = f"POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {alice.token}\r\n"
        head += f"Content-Length: {too_long}\r\n\r\n"
        with socket.create_connection(("127.0.0.1", server.port), timeout=WITHIN_S) as connection:
            connection.sendall(head.encode())
            answer = connection.recv(65536)  # nothing of the body has been sent
        assert answer.startswith(b"HTTP/1.1 413 "), answer


def test_a_body_without_a_length_is_refused_once_it_is_too_long(alice: Person, people: str) -> None:
    def endless() -> Iterator[bytes]:
        yield b'{"execute": "'
        for _ in range(64):
            yield b"#" * 1024 * 1024

    answer = alice.http.post(f"/api/v2/datasets/{people}/python", content=endless())
    body = assert_error(answer, 413, "TooLarge")
    assert body["limit_name"] == "body_bytes"
