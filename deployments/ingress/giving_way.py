"""Room that senders share: if it gets short, the sender who holds the most gives way, with the oldest that it holds.

So a sender who holds on to room takes it from nobody but itself.
"""

from collections.abc import Callable
from operator import attrgetter
from typing import Final

from runtime.errors import Overloaded

_AMOUNT: Final = attrgetter("amount")


class Held:
    """Room that a sender holds. ``end`` ends, with an error, what it is held for."""

    __slots__ = ("amount", "end", "sender")

    def __init__(self, sender: str, amount: int, end: Callable[[Exception], None]) -> None:
        self.sender = sender
        self.amount = amount
        self.end = end


class GivingWay:
    """Room of ``most``. ``text`` tells a sender who gives way that it held ``{own}``."""

    def __init__(self, most: int, text: str) -> None:
        self.most = most
        self.amount = 0
        self._text = text
        self._by_sender: dict[str, _Sender] = {}

    def held_by(self, sender: str) -> int:
        """Return how much a sender holds."""
        return self._by_sender[sender].amount if sender in self._by_sender else 0

    def begin(self, sender: str, amount: int, end: Callable[[Exception], None]) -> Held | None:
        """Hold room until ``done`` is called or others need it. Return None if no other sender holds more than that."""
        wanted = self.held_by(sender) + amount
        while self.amount + amount > self.most:
            greediest = max(self._by_sender.values(), key=_AMOUNT, default=None)
            if greediest is None or greediest.amount <= wanted:
                return None
            own, oldest = greediest.amount, next(iter(greediest.held))
            self.done(oldest)
            oldest.end(Overloaded(self._text.format(own=own), retry_after_s=1))
        held = Held(sender, amount, end)
        of_sender = self._by_sender.setdefault(sender, _Sender())
        of_sender.held[held] = None
        of_sender.amount += amount
        self.amount += amount
        return held

    def done(self, held: Held) -> None:
        """Hold the room no more. Idempotent."""
        of_sender = self._by_sender.get(held.sender)
        if of_sender is None or held not in of_sender.held:
            return
        del of_sender.held[held]
        of_sender.amount -= held.amount
        self.amount -= held.amount
        if not of_sender.held:
            del self._by_sender[held.sender]


class _Sender:
    """What one sender holds, oldest first."""

    __slots__ = ("amount", "held")

    def __init__(self) -> None:
        self.amount = 0
        self.held: dict[Held, None] = {}
