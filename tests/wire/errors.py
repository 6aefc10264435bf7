"""The shape that all errors of the server have, checked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx

REPOSITORY = str(Path(__file__).parents[2])


NOWHERE = "0" * 32


# Keys beside error, type and request_id, by what the path is about (protocol 0.3).
FAMILIES = {
    "auth": {"non_field_errors"},
    "files": {"is_valid", "is_uploaded", "errors"},
    "datasets": {"success", "message"},
    "organizations": {"status", "message"},
}


def assert_error(answer: httpx.Response, status: int, kind: str, family: str = "datasets") -> dict[str, Any]:
    """Return the body of ``answer``; fail unless it is an error of this status and type in the shape of all errors."""
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/json"), answer.text
    body: dict[str, Any] = answer.json()
    assert body["type"] == kind, body
    assert isinstance(body["error"], str)
    assert body["error"]
    assert set(answer.headers.get_list("x-request-id")) == {body["request_id"]}
    assert FAMILIES[family] <= body.keys()
    told = json.dumps({**body, "traceback": body.get("traceback", "").replace("Traceback (most recent call last)", "")})
    for ours in ("site-packages", REPOSITORY, "runtime/", "deployments/", "Traceback", ".venv", "catalog.sqlite"):
        assert ours not in told
    return body


def family_of(path: str) -> str:
    return (
        "files"
        if "/files/" in path
        else "organizations"
        if path.startswith(("/api/v2/share", "/api/v2/o/"))
        else "datasets"
    )
