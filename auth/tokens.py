"""Bearer tokens: JWT, HS256 and nothing else, short-lived, and the same string for as long as it serves.

    tokens = Tokens(load_or_make_key(path), issuer="graphside", lifetime_s=3600)
    token = tokens.issue(principal)
    claims = tokens.verify(bearer(request.headers["authorization"]))

Contract 1.2 to 1.4 and 1.8.
"""

import secrets
import time
from dataclasses import dataclass
from typing import TypeGuard

import jwt

from auth.errors import TokenExpired, TokenInvalid
from auth.principal import Principal
from auth.signing_key import SigningKey, load_or_make_key

__all__ = ["Claims", "SigningKey", "Tokens", "bearer", "load_or_make_key"]

ALGORITHM = "HS256"
LEEWAY_S = 5
REFRESH_WINDOW_S = 86400
"""A chain of refreshed tokens ends this long after the log-in it began with (contract 1.8)."""

MAXIMUM_BYTES = 8192
_REQUIRED = ["exp", "iat", "orig_iat", "jti", "iss", "user_id", "username"]


@dataclass(frozen=True, slots=True)
class Claims:
    """What a verified token says. Times are Unix seconds.

    ``issued_at`` has microseconds, so that a token from just before a change of password differs from one
    just after.
    """

    user_id: int
    username: str
    email: str
    issued_at: float
    expires_at: int
    first_issued_at: int
    jti: str


class Tokens:
    """Issues, verifies and renews. Whether the user still is active is another question: ``Users.active``."""

    def __init__(self, key: SigningKey, issuer: str, lifetime_s: int, refresh_window_s: int = REFRESH_WINDOW_S) -> None:
        if not issuer or lifetime_s <= 0:
            raise ValueError("tokens need an issuer and a lifetime")
        self._key = key
        self._issuer = issuer
        self._lifetime_s = lifetime_s
        self._refresh_window_s = refresh_window_s

    def issue(self, principal: Principal) -> str:
        """A new token for somebody who has just proved who they are."""
        return self._sign(principal, first_issued_at=int(time.time()))

    def verify(self, token: str) -> Claims:
        """The claims of a token of ours that is in force. Raises ``TokenExpired`` or ``TokenInvalid``."""
        if not token.isascii() or len(token) > MAXIMUM_BYTES:
            raise TokenInvalid("too long or not ASCII")
        try:
            whole = jwt.decode_complete(
                token,
                self._key.reveal(),
                algorithms=[ALGORITHM],
                issuer=self._issuer,
                leeway=LEEWAY_S,
                options={"require": _REQUIRED},
            )
        except jwt.ExpiredSignatureError:
            raise TokenExpired from None
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError) as error:
            raise TokenInvalid(type(error).__name__) from None  # its text may quote the token
        header = whole["header"]
        if header.get("typ") != "JWT" or "crit" in header:
            raise TokenInvalid("not a plain JWT")
        return _claims(whole["payload"])

    def refresh(self, token: str, principal: Principal) -> str:
        """The same string while more than half of its life remains, else a new token that keeps ``orig_iat``.

        Clients refresh before nearly every call, and switch organisation whenever the string changes
        (contract 9.3). ``principal`` is the token's user, looked up afresh. ``TokenExpired`` also where the
        log-in itself is too old.
        """
        claims = self.verify(token)
        if claims.user_id != principal.user_id:
            raise TokenInvalid("another user's token")
        now = time.time()
        if claims.expires_at - now > (claims.expires_at - claims.issued_at) / 2:
            return token
        if now > claims.first_issued_at + self._refresh_window_s:
            raise TokenExpired
        return self._sign(principal, first_issued_at=claims.first_issued_at)

    def _sign(self, principal: Principal, first_issued_at: int) -> str:
        now = time.time()
        payload = {
            "iss": self._issuer,
            "user_id": principal.user_id,
            "username": principal.username,
            "email": principal.email,
            "iat": round(now, 6),
            "orig_iat": first_issued_at,
            "exp": int(now) + self._lifetime_s,
            "jti": secrets.token_hex(16),
        }
        return jwt.encode(payload, self._key.reveal(), algorithm=ALGORITHM)


def bearer(header: str) -> str:
    """The token of an ``Authorization`` header, surplus blanks and a doubled ``Bearer`` forgiven (contract 1.1).

    Raises ``TokenInvalid`` for anything else.
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
    issued_at, expires_at, jti = payload["iat"], payload["exp"], payload["jti"]
    first_issued_at = payload["orig_iat"]
    if not (isinstance(username, str) and isinstance(email, str) and isinstance(jti, str)):
        raise TokenInvalid("a claim that is no text")
    if not (_is_whole(user_id) and _is_whole(expires_at) and _is_whole(first_issued_at)):
        raise TokenInvalid("a claim that is no whole number")
    if not (_is_whole(issued_at) or isinstance(issued_at, float)):
        raise TokenInvalid("a claim that is no number")
    return Claims(user_id, username, email, float(issued_at), expires_at, first_issued_at, jti)


def _is_whole(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)
