"""Bounds the results that are in memory because their readers have not taken them yet, in all and of one user.

A result counts until its last byte was sent or its reader was given up. A user has half of the room at most, and the
last quarter is for users who have no other result here. Whatever its size, a user's only result may have all that is
free.

Small results are not counted, because the number of a user's runs bounds them. Each ingress replica counts by itself.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from deployments.ingress.errors import TooManyRequests
from runtime.errors import Overloaded

SMALL_BYTES: Final = 64 * 1024
_LIMIT_NAME: Final = "unread_bytes"


class UnreadResults:
    """Counts bytes of results."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._most_of_one = most // 2
        self._all = 0
        self._by_user: dict[int, int] = {}

    def check(self, user_id: int) -> None:
        """Raise ``TooManyRequests`` if the user has so many unread results that another would find no room."""
        own = self._by_user.get(user_id, 0)
        if own >= self._most_of_one:
            raise self._too_many(own)

    @contextmanager
    def holding(self, user_id: int, byte_count: int) -> Iterator[None]:
        """Count a result while the block lasts. Raise ``TooManyRequests``, ``Overloaded``."""
        if byte_count <= SMALL_BYTES:
            yield
            return
        own = self._by_user.get(user_id, 0)
        if own and own + byte_count > self._most_of_one:
            raise self._too_many(own)
        most = self._most - self._most // 4 if own else self._most
        if self._all and self._all + byte_count > most:
            text = f"{self._all} bytes of results wait for their readers, and there is no room for this one; try later"
            raise Overloaded(text, retry_after_s=5)
        self._all += byte_count
        self._by_user[user_id] = own + byte_count
        try:
            yield
        finally:
            self._all -= byte_count
            self._by_user[user_id] -= byte_count
            if not self._by_user[user_id]:
                del self._by_user[user_id]

    def _too_many(self, own: int) -> TooManyRequests:
        text = f"{own} bytes of your results are waiting to be read; read them, then try again"
        return TooManyRequests(text, limit_name=_LIMIT_NAME, limit=self._most_of_one, observed=own, retry_after_s=5)
