"""Forwarded addresses are believed from trusted proxies only."""

from typing import Any

import pytest

from deployments.ingress.middleware.forwarding import Forwarding

pytestmark = pytest.mark.anyio

TRUSTED = ("10.0.0.0/8",)


async def corrected(
    peer: str, headers: dict[str, str], trusted: tuple[str, ...] = TRUSTED, **options: Any
) -> dict[str, Any]:
    """Return the scope that the app sees."""
    seen: dict[str, Any] = {}

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.update(scope)

    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "client": (peer, 1), "scheme": "http", "headers": raw}
    await Forwarding(app, trusted, **options)(scope, None, None)  # type: ignore[arg-type]
    return seen


@pytest.mark.parametrize(
    ("peer", "forwarded_for", "client"),
    [
        ("203.0.113.9", "198.51.100.1", "203.0.113.9"),  # an untrusted peer is ignored
        ("10.0.0.1", "198.51.100.1", "198.51.100.1"),
        (
            "10.0.0.1",
            "192.0.2.66, 198.51.100.1",
            "198.51.100.1",
        ),  # the client itself wrote the first
        ("10.0.0.1", "198.51.100.1, 10.2.0.1", "198.51.100.1"),  # two trusted hops
        ("10.0.0.1", "nonsense", "10.0.0.1"),
        ("10.0.0.1", "2001:db8::1", "2001:db8::1"),
        ("10.0.0.1", "", "10.0.0.1"),
    ],
)
async def test_the_client_is_the_last_hop_that_is_not_a_trusted_proxy(
    peer: str, forwarded_for: str, client: str
) -> None:
    assert (await corrected(peer, {"x-forwarded-for": forwarded_for}))["client"][0] == client


async def test_the_scheme_is_believed_from_trusted_forwarders_only() -> None:
    assert (await corrected("10.0.0.1", {"x-forwarded-proto": "https"}))["scheme"] == "https"
    assert (await corrected("203.0.113.9", {"x-forwarded-proto": "https"}))["scheme"] == "http"
    assert (await corrected("10.0.0.1", {"x-forwarded-proto": "gopher"}))["scheme"] == "http"


async def test_the_public_url_has_the_last_word() -> None:
    scope = await corrected("203.0.113.9", {"host": "evil.example"}, public_url="https://graphs.example:8443")
    assert scope["scheme"] == "https"
    assert dict(scope["headers"])[b"host"] == b"graphs.example:8443"
