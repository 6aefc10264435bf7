"""Behind a proxy: where a request comes from, and under which URL clients know this server.

``X-Forwarded-For`` and ``X-Forwarded-Proto`` are believed only if the connection, or the hop before, comes from
``trusted_forwarders``; otherwise they are ignored. If ``public_url`` is set, it decides scheme and host, and with them
which cookies are ``Secure`` and which ``Origin`` is our own.
"""

from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Receive, Scope, Send

Network = IPv4Network | IPv6Network


class Forwarding:
    """Plain ASGI: corrects ``client``, ``scheme`` and the ``host`` header of the scope."""

    def __init__(self, app: ASGIApp, trusted: Sequence[str] = (), public_url: str | None = None) -> None:
        self._app = app
        self._trusted = [ip_network(cidr, strict=False) for cidr in trusted]
        self._public = urlsplit(public_url) if public_url else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            self._correct(scope)
        await self._app(scope, receive, send)

    def _correct(self, scope: Scope) -> None:
        client = scope.get("client")
        if client is not None and is_trusted(client[0], self._trusted):
            hops = _header(scope, b"x-forwarded-for").split(",")
            scope["client"] = (first_untrusted(client[0], hops, self._trusted), 0)
            if _header(scope, b"x-forwarded-proto").strip() in ("http", "https"):
                scope["scheme"] = _header(scope, b"x-forwarded-proto").strip()
        if self._public is not None:
            scope["scheme"] = self._public.scheme
            others = [item for item in scope["headers"] if item[0] != b"host"]
            scope["headers"] = [(b"host", self._public.netloc.encode("idna")), *others]


def is_trusted(address: str, trusted: Sequence[Network]) -> bool:
    """Return True if ``address`` is an address in one of the networks."""
    try:
        return any(ip_address(address) in network for network in trusted)
    except ValueError:
        return False


def first_untrusted(peer: str, hops: Sequence[str], trusted: Sequence[Network]) -> str:
    """Return the client's address. Hops are read from the right; each is believed if the one after it is trusted.

    An entry that is not an address ends the reading: the hop that named it is the client.
    """
    client = peer
    for hop in reversed(hops):
        try:
            address = str(ip_address(hop.strip()))
        except ValueError:
            break
        client = address
        if not is_trusted(address, trusted):
            break
    return client


def _header(scope: Scope, name: bytes) -> str:
    """Return all values of a header, joined by commas."""
    return ",".join(value.decode("latin-1") for key, value in scope["headers"] if key == name)
