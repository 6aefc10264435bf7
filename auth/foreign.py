"""Tokens that another server signs. They are verified with its public keys and mapped to users here.

    foreign = ForeignTokens(ForeignIssuer("https://id.example", audience="graphs", jwks_url="https://id.example/jwks"))
    claims = foreign.verify(token)

Algorithms are asymmetric and pinned; issuer and audience are required. Keys come from where the operator says, never
from where a token says. Every method may block to fetch keys, so do not call it on an event loop.
"""

import hashlib
import json
import logging
import math
import queue
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, get_args  # Any: claims
from urllib.parse import urlsplit

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from auth.errors import TokenExpired, TokenInvalid
from auth.jose import read_unverified
from auth.names import email_key, is_normal

log = logging.getLogger("graphside.auth")

Algorithm = Literal["RS256", "ES256", "EdDSA"]
ALGORITHMS: Final[tuple[Algorithm, ...]] = get_args(Algorithm)

LEEWAY_S: Final = 5
KEYS_LIVE_S: Final = 300
FETCH_TIMEOUT_S: Final = 5
AFTER_FAILURE_S: Final = 5
UNKNOWN_IDS_EVERY_S: Final = 30
MOST_KEY_BYTES: Final = 1024**2
MOST_KEYS: Final = 200
_RSA_BITS: Final = 2048
_TITLE_CHARACTERS: Final = 200
_NO_KEYS: Final = "the issuer's keys cannot be fetched"
_TYPES: Final = (None, "jwt", "at+jwt")
_LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, slots=True)
class ForeignIssuer:
    """A trusted issuer. Exactly one of ``jwks_url`` and ``key_file`` (a public key in PEM) is given.

    ``username_claim`` is the claim that holds the username. With ``auto_create`` an unknown username becomes a new
    user, without a password and without rights. Raises ``ValueError`` for an unsafe configuration.
    """

    issuer: str
    audience: str
    jwks_url: str | None = None
    key_file: Path | None = None
    algorithms: tuple[Algorithm, ...] = ALGORITHMS
    username_claim: str = "sub"
    auto_create: bool = False

    def __post_init__(self) -> None:
        if not self.issuer or not self.audience or not self.username_claim:
            raise ValueError("foreign tokens need an issuer, an audience and a claim that names the user")
        if (self.jwks_url is None) == (self.key_file is None):
            raise ValueError("foreign tokens need either a JWKS URL or a public key file")
        if not self.algorithms or not set(self.algorithms) <= set(ALGORITHMS):
            raise ValueError(f"foreign tokens are signed with one of {', '.join(ALGORITHMS)}")
        if self.jwks_url is not None:
            url = urlsplit(self.jwks_url)
            if url.scheme != "https" and not (url.scheme == "http" and url.hostname in _LOOPBACK):
                raise ValueError("the JWKS URL of foreign tokens must be https")


