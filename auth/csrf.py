"""CSRF tokens that compare as Django's do, so that what speaks to such a server speaks to this one (protocol 1.1).

A *secret* is 32 letters and digits, and lives in a cookie that other sites can neither read nor set. A *token* is what
a request repeats beside the cookie: the secret itself, or 64 characters, a fresh random mask and the secret added to it
character by character. Each page so shows other bytes, and the length of a compressed page tells nothing of the secret.

Where tokens are kept and asked for is no matter of this module (``deployments/ingress/web/csrf.py``).
"""

import hmac
import secrets
import string
from typing import Final

ALPHABET: Final = string.ascii_letters + string.digits
SECRET_CHARACTERS: Final = 32
"""190 bits."""

TOKEN_CHARACTERS: Final = 2 * SECRET_CHARACTERS

_PLACE: Final = {character: place for place, character in enumerate(ALPHABET)}


def new_secret() -> str:
    """A random secret."""
    return "".join(secrets.choice(ALPHABET) for _ in range(SECRET_CHARACTERS))


def mask(secret: str) -> str:
    """A new 64-character token for a secret. Raises ``ValueError`` for what is no secret."""
    if len(secret) != SECRET_CHARACTERS or not _is_plain(secret):
        raise ValueError("a CSRF secret has 32 letters and digits")
    cover = new_secret()
    return cover + _shifted(secret, cover, 1)


def secret_of(token: str) -> str | None:
    """The secret behind a token, masked or not; None for what is no token."""
    if not _is_plain(token):
        return None
    if len(token) == SECRET_CHARACTERS:
        return token
    if len(token) == TOKEN_CHARACTERS:
        return _shifted(token[SECRET_CHARACTERS:], token[:SECRET_CHARACTERS], -1)
    return None


def matches(token: str, other: str) -> bool:
    """Whether two tokens, masked or not, have one secret. Takes as long for a near miss as for a far one."""
    first, second = secret_of(token), secret_of(other)
    if first is None or second is None:
        return False
    return hmac.compare_digest(first, second)


def _is_plain(text: str) -> bool:
    return text.isascii() and text.isalnum()


def _shifted(text: str, cover: str, sign: int) -> str:
    places = ((_PLACE[character], _PLACE[by]) for character, by in zip(text, cover, strict=True))
    return "".join(ALPHABET[(place + sign * by) % len(ALPHABET)] for place, by in places)
