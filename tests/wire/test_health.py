"""Probes ask without signing in (protocol 7)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest

if TYPE_CHECKING:
    from tests.conftest import LiveServer

pytestmark = pytest.mark.e2e

PROBES = ["/healthz", "/ht/", "/healthcheck/", "/caddy/health/", "/readyz"]


@pytest.mark.parametrize("path", [*PROBES, *(path.rstrip("/") for path in PROBES), "/healthz/"])
@pytest.mark.protocol("7")
def test_a_probe_is_answered_in_both_slash_forms(server: LiveServer, path: str) -> None:
    answer = httpx.get(server.url + path)
    assert (answer.status_code, answer.json()) == (200, {"success": True})


def test_a_probe_tolerates_trace_headers(server: LiveServer) -> None:
    headers = {
        "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "tracestate": "x=1",
        "baggage": "a=b",
    }
    assert httpx.get(f"{server.url}/healthz", headers=headers).status_code == 200


def test_a_server_without_cross_origin_settings_says_nothing_of_origins(server: LiveServer) -> None:
    answer = httpx.get(f"{server.url}/healthz", headers={"Origin": "https://elsewhere.example"})
    assert not [name for name in answer.headers if name.startswith("access-control-")]