@dataclass(frozen=True, slots=True)
class ForeignClaims:
    """The claims of a verified foreign token. Times are Unix seconds. ``session`` identifies this one token."""

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
        """Return the claims of a token. Raises ``TokenExpired`` or ``TokenInvalid``."""
        header, _ = read_unverified(token)
        algorithm, kid, kind = header.get("alg"), header.get("kid"), header.get("typ")
        if algorithm not in self.issuer.algorithms or not (kind is None or isinstance(kind, str)):
            raise TokenInvalid("the algorithm or type is not allowed")
        if (kind.lower() if kind else None) not in _TYPES or not (kid is None or isinstance(kid, str)):
            raise TokenInvalid("the type is not allowed")
        try:
            payload = jwt.decode(
                token,
                _checked(self._keys.find(kid), algorithm),
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
        if not isinstance(username, str) or not is_normal(username):
            raise TokenInvalid("the username claim holds no name in its normal form")
        if not all(isinstance(time_, int | float) and not isinstance(time_, bool) for time_ in (issued_at, expires_at)):
            raise TokenInvalid("a time is not a number")
        signed_part = token.rpartition(".")[0]  # without the signature: some algorithms allow several
        session = hashlib.sha256(signed_part.encode()).hexdigest()
        email, name = payload.get("email"), payload.get("name")
        return ForeignClaims(
            username,
            email if isinstance(email, str) and email_key(email) and payload.get("email_verified") is True else "",
            name[:_TITLE_CHARACTERS] if isinstance(name, str) else "",
            float(issued_at),
            float(expires_at),
            session,
        )


class _Keys:
    def find(self, kid: str | None) -> Any:
        """Return the key with the id ``kid``. Raises ``TokenInvalid``."""
        raise NotImplementedError


class _OneKey(_Keys):
    """One key from a file, whatever id a token names."""

    def __init__(self, path: Path) -> None:
        self._key = load_pem_public_key(path.read_bytes())

    def find(self, kid: str | None) -> Any:  # noqa: ARG002
        return self._key


class _FetchedKeys(_Keys):
    """Keys from a URL, kept for five minutes. An unknown id makes us fetch again, at most twice a minute.

    One thread fetches while others that need its result wait. Keys that are there are found without waiting, so that
    tokens with made-up ids hold nobody up. After a failure no thread tries for a while.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._lock = threading.Lock()
        self._kept: _KeySet | None = None
        self._tried_at = -math.inf
        self._failed = False

    def find(self, kid: str | None) -> Any:
        if kid is None:
            raise TokenInvalid("the token names no key")
        if (key := self._known(kid)) is not None:
            return key
        with self._lock:
            if (key := self._known(kid)) is not None:  # another thread has fetched it
                return key
            self._fetch_if_due()
        if self._kept is None or self._kept.is_old():
            raise TokenInvalid(_NO_KEYS)
        if (key := self._known(kid)) is None:
            raise TokenInvalid("the key is unknown")
        return key

    def _known(self, kid: str) -> Any:
        kept = self._kept
        return None if kept is None or kept.is_old() else kept.keys.get(kid)

    def _fetch_if_due(self) -> None:
        is_old = self._kept is None or self._kept.is_old()
        pause_s = AFTER_FAILURE_S if self._failed else 0 if is_old else UNKNOWN_IDS_EVERY_S
        if time.monotonic() - self._tried_at < pause_s:
            return
        try:
            self._kept = _KeySet(_parsed(_fetched(self._url)), time.monotonic())
            self._failed = False
        except (OSError, httpx.HTTPError, jwt.PyJWTError, ValueError, RecursionError) as error:
            log.warning("foreign.no_keys error=%s", type(error).__name__)
            self._failed = True
        self._tried_at = time.monotonic()


@dataclass(frozen=True, slots=True)
class _KeySet:
    keys: dict[str, Any]
    fetched_at: float

    def is_old(self) -> bool:
        return time.monotonic() - self.fetched_at >= KEYS_LIVE_S


def _fetched(url: str) -> bytes:
    """Return what is at the URL. Follow no redirect. Raises ``OSError`` past the deadline, ``ValueError`` if too long.

    Another thread reads, because a server that sends a byte now and then would keep this one past any timeout.
    """
    done: queue.SimpleQueue[bytes | Exception] = queue.SimpleQueue()

    def read() -> None:
        ends = time.monotonic() + FETCH_TIMEOUT_S
        try:
            content = b""
            with httpx.stream("GET", url, timeout=FETCH_TIMEOUT_S, follow_redirects=False) as answer:
                answer.raise_for_status()
                for part in answer.iter_bytes():
                    content += part
                    if len(content) > MOST_KEY_BYTES:
                        raise ValueError("the issuer's keys are too long")
                    if time.monotonic() > ends:
                        return
            done.put(content)
        except Exception as error:
            done.put(error)

    threading.Thread(target=read, name="foreign-keys", daemon=True).start()
    try:
        found = done.get(timeout=FETCH_TIMEOUT_S)
    except queue.Empty:
        raise TimeoutError("the issuer's keys did not arrive in time") from None
    if isinstance(found, Exception):
        raise found
    return found


def _parsed(content: bytes) -> dict[str, Any]:
    """Return the usable signing keys of a JWKS by id; of two with one id, the first.

    Raises PyJWT's errors or ``ValueError``.
    """
    document = json.loads(content)
    if not isinstance(document, dict) or not isinstance(document.get("keys"), list):
        raise ValueError("this is no set of keys")
    if len(document["keys"]) > MOST_KEYS:
        raise ValueError("there are too many keys")
    keys: dict[str, Any] = {}
    for each in jwt.PyJWKSet.from_dict(document).keys:
        if each.key_id and each.public_key_use in ("sig", None):
            keys.setdefault(each.key_id, each.key)
    return keys


def _checked(key: Any, algorithm: str) -> Any:
    """Return the key. Raises ``TokenInvalid`` unless it is for this algorithm and strong enough."""
    if algorithm == "RS256":
        fits = isinstance(key, RSAPublicKey) and key.key_size >= _RSA_BITS
    elif algorithm == "ES256":
        fits = isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1)
    else:
        fits = isinstance(key, Ed25519PublicKey)
    if not fits:
        raise TokenInvalid("the key is too weak or for another algorithm")
    return key
