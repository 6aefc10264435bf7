"""Who pays for the work of the current request: its user, or before the user is known the address it came from.

An IPv6 address counts as its site (a /48): who has a site has 65,536 networks, and would take as many turns.

Everything that senders share is served in turn by this key (``threads.py``, ``runtime/turns.py``).
"""

from contextvars import ContextVar, Token
from typing import Final

from auth.addresses import site_of

_SENDER: Final[ContextVar[str]] = ContextVar("sender", default="server")


def current_sender() -> str:
    """Return the key of whoever the running task works for; ``server`` outside of a request."""
    return _SENDER.get()


class sent_from:  # noqa: N801  # a context manager, and no generator, because every request enters it
    """Let the block work for whoever is at an address."""

    __slots__ = ("_before", "_sender")

    def __init__(self, address: str) -> None:
        self._sender = f"address {site_of(address)}"

    def __enter__(self) -> None:
        self._before: Token[str] = _SENDER.set(self._sender)

    def __exit__(self, *_: object) -> None:
        _SENDER.reset(self._before)


def sent_by(user_id: int) -> None:
    """Let the rest of the request work for a user, who has just proved who they are."""
    _SENDER.set(f"user {user_id}")
