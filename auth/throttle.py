"""Slows down guessing: after 10 failed log-ins within a minute for one name from one address, further ones are refused.

After 100 failures from one address, whatever the names, every log-in from there is refused: names cost nothing to make
up, and each costs us the hash of a password.

Each process counts in its own memory, so that *n* ingress replicas allow *n* times as many failures. Memory is bounded:
if more fail within a minute than are kept, those that failed longest ago are forgotten.
"""

import asyncio
import hashlib
import math
import time
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

from auth.addresses import network_of
from auth.errors import InvalidCredentials, TooManyAttempts, Unauthenticated
from auth.names import normal

ATTEMPTS: Final = 10
"""For one name from one address."""

ADDRESS_ATTEMPTS: Final = 100
"""For one address, whatever the names."""

WINDOW_S: Final = 60.0
MOST_PAIRS: Final = 20_000


@dataclass(slots=True)
class _Pair:
    """A name and an address, or an address alone: the times of the failures, and how many are being checked now.

    ``limit``: the most failures within the window, by its name and its value.
    """

    limit: tuple[str, int]
    failures: deque[float] = field(default_factory=deque)
    in_flight: int = 0
    was_refused: bool = False


class LoginThrottle:
    """Counts failed log-ins. An instance serves one event loop."""

    def __init__(
        self,
        limit: int = ATTEMPTS,
        address_limit: int = ADDRESS_ATTEMPTS,
        window_s: float = WINDOW_S,
        most_pairs: int = MOST_PAIRS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limit = ("login_attempts", limit)
        self._address_limit = ("address_login_attempts", address_limit)
        self._window_s = window_s
        self._most_pairs = most_pairs
        self._clock = clock
        self._pairs: OrderedDict[bytes, _Pair] = OrderedDict()
        self._changed = asyncio.Condition()

    def __len__(self) -> int:
        """Return the number of pairs that are kept."""
        return len(self._pairs)

    def attempt(self, username: str, address: str) -> AbstractAsyncContextManager[None]:
        """Enclose the check of a password. ``InvalidCredentials`` in the block counts as a failure.

        Raises ``TooManyAttempts``, also for names that do not exist. Concurrent attempts wait once failures plus
        attempts in flight reach a limit, so that sending many at once gains nothing and right passwords still pass.
        """
        return self._attempt({_key(address, username): self._limit, _key(address, kind=b"all"): self._address_limit})

    def attempt_with_key(self, address: str) -> AbstractAsyncContextManager[None]:
        """Enclose the check of a personal key. ``Unauthenticated`` in the block counts as a failure.

        Failures are counted by address, apart from those of passwords. Raises ``TooManyAttempts``.
        """
        return self._attempt({_key(address, kind=b"key"): self._address_limit})

    @asynccontextmanager
    async def _attempt(self, limits: dict[bytes, tuple[str, int]]) -> AsyncIterator[None]:
        async with self._changed:
            await self._changed.wait_for(lambda: all(self._may_start(key) for key in limits))
            pairs = {key: self._pairs.setdefault(key, _Pair(limit)) for key, limit in limits.items()}
            for pair in pairs.values():
                pair.in_flight += 1
        failed = False
        try:
            yield
        except (InvalidCredentials, Unauthenticated):
            failed = True
            raise
        finally:
            for key, pair in pairs.items():
                self._ended(key, pair, failed=failed)
            self._forget()
            # In a task of its own, because a cancelled request cannot wait for the condition's lock.
            asyncio.get_running_loop().create_task(self._notify())

    def _ended(self, key: bytes, pair: _Pair, *, failed: bool) -> None:
        pair.in_flight -= 1
        if failed:
            pair.failures.append(self._clock())
            self._pairs[key] = pair
            self._pairs.move_to_end(key)
        elif not pair.failures and not pair.in_flight:
            self._pairs.pop(key, None)

    def _may_start(self, key: bytes) -> bool:
        pair = self._pairs.get(key)
        if pair is None:
            return True
        now = self._clock()
        while pair.failures and pair.failures[0] <= now - self._window_s:
            pair.failures.popleft()
        name, limit = pair.limit
        if len(pair.failures) >= limit:
            wait_s = pair.failures[0] + self._window_s - now
            is_first, pair.was_refused = not pair.was_refused, True
            raise TooManyAttempts(limit, max(1, math.ceil(wait_s)), is_first, limit_name=name)
        pair.was_refused = False
        return len(pair.failures) + pair.in_flight < limit

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


def _key(address: str, username: str = "", kind: bytes = b"") -> bytes:
    """Return the key of an address and a name, or of an address alone."""
    text = f"{network_of(address)}\n{normal(username) or username[:1000]}"
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16, person=kind).digest()
