"""The requests whose bodies are still arriving: how many there may be, in all and of one sender.

If there are too many in all, the sender with the most gives way (``giving_way.py``).
"""

from collections.abc import Callable
from typing import Final

from deployments.ingress.errors import TooManyRequests
from deployments.ingress.giving_way import GivingWay, Held

_TEXT: Final = "too many requests are still arriving, and {own} of them are yours; send them one after the other"


class Arrivals:
    """All requests of a replica that are still arriving."""

    def __init__(self, most: int, most_of_one: int) -> None:
        self._room = GivingWay(most, _TEXT)
        self._most_of_one = most_of_one
        self.done = self._room.done

    def __len__(self) -> int:
        """Return how many are arriving now."""
        return self._room.amount

    def begin(self, sender: str, end: Callable[[Exception], None]) -> Held:
        """Count a request until it is ``done``. Raise ``TooManyRequests`` (429)."""
        own = self._room.held_by(sender)
        if own >= self._most_of_one:
            raise _too_many(own, "arriving_per_sender", self._most_of_one, own)
        arriving = self._room.begin(sender, 1, end)
        if arriving is None:
            raise _too_many(own, "arriving", self._room.most, self._room.amount)
        return arriving


def _too_many(own: int, limit_name: str, limit: int, observed: int) -> TooManyRequests:
    return TooManyRequests(
        _TEXT.format(own=own), limit_name=limit_name, limit=limit, observed=observed, retry_after_s=1
    )
