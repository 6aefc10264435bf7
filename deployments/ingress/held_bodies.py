"""Bounds the bytes of bodies that are in memory: those that are still arriving, and those that wait to be decoded.

If there are too many in all, the sender with the most gives way (``giving_way.py``). Small bodies are not counted,
because the number of requests bounds them.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from deployments.ingress.errors import TooManyRequests
from deployments.ingress.giving_way import GivingWay

_TEXT: Final = "too many bytes of bodies are arriving, and {own} of them are yours; send them one after the other"


class HeldBodies:
    """Counts bytes of bodies by sender (``sender.py``). Each ingress replica counts by itself."""

    def __init__(self, most: int) -> None:
        self._room = GivingWay(most, _TEXT)

    @property
    def byte_count(self) -> int:
        """The bytes of all bodies that are counted now."""
        return self._room.amount

    @contextmanager
    def holding(self, sender: str, byte_count: int, end: Callable[[Exception], None]) -> Iterator[None]:
        """Count a body while the block lasts, unless others need its room: then ``end`` ends it with an error.

        Raises ``TooManyRequests``.
        """
        held = self._room.begin(sender, byte_count, end)
        if held is None:
            wanted = self._room.held_by(sender) + byte_count
            raise TooManyRequests(
                _TEXT.format(own=wanted), limit_name="body_bytes", limit=self._room.most, observed=self._room.amount,
                retry_after_s=1,
            )  # fmt: skip
        try:
            yield
        finally:
            self._room.done(held)
