"""Slows down guessing: after 10 failed log-ins within a minute for one name from one address, further ones are refused.

Each process counts in its own memory, so that *n* ingress replicas allow *n* times as many failures. Memory is bounded:
if more pairs of name and address fail within a minute than are kept, the pairs that failed longest ago are forgotten.
"""

import asyncio
import hashlib
import math
import time
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Final

from auth.errors import InvalidCredentials, TooManyAttempts
from auth.names import normal

ATTEMPTS: Final = 10
WINDOW_S: Final = 60.0
MOST_PAIRS: Final = 20_000
_IPV6_PREFIX: Final = 64
"""All addresses of one IPv6 network count as one, because a client that has one of them usually has them all."""


@dataclass(slots=True)
class _Pair:
    """A name and an address: the times of their failures, and how many of their log-ins are being checked now."""

    failures: deque[float] = field(default_factory=deque)
    in_flight: int = 0
    was_refused: bool = False


class LoginThrottle:
    """Counts failed log-ins. An instance serves one event loop."""

    def __init__(
        self,
        limit: int = ATTEMPTS,
        window_s: float = WINDOW_S,
        most_pairs: int = MOST_PAIRS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limit = limit
        self._window_s = window_s
        self._most_pairs = most_pairs
        self._clock = clock
        self._pairs: OrderedDict[bytes, _Pair] = OrderedDict()
        self._changed = asyncio.Condition()

    def __len__(self) -> int:
        """Return the number of pairs that are kept."""
        return len(self._pairs)

    @asynccontextmanager
    async def attempt(self, username: str, address: str) -> AsyncIterator[None]:
        """Enclose the check of a password. ``InvalidCredentials`` in the block counts as a failure.

        Raises ``TooManyAttempts``, also for names that do not exist. Concurrent attempts wait once failures plus
        attempts in flight reach the limit, so that sending many at once gains nothing and right passwords still pass.
        """
        key = _key(username, address)
        async with self._changed:
            await self._changed.wait_for(lambda: self._may_start(key))
            pair = self._pairs.setdefault(key, _Pair())
            pair.in_flight += 1
        failed = False
        try:
            yield
        except InvalidCredentials:
            failed = True
            raise
        finally:
            pair.in_flight -= 1
            if failed:
                pair.failures.append(self._clock())
                self._pairs[key] = pair
                self._pairs.move_to_end(key)
            elif not pair.failures and not pair.in_flight:
                self._pairs.pop(key, None)
            self._forget()
            # In a task of its own, because a cancelled request cannot wait for the condition's lock.
            asyncio.get_running_loop().create_task(self._notify())

    def _may_start(self, key: bytes) -> bool:
        pair = self._pairs.get(key)
        if pair is None:
            return True
        now = self._clock()
        while pair.failures and pair.failures[0] <= now - self._window_s:
            pair.failures.popleft()
        if len(pair.failures) >= self._limit:
            wait_s = pair.failures[0] + self._window_s - now
            is_first, pair.was_refused = not pair.was_refused, True
            raise TooManyAttempts(self._limit, max(1, math.ceil(wait_s)), is_first)
        pair.was_refused = False
        return len(pair.failures) + pair.in_flight < self._limit

    def _forget(self) -> None:
        """Remove the pairs that failed longest ago: those outside the window, and those above the bound."""
        horizon = self._clock() - self._window_s
        while self._pairs:
            key, oldest = next(iter(self._pairs.items()))
            is_over = len(self._pairs) > self._most_pairs
            is_past = not oldest.in_flight and (not oldest.failures or oldest.failures[-1] <= horizon)
            if not is_over and not is_past:
                return
            del self._pairs[key]

    async def _notify(self) -> None:
        async with self._changed:
            self._changed.notify_all()


def _key(username: str, address: str) -> bytes:
    text = f"{_network(address)}\n{normal(username) or username[:1000]}"
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _network(address: str) -> str:
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ip_network((parsed, _IPV6_PREFIX), strict=False))
    return address
