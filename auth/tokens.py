"""Bearer tokens: short-lived JWTs that are signed with HS256 and nothing else (protocol 1.2 to 1.4 and 1.8).

    tokens = Tokens(load_or_make_key(path), issuer="graphside", lifetime_s=3600)
    token = tokens.issue(principal)
    claims = tokens.verify(bearer(request.headers["authorization"]))

The previous key still verifies tokens, but no longer signs them, so that nobody has to sign in again after a change of
keys. Keys change only with a restart.

Every request brings a token, and verifying its signature costs more than every other check of it. So verified claims
are cached under the token's SHA-256. A lookup can match only the identical token, its timing reveals nothing that an
attacker controls, and no token is kept in memory. A token that fails to verify is not cached. The times of a token are
checked again at every use. ``Users.active``, not this module, says if the user and the log-in of a token still count.
"""

import hashlib
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeGuard

import jwt

from auth.errors import TokenExpired, TokenInvalid
from auth.jose import MAXIMUM_BYTES, read_unverified
from auth.principal import Principal
from auth.signing_key import SigningKey, load_or_make_key

__all__ = ["ISSUER", "Claims", "SigningKey", "Tokens", "bearer", "load_or_make_key"]

ISSUER: Final = "graphside"
"""The issuer that our own tokens name (``iss``)."""

ALGORITHM: Final = "HS256"
LEEWAY_S: Final = 5
REFRESH_WINDOW_S: Final = 86400
"""A chain of refreshed tokens ends this long after the log-in that it began with (protocol 1.8)."""

MOST_CACHED: Final = 10_000
_REQUIRED: Final = ["exp", "iat", "orig_iat", "jti", "sid", "iss", "user_id", "username"]
_HEADER: Final = frozenset(("alg", "typ", "kid"))


@dataclass(frozen=True, slots=True)
class Claims:
    """The claims of a verified token. Times are Unix seconds.

    ``issued_at`` has microseconds, so that a token issued just before a change of password differs from one issued
    just after. ``session`` is the same for all tokens of one log-in. ``key_id`` is the personal key that was used to
    log in; None for a password.
    """

    user_id: int
    username: str
    email: str
    issued_at: float
    expires_at: int
    first_issued_at: int
    jti: str
    session: str
    key_id: str | None = None


