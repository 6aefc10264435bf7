"""Room that senders share: if it gets short, the sender who holds the most gives way, with the oldest that it holds.

So a sender who holds on to room takes it from nobody but itself.
"""

import math
from collections.abc import Callable, Iterator
from operator import attrgetter
from typing import Final

from runtime.errors import Overloaded

_AMOUNT: Final = attrgetter("amount")


class Held:
    """Room that a sender holds. ``end`` ends, with an error, what it is held for. It gives way from ``due`` on."""

    __slots__ = ("amount", "due", "end", "sender")

    def __init__(self, sender: str, amount: int, end: Callable[[Exception], None], due: float = 0.0) -> None:
        self.sender = sender
        self.amount = amount
        self.end = end
        self.due = due


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
        if self.amount + amount > self.most and not self.make_room(amount, self.most, self.held_by(sender) + amount):
            return None
        return self.hold(Held(sender, amount, end))

    def hold(self, held: Held) -> Held:
        """Hold room, whether there is any or not."""
        of_sender = self._by_sender.setdefault(held.sender, _Sender())
        of_sender.held[held] = None
        of_sender.amount += held.amount
        self.amount += held.amount
        return held

    def make_room(self, amount: int, most: int, rank: int, now: float = math.inf) -> bool:
        """End what senders hold who hold more than ``rank``, until there is room. False: that would not be enough."""
        if self.amount + amount - sum(held.amount for held in self._due(rank, now)) > most:
            return False
        while self.amount + amount > most:
            held = next(self._due(rank, now), None)
            if held is None:
                return False
            own = self.held_by(held.sender)
            self.done(held)
            held.end(Overloaded(self._text.format(own=own), retry_after_s=1))
        return True

    def _due(self, rank: int, now: float) -> Iterator[Held]:
        """Yield what may have to give way, oldest first, beginning with the sender who holds the most."""
        for one in sorted(self._by_sender.values(), key=_AMOUNT, reverse=True):
            if one.amount > rank:
                yield from (held for held in one.held if held.due <= now)

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
