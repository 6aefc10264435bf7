"""Addresses as senders are counted by them: by network, and by site."""

from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

_NETWORK_PREFIX: Final = 64
"""All addresses of one IPv6 network count as one, because a client that has one of them usually has them all."""

_SITE_PREFIX: Final = 48
"""A customer may have all 65,536 networks of a site. So what senders share is counted by site."""

_NAT64: Final = IPv6Network("64:ff9b::/96")
"""IPv4 addresses as a translator writes them."""


@lru_cache(maxsize=4096)
def network_of(address: str) -> str:
    """Return the network that an address counts as: itself, or its /64 if it is an IPv6 address."""
    return _within(address, _NETWORK_PREFIX)


@lru_cache(maxsize=4096)
def site_of(address: str) -> str:
    """Return the site that an address counts as: itself, or its /48 if it is an IPv6 address."""
    return _within(address, _SITE_PREFIX)


def _within(address: str, prefix: int) -> str:
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if not isinstance(parsed, IPv6Address):
        return address
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    if parsed in _NAT64:
        return str(IPv4Address(int(parsed) & 0xFFFFFFFF))
    return str(ip_network((int(parsed), prefix), strict=False))
