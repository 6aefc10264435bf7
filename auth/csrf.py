"""CSRF tokens as Django makes them, which the protocol asks for: its clients expect a Django server (protocol 1.1).

A *secret* has 32 letters and digits. It lives in a cookie that other sites can neither read nor set. A *token* is what
a request sends beside the cookie. It is the secret itself, or 64 characters: a fresh random mask, then the secret added
to the mask character by character. So every page shows other bytes, and the length of a compressed page reveals nothing
about the secret.

``deployments/ingress/web/csrf.py`` sets the cookie and checks requests.
"""

import hmac
import secrets
import string
from typing import Final

ALPHABET: Final = string.ascii_letters + string.digits
SECRET_CHARACTERS: Final = 32
"""190 random bits."""

TOKEN_CHARACTERS: Final = 2 * SECRET_CHARACTERS

_INDEX: Final = {character: index for index, character in enumerate(ALPHABET)}


def new_secret() -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(SECRET_CHARACTERS))


def mask(secret: str) -> str:
    """Return a new token of 64 characters for the secret. Raises ``ValueError`` if it is not a secret."""
    if len(secret) != SECRET_CHARACTERS or not _is_alphanumeric(secret):
        raise ValueError("a CSRF secret has 32 letters and digits")
    cover = new_secret()
    return cover + _shifted(secret, cover, 1)


def secret_of(token: str) -> str | None:
    """Return the secret in a token, masked or not; None if the text is not a token."""
    if not _is_alphanumeric(token):
        return None
    if len(token) == SECRET_CHARACTERS:
        return token
    if len(token) == TOKEN_CHARACTERS:
        return _shifted(token[SECRET_CHARACTERS:], token[:SECRET_CHARACTERS], -1)
    return None


def matches(token: str, other: str) -> bool:
    """Return True if two tokens, masked or not, hold the same secret. Its duration reveals nothing about them."""
    first, second = secret_of(token), secret_of(other)
    if first is None or second is None:
        return False
    return hmac.compare_digest(first, second)


def _is_alphanumeric(text: str) -> bool:
    return text.isascii() and text.isalnum()


def _shifted(text: str, cover: str, sign: int) -> str:
    indices = ((_INDEX[character], _INDEX[by]) for character, by in zip(text, cover, strict=True))
    return "".join(ALPHABET[(index + sign * by) % len(ALPHABET)] for index, by in indices)
