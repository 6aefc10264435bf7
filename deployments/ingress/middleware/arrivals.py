"""The requests whose bodies are still arriving: how many there may be, in all and of one sender.

If there are too many in all, the sender with the most gives way: its oldest is ended. So a sender whose bodies never
come takes places from nobody but itself.
"""

from collections.abc import Callable
from typing import Final

from deployments.ingress.errors import TooManyRequests
from runtime.errors import Overloaded

_TEXT: Final = "too many requests are still arriving, and {own} of them are yours; send them one after the other"


class Arriving:
    """A request that is still arriving. ``end`` ends it with an error."""

    __slots__ = ("end", "sender")

    def __init__(self, sender: str, end: Callable[[Exception], None]) -> None:
        self.sender = sender
        self.end = end


class Arrivals:
    """All requests of a replica that are still arriving, oldest first for each sender."""

    def __init__(self, most: int, most_of_one: int) -> None:
        self._most = most
        self._most_of_one = most_of_one
        self._count = 0
        self._by_sender: dict[str, dict[Arriving, None]] = {}

    def __len__(self) -> int:
        """Return how many are arriving now."""
        return self._count

    def begin(self, sender: str, end: Callable[[Exception], None]) -> Arriving:
        """Count a request until ``done`` is called. Raise ``TooManyRequests`` (429)."""
        own = len(self._by_sender.get(sender, ()))
        if own >= self._most_of_one:
            raise TooManyRequests(
                _TEXT.format(own=own), limit_name="arriving_per_sender", limit=self._most_of_one, observed=own,
                retry_after_s=1,
            )  # fmt: skip
        if self._count >= self._most:
            greediest = max(self._by_sender.values(), key=len)
            if len(greediest) <= own + 1:
                raise TooManyRequests(
                    _TEXT.format(own=own), limit_name="arriving", limit=self._most, observed=self._count,
                    retry_after_s=1,
                )  # fmt: skip
            oldest = next(iter(greediest))
            self.done(oldest)
            oldest.end(Overloaded(_TEXT.format(own=len(greediest) + 1), retry_after_s=1))
        arriving = Arriving(sender, end)
        self._by_sender.setdefault(sender, {})[arriving] = None
        self._count += 1
        return arriving

    def done(self, arriving: Arriving) -> None:
        """Count a request no more. Idempotent."""
        of_sender = self._by_sender.get(arriving.sender, {})
        if arriving not in of_sender:
            return
        del of_sender[arriving]
        self._count -= 1
        if not of_sender:
            del self._by_sender[arriving.sender]
