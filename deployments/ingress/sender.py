"""Who pays for the work of the current request: its user, or before the user is known the address it came from.

Everything that senders share is served in turn by this key (``threads.py``, ``runtime/turns.py``).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

from auth.addresses import network_of

_SENDER: Final[ContextVar[str]] = ContextVar("sender", default="server")


def current_sender() -> str:
    """Return the key of whoever the running task works for; ``server`` outside of a request."""
    return _SENDER.get()


@contextmanager
def sent_from(address: str) -> Iterator[None]:
    """Let the block work for whoever is at an address."""
    before = _SENDER.set(f"address {network_of(address)}")
    try:
        yield
    finally:
        _SENDER.reset(before)


def sent_by(user_id: int) -> None:
    """Let the rest of the request work for a user, who has just proved who they are."""
    _SENDER.set(f"user {user_id}")