class Tokens:
    """Issues, verifies and refreshes tokens.

    ``clock`` returns Unix seconds. PyJWT reads the machine's own clock when a token is verified for the first time.
    """

    def __init__(
        self,
        key: SigningKey,
        issuer: str,
        lifetime_s: int,
        refresh_window_s: int = REFRESH_WINDOW_S,
        previous_key: SigningKey | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        if not issuer or lifetime_s <= 0:
            raise ValueError("tokens need an issuer and a lifetime")
        self._key = key
        self._keys = {known.id: known for known in (previous_key, key) if known is not None}
        self._issuer = issuer
        self._lifetime_s = lifetime_s
        self._refresh_window_s = refresh_window_s
        self._clock = clock
        self._verified: dict[bytes, Claims] = {}

    def issue(self, principal: Principal, *, at: float | None = None, key_id: str | None = None) -> str:
        """Return a new token for a user who has just proved who they are.

        ``at`` is when that proof began, in Unix seconds (default: now). Whatever ended the user's tokens since then
        ends this token too. ``key_id`` is the personal key that was the proof; None for a password.
        """
        now = self._clock() if at is None else at
        jti = secrets.token_hex(16)
        return self._sign(principal, now, int(now), jti, jti, key_id)

    def verify(self, token: str) -> Claims:
        """Return the claims of a token that this server signed. Raises ``TokenExpired`` or ``TokenInvalid``."""
        digest = hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
        claims = self._verified.get(digest)
        if claims is None:
            claims = self._read(token)
            if len(self._verified) >= MOST_CACHED:
                self._verified.clear()
            self._verified[digest] = claims
        now = self._clock()
        if claims.expires_at <= now - LEEWAY_S:
            raise TokenExpired
        if int(claims.issued_at) > now + LEEWAY_S:  # the clock went back
            raise TokenInvalid("not yet valid")
        return claims

    def _read(self, token: str) -> Claims:
        header, _ = read_unverified(token)
        if header.keys() != _HEADER or header["typ"] != "JWT":
            raise TokenInvalid("not a plain JWT")
        key = self._keys.get(header["kid"]) if isinstance(header["kid"], str) else None
        if key is None:
            raise TokenInvalid("signed by an unknown key")
        try:
            payload = jwt.decode(
                token,
                key.reveal(),
                algorithms=[ALGORITHM],
                issuer=self._issuer,
                leeway=LEEWAY_S,
                options={"require": _REQUIRED},
            )
        except jwt.ExpiredSignatureError:
            raise TokenExpired from None
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError) as error:
            raise TokenInvalid(type(error).__name__) from None  # its text may quote the token
        return _claims(payload)

    def is_young(self, claims: Claims) -> bool:
        """Return True if more than half of the token's life remains; ``refresh`` then returns the same token.

        Clients refresh before nearly every call, and switch the organization whenever the string changes
        (protocol 9.3).
        """
        return claims.expires_at - self._clock() > (claims.expires_at - claims.issued_at) / 2

    def refresh(self, token: str, principal: Principal, *, at: float | None = None) -> str:
        """Return the same string while the token is young, else a new token of the same log-in.

        ``principal`` is the token's user, looked up at or after ``at`` (default: now). Raises ``TokenExpired`` also if
        the log-in itself is too old.
        """
        claims = self.verify(token)
        if claims.user_id != principal.user_id:
            raise TokenInvalid("another user's token")
        if self.is_young(claims):
            return token
        now = self._clock() if at is None else at
        if now > claims.first_issued_at + self._refresh_window_s:
            raise TokenExpired
        jti = secrets.token_hex(16)
        return self._sign(principal, now, claims.first_issued_at, claims.session, jti, claims.key_id)

    def last_of_session(self, claims: Claims) -> float:
        """Return when the last token that this log-in can lead to will have expired, in Unix seconds."""
        return claims.first_issued_at + self._refresh_window_s + self._lifetime_s + 2 * LEEWAY_S

    def _sign(
        self, principal: Principal, now: float, first_issued_at: int, session: str, jti: str, key_id: str | None
    ) -> str:
        payload = {
            "iss": self._issuer,
            "user_id": principal.user_id,
            "username": principal.username,
            "email": principal.email,
            "iat": round(now, 6),
            "orig_iat": first_issued_at,
            "exp": int(now) + self._lifetime_s,
            "jti": jti,
            "sid": session,
        }
        if key_id is not None:
            payload["pkey"] = key_id
        return jwt.encode(payload, self._key.reveal(), algorithm=ALGORITHM, headers={"kid": self._key.id})


def bearer(header: str) -> str:
    """Return the token of an ``Authorization`` header. Raises ``TokenInvalid`` for any other header.

    Surplus blanks and a doubled ``Bearer`` are accepted (protocol 1.1).
    """
    if len(header) > MAXIMUM_BYTES + 64:
        raise TokenInvalid("too long")
    words = header.split()
    schemes = 0
    while schemes < 2 and schemes < len(words) and words[schemes].lower() == "bearer":
        schemes += 1
    if schemes == 0 or len(words) != schemes + 1:
        raise TokenInvalid("not a bearer header")
    return words[-1]


def _claims(payload: dict[str, object]) -> Claims:
    user_id, username, email = payload["user_id"], payload["username"], payload.get("email", "")
    issued_at, expires_at, first_issued_at = payload["iat"], payload["exp"], payload["orig_iat"]
    jti, session, key_id = payload["jti"], payload["sid"], payload.get("pkey")
    if not (isinstance(username, str) and isinstance(email, str) and isinstance(jti, str) and isinstance(session, str)):
        raise TokenInvalid("a claim that is not a string")
    if not (key_id is None or isinstance(key_id, str)):
        raise TokenInvalid("a claim that is not a string")
    if not (_is_whole(user_id) and _is_whole(expires_at) and _is_whole(first_issued_at)):
        raise TokenInvalid("a claim that is not a whole number")
    if not (_is_whole(issued_at) or isinstance(issued_at, float)):
        raise TokenInvalid("a claim that is not a number")
    return Claims(user_id, username, email, float(issued_at), expires_at, first_issued_at, jti, session, key_id)


def _is_whole(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)
