"""Names of users: how long they are, and the one form under which each is kept."""

import unicodedata
from typing import Final

MOST_CHARACTERS: Final = 150
"""The most characters of a name of a user, a group or an organization."""


def normal(name: str) -> str:
    """Return the form under which a name is kept, however a keyboard composed it; empty if no name is so long.

    The length is checked first, because the time of ``unicodedata.normalize`` grows with its square.
    """
    return unicodedata.normalize("NFKC", name) if len(name) <= MOST_CHARACTERS else ""


def shown(name: str) -> str:
    """Return a name for an error sentence: a text that is too long for a name is cut."""
    return name if len(name) <= MOST_CHARACTERS else name[:MOST_CHARACTERS] + "…"
