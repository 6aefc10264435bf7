"""Tokens that another server signs: verified with its public keys, and mapped to users of ours.

    foreign = ForeignTokens(ForeignIssuer("https://id.example", audience="graphs", jwks_url="https://id.example/jwks"))
    claims = foreign.verify(token)

Algorithms are pinned and asymmetric, issuer and audience required. Keys come from where the operator said, and never
from where a token says. Everything blocks (keys are fetched): not for an event loop.
"""

import hashlib
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal  # Any: claims
from urllib.parse import urlsplit

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from auth.errors import TokenExpired, TokenInvalid
from auth.jose import read_unverified

Algorithm = Literal["RS256", "ES256", "EdDSA"]
PublicKey = RSAPublicKey | EllipticCurvePublicKey | Ed25519PublicKey

LEEWAY_S: Final = 5
KEYS_LIVE_S: Final = 300
FETCH_TIMEOUT_S: Final = 5
AFTER_FAILURE_S: Final = 5
_RSA_BITS: Final = 2048
_TYPES: Final = (None, "jwt", "at+jwt")
_LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, slots=True)
class ForeignIssuer:
    """Whom to believe. Exactly one of ``jwks_url`` and ``key_file`` (PEM, a public key).

    ``username_claim`` names the claim that is a username here. With ``auto_create`` a name that nobody has becomes a
    user, without a password and without rights. Raises ``ValueError`` for what would be unsafe.
    """

    issuer: str
    audience: str
    jwks_url: str | None = None
    key_file: Path | None = None
    algorithms: tuple[Algorithm, ...] = ("RS256", "ES256", "EdDSA")
    username_claim: str = "sub"
    auto_create: bool = False

    def __post_init__(self) -> None:
        if not self.issuer or not self.audience or not self.username_claim:
            raise ValueError("foreign tokens need an issuer, an audience and a claim that names the user")
        if (self.jwks_url is None) == (self.key_file is None):
            raise ValueError("foreign tokens need a JWKS URL or a public key file, and not both")
        if not self.algorithms or not set(self.algorithms) <= {"RS256", "ES256", "EdDSA"}:
            raise ValueError("foreign tokens are signed with RS256, ES256 or EdDSA")
        if self.jwks_url is not None:
            url = urlsplit(self.jwks_url)
            if url.scheme != "https" and not (url.scheme == "http" and url.hostname in _LOOPBACK):
                raise ValueError("keys are fetched over https")


@dataclass(frozen=True, slots=True)
class ForeignClaims:
    """What a verified foreign token says. Times are Unix seconds. ``session`` names this one token."""

    username: str
    email: str
    name: str
    issued_at: float
    expires_at: float
    session: str


class ForeignTokens:
    """Verifies the tokens of one issuer. Threads may share it."""

    def __init__(self, issuer: ForeignIssuer) -> None:
        self.issuer = issuer
        self._keys: _Keys = _OneKey(issuer.key_file) if issuer.key_file else _FetchedKeys(str(issuer.jwks_url))

    def verify(self, token: str) -> ForeignClaims:
        """The claims of a token that is in force. Raises ``TokenExpired`` or ``TokenInvalid``."""
        header, _ = read_unverified(token)
        algorithm, kid, kind = header.get("alg"), header.get("kid"), header.get("typ")
        if algorithm not in self.issuer.algorithms or not (kind is None or isinstance(kind, str)):
            raise TokenInvalid("an algorithm or type that is not allowed")
        if (kind.lower() if kind else None) not in _TYPES or not (kid is None or isinstance(kid, str)):
            raise TokenInvalid("a type that is not allowed")
        try:
            payload = jwt.decode(
                token,
                _fitting(self._keys.find(kid), algorithm),
                algorithms=[algorithm],
                issuer=self.issuer.issuer,
                audience=self.issuer.audience,
                leeway=LEEWAY_S,
                options={"require": ["exp", "iat", "iss", "aud", self.issuer.username_claim]},
            )
        except jwt.ExpiredSignatureError:
            raise TokenExpired from None
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError) as error:
            raise TokenInvalid(type(error).__name__) from None
        return self._claims(payload, token)

    def _claims(self, payload: dict[str, Any], token: str) -> ForeignClaims:
        username = payload[self.issuer.username_claim]
        issued_at, expires_at = payload["iat"], payload["exp"]
        if not isinstance(username, str) or not username:
            raise TokenInvalid("no name in the claim that names the user")
        if not all(isinstance(time_, int | float) and not isinstance(time_, bool) for time_ in (issued_at, expires_at)):
            raise TokenInvalid("a time that is no number")
        session = hashlib.sha256(
            token.rpartition(".")[0].encode()
        ).hexdigest()  # less the signature: some can be varied
        email, name = payload.get("email"), payload.get("name")
        return ForeignClaims(
            username,
            email if isinstance(email, str) and payload.get("email_verified") is True else "",
            name if isinstance(name, str) else "",
            float(issued_at),
            float(expires_at),
            session,
        )


class _Keys:
    def find(self, kid: str | None) -> Any:
        """The key of that id. Raises ``TokenInvalid``."""
        raise NotImplementedError


class _OneKey(_Keys):
    """From a file; the id does not matter."""

    def __init__(self, path: Path) -> None:
        self._key = load_pem_public_key(path.read_bytes())

    def find(self, kid: str | None) -> Any:  # noqa: ARG002
        return self._key


class _FetchedKeys(_Keys):
    """From a URL, kept five minutes. An unknown id fetches anew, at most twice a minute; redirects are not followed."""

    def __init__(self, url: str) -> None:
        self._client = jwt.PyJWKClient(url, lifespan=KEYS_LIVE_S, timeout=FETCH_TIMEOUT_S, cooldown_duration=30)
        self._lock = threading.Lock()
        self._failed_at: float | None = None

    def find(self, kid: str | None) -> Any:
        if kid is None:
            raise TokenInvalid("no key is named")
        # One thread fetches, and after a failure none for a while: the others would all wait for it.
        with self._lock:
            if self._failed_at is not None and time.monotonic() - self._failed_at < AFTER_FAILURE_S:
                raise TokenInvalid("the issuer's keys cannot be had")
            try:
                return self._client.get_signing_key(kid).key
            except jwt.PyJWKClientConnectionError as error:
                self._failed_at = time.monotonic()
                raise TokenInvalid("the issuer's keys cannot be had") from error
            except (jwt.PyJWTError, ValueError) as error:
                raise TokenInvalid(type(error).__name__) from None


def _fitting(key: Any, algorithm: str) -> Any:
    """The key, if it is one for this algorithm and strong enough. Raises ``TokenInvalid``."""
    if algorithm == "RS256":
        fits = isinstance(key, RSAPublicKey) and key.key_size >= _RSA_BITS
    elif algorithm == "ES256":
        fits = isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1)
    else:
        fits = isinstance(key, Ed25519PublicKey)
    if not fits:
        raise TokenInvalid("a key of another kind")
    return key
