"""Tokens that the server would not give out, signed with the key that it was given."""

import base64
import json
import time
from typing import Any, Final  # Any: claims

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tools.record_wire.server import SIGNING_WORDS

ISSUER: Final = "https://id.example"
AUDIENCE: Final = "graphs"


def minted(token: str, *, key: str = SIGNING_WORDS, header: dict[str, Any] | None = None, **claims: Any) -> str:
    """A token of the server's with other claims, and a header with other members. A claim of None goes."""
    head, payload = (json.loads(_decoded(part)) for part in token.split(".")[:2])
    changed = {name: value for name, value in {**payload, **claims}.items() if value is not None}
    return jwt.encode(changed, key, algorithm="HS256", headers={**head, **(header or {})})


def unsigned(token: str) -> str:
    """The same token with the algorithm none."""
    head, payload = (json.loads(_decoded(part)) for part in token.split(".")[:2])
    parts = (_encoded({**head, "alg": "none"}), _encoded(payload), "")
    return ".".join(parts)


class OtherIssuer:
    """Another server that signs tokens."""

    def __init__(self) -> None:
        self._key = Ed25519PrivateKey.generate()

    @property
    def public_key(self) -> bytes:
        """As PEM."""
        return self._key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    def token(self, **claims: Any) -> str:
        """For ``ann`` unless the claims say otherwise. A claim of None goes."""
        now = int(time.time())
        usual = {"iss": ISSUER, "aud": AUDIENCE, "sub": "ann", "iat": now, "exp": now + 600, "jti": "one"}
        payload = {name: value for name, value in {**usual, **claims}.items() if value is not None}
        return jwt.encode(payload, self._key, algorithm="EdDSA")


def _decoded(part: str) -> bytes:
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def _encoded(value: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")
