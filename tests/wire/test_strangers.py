"""Whom the server lets in: nobody without a good token."""

from __future__ import annotations

import httpx
import pytest

from tests.conftest import LiveServer, Person
from tests.wire.errors import assert_error, family_of
from tests.wire.tokens import ask

pytestmark = pytest.mark.e2e

PROTECTED = [
    ("GET", "/api/v2/files/"),
    ("POST", "/api/v2/files/"),
    ("GET", "/api/v2/files/{dataset}"),
    ("DELETE", "/api/v2/files/{dataset}"),
    ("PATCH", "/api/v2/files/{dataset}"),
    ("POST", "/api/v2/upload/files/{dataset}"),
    ("POST", "/api/v2/upload/datasets/"),
    ("POST", "/api/v2/upload/datasets/{dataset}/edges/arrow"),
    ("GET", "/api/v2/upload/datasets/{dataset}"),
    ("GET", "/api/v2/datasets/"),
    ("GET", "/api/v2/datasets/{dataset}/"),
    ("DELETE", "/api/v2/datasets/{dataset}/"),
    ("POST", "/api/v2/datasets/{dataset}/python"),
    ("POST", "/api/v2/share/link/"),
    ("GET", "/api/v2/share/link/{dataset}"),
    ("GET", "/api/v2/users/me/"),
    ("POST", "/api/v2/o/x/switch/"),
    ("GET", "/api/v2/admin/users/"),
    ("PUT", "/api/v2/admin/flags/x/"),
]


STRANGERS = {
    "nothing": {},
    "empty": {"Authorization": ""},
    "bearer of nothing": {"Authorization": "Bearer"},
    "no token": {"Authorization": "Bearer a.b.c"},
    "other scheme": {"Authorization": "Basic YWRtaW46YWRtaW4="},
    "unsigned": {"Authorization": "Bearer eyJhbGciOiJub25lIn0.eyJ1c2VyX2lkIjoxLCJ1c2VybmFtZSI6ImFkbWluIn0."},
}


@pytest.mark.claim(29)
@pytest.mark.protocol("1.1")
@pytest.mark.parametrize(("method", "path"), PROTECTED)
def test_nobody_gets_in_without_a_token(server: LiveServer, people: str, method: str, path: str) -> None:
    path = path.format(dataset=people)
    for headers in STRANGERS.values():
        answer = httpx.request(method, server.url + path, headers=headers, content=b"{}")
        assert_error(answer, 401, "Unauthenticated", family_of(path))
        assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.protocol("1.1")
def test_a_token_may_stand_among_blanks(server: LiveServer, alice: Person, people: str) -> None:
    for header in (f"Bearer   {alice.token}", f"bearer {alice.token}", f"Bearer Bearer {alice.token}"):
        answer = httpx.get(f"{server.url}/api/v2/datasets/{people}/", headers={"Authorization": header})
        assert answer.status_code == 200, header


@pytest.mark.claim(29)
def test_a_stranger_is_401_and_a_user_without_the_right_is_403(server: LiveServer, alice: Person) -> None:
    for path in ("/api/v2/admin/users/", "/api/v2/admin/audit/"):
        assert httpx.get(server.url + path, trust_env=False).status_code == 401
        assert ask(server, "a.b.c", path) == 401
        assert ask(server, alice.token, path) == 403
