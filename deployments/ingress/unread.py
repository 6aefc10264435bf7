"""Bounds the answers that are in memory because their readers have not taken them yet, in all and of one sender.

An answer counts until its last byte was sent or its reader was given up. A sender (``sender.py``) has half of the room
at most, and the last quarter is for senders who have no other answer here. Whatever its size, a sender's only answer
may have all that is free.

Small answers are not counted, because the number of requests bounds them. Each ingress replica counts by itself.
"""

from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from typing import Final

from deployments.ingress.errors import TooManyRequests
from runtime.errors import Overloaded

SMALL_BYTES: Final = 64 * 1024
_LIMIT_NAME: Final = "unread_bytes"


class UnreadAnswers:
    """Counts bytes of answers."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._most_of_one = most // 2
        self._all = 0
        self._by_sender: dict[Hashable, int] = {}

    def check(self, sender: Hashable) -> None:
        """Raise ``TooManyRequests`` if the sender has so many unread answers that another would find no room."""
        own = self._by_sender.get(sender, 0)
        if own >= self._most_of_one:
            raise self._too_many(own)

    @contextmanager
    def holding(self, sender: Hashable, byte_count: int, *, must: bool = False) -> Iterator[None]:
        """Count an answer while the block lasts. Raise ``TooManyRequests``, ``Overloaded`` unless it ``must`` be sent.

        An answer must be sent if it tells of a change, which a refusal would deny.
        """
        if byte_count <= SMALL_BYTES:
            yield
            return
        own = self._by_sender.get(sender, 0)
        if not must:
            self._find_room(own, byte_count)
        self._all += byte_count
        self._by_sender[sender] = own + byte_count
        try:
            yield
        finally:
            self._all -= byte_count
            self._by_sender[sender] -= byte_count
            if not self._by_sender[sender]:
                del self._by_sender[sender]

    def _find_room(self, own: int, byte_count: int) -> None:
        if own and own + byte_count > self._most_of_one:
            raise self._too_many(own)
        most = self._most - self._most // 4 if own else self._most
        if self._all and self._all + byte_count > most:
            text = f"{self._all} bytes of answers wait for their readers, and there is no room for this one; try later"
            raise Overloaded(text, retry_after_s=5)

    def _too_many(self, own: int) -> TooManyRequests:
        text = f"{own} bytes of your answers are waiting to be read; read them, then try again"
        return TooManyRequests(text, limit_name=_LIMIT_NAME, limit=self._most_of_one, observed=own, retry_after_s=5)
