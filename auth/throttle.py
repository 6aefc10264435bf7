"""Slows down guessing: after 10 failed log-ins within a minute for one name from one address, further ones are refused.

After 100 failures from one address, whatever the names, every log-in from there is refused: names cost nothing to make
up, and each costs us the hash of a password. An IPv6 site, which has 65,536 networks, has four times as many.

While log-ins are being checked that may use up a limit, further ones wait: at most 32 of an address or a site, and none
for longer than 20 s.

Each process counts in its own memory, so that *n* ingress replicas allow *n* times as many failures. Memory is bounded:
if more fail within a minute than are kept, those that failed longest ago are forgotten.
"""

import asyncio
import hashlib
import math
import time
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

from auth.addresses import network_of, site_of
from auth.errors import InvalidCredentials, TooManyAttempts, TooManyWaiting, Unauthenticated
from auth.names import normal

ATTEMPTS: Final = 10
"""For one name from one address."""

ADDRESS_ATTEMPTS: Final = 100
"""For one address, whatever the names."""

NETWORKS_OF_A_SITE: Final = 4
"""An IPv6 site has as many failures as so many of its networks."""

MOST_WAITING: Final = 32
WAIT_S: Final = 20.0

WINDOW_S: Final = 60.0
MOST_PAIRS: Final = 20_000


@dataclass(slots=True)
class Attempt:
    """A log-in. ``has_begun``: its password is being checked, so a caller who leaves has guessed all the same."""

    has_begun: bool = False


@dataclass(slots=True)
class _Pair:
    """A name and an address, or an address alone: the times of the failures, and how many are being checked now.

    ``limit``: the most failures within the window, by its name and its value.
    """

    limit: tuple[str, int]
    failures: deque[float] = field(default_factory=deque)
    in_flight: int = 0
    was_refused: bool = False


@dataclass(slots=True)
class _Queue:
    """The log-ins of an address or a site that wait. ``asleep``: those that nothing has woken yet, oldest first."""

    waiting: int = 0
    asleep: dict[asyncio.Future[None], None] = field(default_factory=dict)
    was_full: bool = False


_Limits = Mapping[bytes, tuple[str, int]]


class LoginThrottle:
    """Counts failed log-ins. An instance serves one event loop."""

    def __init__(
        self,
        limit: int = ATTEMPTS,
        address_limit: int = ADDRESS_ATTEMPTS,
        window_s: float = WINDOW_S,
        most_pairs: int = MOST_PAIRS,
        most_waiting: int = MOST_WAITING,
        wait_s: float = WAIT_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._limit = ("login_attempts", limit)
        self._address_limit = ("address_login_attempts", address_limit)
        self._site_limit = ("site_login_attempts", NETWORKS_OF_A_SITE * address_limit)
        self._window_s = window_s
        self._most_pairs = most_pairs
        self._most_waiting = most_waiting
        self._wait_s = wait_s
        self._clock = clock
        self._pairs: OrderedDict[bytes, _Pair] = OrderedDict()
        self._queues: dict[str, _Queue] = {}

    def __len__(self) -> int:
        """Return the number of pairs that are kept."""
        return len(self._pairs)

    def attempt(self, username: str, address: str) -> AbstractAsyncContextManager[Attempt]:
        """Enclose the check of a password. ``InvalidCredentials`` in the block counts as a failure.

        So does a cancellation once the attempt ``has_begun``. Raises ``TooManyAttempts``, also for names that do not
        exist. Concurrent attempts wait once failures plus attempts in flight reach a limit, so that sending many at
        once gains nothing and right passwords still pass.
        """
        of_name = {_key(network_of(address), username): self._limit}
        return self._attempt(of_name | self._of_address(address, b"all"), site_of(address))

    def attempt_with_key(self, address: str) -> AbstractAsyncContextManager[Attempt]:
        """Enclose the check of a personal key. ``Unauthenticated`` in the block counts as a failure.

        Failures are counted by address, apart from those of passwords. Raises ``TooManyAttempts``.
        """
        return self._attempt(self._of_address(address, b"key"), site_of(address))

    def _of_address(self, address: str, kind: bytes) -> dict[bytes, tuple[str, int]]:
        network, site = network_of(address), site_of(address)
        limits = {_key(network, kind=kind): self._address_limit}
        return limits if site == network else {**limits, _key(site, kind=kind): self._site_limit}

    @asynccontextmanager
    async def _attempt(self, limits: _Limits, site: str) -> AsyncIterator[Attempt]:
        if not self._may_start(limits):
            await self._turn(limits, site)
        pairs = {key: self._pairs.setdefault(key, _Pair(limit)) for key, limit in limits.items()}
        for pair in pairs.values():
            pair.in_flight += 1
        attempt, failed = Attempt(), False
        try:
            yield attempt
        except (InvalidCredentials, Unauthenticated):
            failed = True
            raise
        except asyncio.CancelledError:
            failed = attempt.has_begun
            raise
        finally:
            for key, pair in pairs.items():
                self._ended(key, pair, failed=failed)
            self._forget()
            self._wake(site)

    async def _turn(self, limits: _Limits, site: str) -> None:
        """Wait until an attempt may start. Raises ``TooManyAttempts``, ``TooManyWaiting``."""
        queue = self._queues.setdefault(site, _Queue())
        if queue.waiting >= self._most_waiting:
            is_first, queue.was_full = not queue.was_full, True
            text = f"{queue.waiting} log-ins from your address are waiting already"
            raise TooManyWaiting(f"{text}; wait for their answers, then try again", self._most_waiting, is_first)
        queue.waiting += 1
        try:
            async with asyncio.timeout(self._wait_s):
                while not self._may_start(limits):
                    turn = asyncio.get_running_loop().create_future()
                    queue.asleep[turn] = None
                    try:
                        await turn
                    finally:
                        queue.asleep.pop(turn, None)
        except TimeoutError:
            is_first, queue.was_full = not queue.was_full, True
            text = f"this log-in waited {self._wait_s:g} s for others from your address; try again later"
            raise TooManyWaiting(text, self._most_waiting, is_first) from None
        finally:
            queue.waiting -= 1
            if not queue.waiting:
                del self._queues[site]

    def _wake(self, site: str) -> None:
        """Let all that wait look if they may start, the oldest first."""
        queue = self._queues.get(site)
        for turn in () if queue is None else tuple(queue.asleep):
            if not turn.done():
                turn.set_result(None)

    def _ended(self, key: bytes, pair: _Pair, *, failed: bool) -> None:
        pair.in_flight -= 1
        if failed:
            pair.failures.append(self._clock())
            self._pairs[key] = pair
            self._pairs.move_to_end(key)
        elif not pair.failures and not pair.in_flight:
            self._pairs.pop(key, None)

    def _may_start(self, limits: _Limits) -> bool:
        """Return True if an attempt has room below every limit. Raises ``TooManyAttempts`` if failures use one up."""
        room = [self._has_room(key) for key in limits]  # each may raise
        return all(room)

    def _has_room(self, key: bytes) -> bool:
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


def _key(addresses: str, username: str = "", kind: bytes = b"") -> bytes:
    """Return the key of addresses that count as one and a name, or of the addresses alone."""
    text = f"{addresses}\n{normal(username) or username[:1000]}"
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16, person=kind).digest()
