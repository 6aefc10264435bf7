"""Bounds the bytes of bodies that are in memory: those that are still arriving, and those that wait to be decoded.

If there are too many in all, the sender with the most gives way: its oldest body is refused. So a sender whose bodies
stop takes room from nobody but itself. Small bodies are not counted, because the number of requests bounds them.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from deployments.ingress.errors import TooManyRequests
from runtime.errors import Overloaded

_TEXT: Final = "too many bytes of bodies are arriving, and {own} of them are yours; send them one after the other"


class HeldBodies:
    """Counts bytes of bodies by sender (``sender.py``). Each ingress replica counts by itself."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._all = 0
        self._by_sender: dict[str, _Bodies] = {}

    @contextmanager
    def holding(self, sender: str, byte_count: int, end: Callable[[Exception], None]) -> Iterator[None]:
        """Count a body while the block lasts, unless others need its room: then ``end`` ends it with an error.

        Raises ``TooManyRequests``.
        """
        body = _Body(byte_count, end)
        self._make_room(sender, byte_count)
        self._by_sender.setdefault(sender, _Bodies()).add(body)
        self._all += byte_count
        try:
            yield
        finally:
            self._let_go(sender, body)

    def _make_room(self, sender: str, byte_count: int) -> None:
        wanted = byte_count + (self._by_sender[sender].byte_count if sender in self._by_sender else 0)
        while self._all + byte_count > self._most:
            greediest = max(self._by_sender, key=lambda one: self._by_sender[one].byte_count, default=sender)
            if greediest == sender or self._by_sender[greediest].byte_count <= wanted:
                raise TooManyRequests(
                    _TEXT.format(own=wanted), limit_name="body_bytes", limit=self._most, observed=self._all,
                    retry_after_s=1,
                )  # fmt: skip
            own, oldest = self._by_sender[greediest].byte_count, self._by_sender[greediest].oldest
            self._let_go(greediest, oldest)
            oldest.end(Overloaded(_TEXT.format(own=own), retry_after_s=1))

    def _let_go(self, sender: str, body: "_Body") -> None:
        bodies = self._by_sender.get(sender)
        if bodies is None or not bodies.remove(body):
            return
        self._all -= body.byte_count
        if not bodies.byte_count:
            del self._by_sender[sender]


class _Body:
    __slots__ = ("byte_count", "end")

    def __init__(self, byte_count: int, end: Callable[[Exception], None]) -> None:
        self.byte_count = byte_count
        self.end = end


class _Bodies:
    """The bodies of one sender, oldest first."""

    def __init__(self) -> None:
        self.byte_count = 0
        self._bodies: dict[_Body, None] = {}

    @property
    def oldest(self) -> _Body:
        return next(iter(self._bodies))

    def add(self, body: _Body) -> None:
        self._bodies[body] = None
        self.byte_count += body.byte_count

    def remove(self, body: _Body) -> bool:
        """Return True if the body was here."""
        if body not in self._bodies:
            return False
        del self._bodies[body]
        self.byte_count -= body.byte_count
        return True
