"""Bounds the answers that are in memory because their readers have not taken them yet, in all and of one sender.

An answer counts until its last byte was sent or its reader was given up. A sender (``sender.py``) has half of the room
at most, and the last quarter is for senders who have no other answer here. Whatever its size, a sender's only answer
may have all that is free.

If there is no room, the sender who holds the most gives way with their oldest answer that was read too slowly: it has
been here for half a minute, and longer than its bytes take at ``EXPECTED_BYTES_PER_S``. Else a few readers, none of
them slower than is allowed, could hold all room for hours.

Small answers are not counted, because the number of requests bounds them. Each ingress replica counts by itself.
"""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from deployments.ingress.errors import TooManyRequests
from deployments.ingress.giving_way import GivingWay, Held
from runtime.errors import Overloaded

log = logging.getLogger("graphside.ingress")

SMALL_BYTES: Final = 64 * 1024
GRACE_S: Final = 30.0
EXPECTED_BYTES_PER_S: Final = 4 * 1024 * 1024
"""An answer that is read more slowly gives way after ``GRACE_S`` if others need its room."""

_LIMIT_NAME: Final = "unread_bytes"


class UnreadAnswers:
    """Counts bytes of answers."""

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._most_of_one = most // 2
        self._clock = clock
        self._room = GivingWay(most, "{own} bytes of your answers were read too slowly, and others need the room")

    @property
    def byte_count(self) -> int:
        """The bytes of all answers that are counted now."""
        return self._room.amount

    def check(self, sender: str) -> None:
        """Raise ``TooManyRequests`` if the sender has so many unread answers that another would find no room."""
        own = self._room.held_by(sender)
        if own >= self._most_of_one:
            raise self._too_many(own)

    @contextmanager
    def holding(
        self, sender: str, byte_count: int, give_up: Callable[[], None], *, must: bool = False
    ) -> Iterator[None]:
        """Count an answer while the block lasts. Raise ``TooManyRequests``, ``Overloaded`` unless it ``must`` be sent.

        ``give_up`` is called if the answer has to give way, and closes its connection. An answer must be sent if it
        tells of a change, which a refusal would deny.
        """
        if byte_count <= SMALL_BYTES:
            yield
            return
        now = self._clock()
        if not must:
            self._find_room(self._room.held_by(sender), byte_count, now)

        def end(_: Exception) -> None:
            log.info("answer.gave_way byte_count=%d after_s=%.0f", byte_count, self._clock() - now)
            give_up()

        due = now + max(GRACE_S, byte_count / EXPECTED_BYTES_PER_S)
        held = self._room.hold(Held(sender, byte_count, end, due))
        try:
            yield
        finally:
            self._room.done(held)

    def _find_room(self, own: int, byte_count: int, now: float) -> None:
        if own and own + byte_count > self._most_of_one:
            raise self._too_many(own)
        most = self._most - self._most // 4 if own else self._most
        room = self._room
        if not room.amount or room.amount + byte_count <= most:
            return
        # Whatever its size, a sender's only answer may have all room: then it suffices that nothing else is held.
        wanted = byte_count if own else min(byte_count, most)
        if not room.make_room(wanted, most, own, now):
            text = (
                f"{room.amount} bytes of answers wait for their readers, and there is no room for this one; try later"
            )
            raise Overloaded(text, retry_after_s=5)

    def _too_many(self, own: int) -> TooManyRequests:
        text = f"{own} bytes of your answers are waiting to be read; read them, then try again"
        return TooManyRequests(text, limit_name=_LIMIT_NAME, limit=self._most_of_one, observed=own, retry_after_s=5)
