"""Names of users: how long they are, and the one form under which each is kept."""

import unicodedata
from typing import Final

MOST_CHARACTERS: Final = 150
"""The most characters of a name of a user, a group or an organization."""

MOST_EMAIL: Final = 320
"""The most characters of an e-mail address."""


def normal(name: str) -> str:
    """Return the form under which a name is kept, however a keyboard composed it; empty if no name is so long.

    The length is checked first, because the time of ``unicodedata.normalize`` grows with its square.
    """
    return unicodedata.normalize("NFKC", name) if len(name) <= MOST_CHARACTERS else ""


def is_normal(name: str) -> bool:
    """Return True if the name is in the form under which names are kept: nothing else may stand for a user."""
    return bool(name) and normal(name) == name


def email_key(email: str) -> str:
    """Return an e-mail address in the form in which invitations name it; empty for a text that no invitation can name.

    An address of letters that stand for others, as of full width, is nobody's: in lower case it may be somebody's.
    """
    fits = "@" in email and len(email) <= MOST_EMAIL and unicodedata.is_normalized("NFKC", email)
    return email.lower() if fits else ""


def shown(name: str) -> str:
    """Return a name for an error sentence: a text that is too long for a name is cut."""
    return name if len(name) <= MOST_CHARACTERS else name[:MOST_CHARACTERS] + "…"
