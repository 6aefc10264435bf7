"""Addresses as senders are counted by them."""

from functools import lru_cache
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Final

_IPV6_PREFIX: Final = 64
"""All addresses of one IPv6 network count as one, because a client that has one of them usually has them all."""


@lru_cache(maxsize=4096)
def network_of(address: str) -> str:
    """Return the network that an address counts as: itself, or its /64 if it is an IPv6 address."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ip_network((parsed, _IPV6_PREFIX), strict=False))
    return address
