"""Reads a signed token strictly, before its signature is verified (RFC 7515, RFC 8725)."""

import base64
import binascii
import json
import re
from typing import Any, Final  # Any: JSON values

from auth.errors import TokenInvalid

MAXIMUM_BYTES: Final = 8192
_BASE64URL: Final = re.compile(r"[A-Za-z0-9_-]+")
_LEADS_TO_A_KEY: Final = frozenset(("jku", "jwk", "x5u", "x5c"))

Members = dict[str, Any]


def read_unverified(token: str) -> tuple[Members, Members]:
    """Return header and payload of a JWT. Nothing in them is verified.

    Raises ``TokenInvalid`` if the token is not a JWT or is longer than 8 KiB, if a member occurs twice (parsers differ
    in which of the two they take), and if the header has critical extensions or says where its key is.
    """
    if not token.isascii() or len(token) > MAXIMUM_BYTES:
        raise TokenInvalid("too long or not ASCII")
    parts = token.split(".")
    if len(parts) != 3 or not all(_BASE64URL.fullmatch(part) for part in parts):
        raise TokenInvalid("not three parts of base64url")
    header, payload = _members(parts[0]), _members(parts[1])
    if "crit" in header:
        raise TokenInvalid("a critical extension")
    if not _LEADS_TO_A_KEY.isdisjoint(header):
        raise TokenInvalid("a header that brings its own key")
    return header, payload


def _members(part: str) -> Members:
    try:
        text = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)).decode("utf-8")
        members = json.loads(text, object_pairs_hook=_without_duplicates)
    except (binascii.Error, ValueError, RecursionError) as error:
        raise TokenInvalid(type(error).__name__) from None
    if not isinstance(members, dict):
        raise TokenInvalid("not a JSON object")
    return members


def _without_duplicates(pairs: list[tuple[str, Any]]) -> Members:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member occurs twice")
    return members
