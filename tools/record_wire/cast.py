"""Who and what the requests are about: filled in by those that make them, used by those after them."""

from dataclasses import dataclass
from typing import Final

from tools.record_wire.asking import NOBODY, Caller

WORDS: Final = "staple battery horse"
"""Everybody's password, but for the administrator's."""

NOWHERE: Final = "0" * 32
"""An id that nothing has."""

_PLACES: Final = {
    "role": "edges",
    "file_type": "csv",
    "username": "nobody",
    "slug": "nowhere",
    "group": "none",
    "flag": "flag_python_endpoint_enabled_users",
    "name": "style.css",
}
"""What stands in paths; else an id that nothing has."""


@dataclass(slots=True)
class Cast:
    """``ann`` and ``bob`` may run Python, ``cid`` may not; nobody of them is an administrator.

    ``people`` is a dataset of ann's with three edges and four nodes, ``lone`` one with edges alone.
    """

    admin: Caller = NOBODY
    ann: Caller = NOBODY
    bob: Caller = NOBODY
    cid: Caller = NOBODY
    browser: Caller = NOBODY
    """Ann's, with cookies and a CSRF token."""

    people: str = ""
    lone: str = ""
    run: str = ""
    """A run of ann's that has ended."""


def made_up(path: str) -> dict[str, str]:
    """What may fill a template of a path so that it leads to nothing."""
    names = (part[1:-1] for part in path.split("/") if part.startswith("{"))
    return {name: _PLACES.get(name, NOWHERE) for name in names}
