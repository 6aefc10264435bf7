"""How many runs a user may have: running or queued at a time, and started within a minute.

Each ingress replica counts its own.
"""

import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Final

from deployments.ingress.errors import TooManyRequests

MINUTE_S: Final = 60.0


class RunQuota:
    """Counts the runs of each user. ``per_minute`` None: any number."""

    def __init__(
        self, at_once: int, per_minute: int | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._at_once = at_once
        self._per_minute = per_minute
        self._clock = clock
        self._runs: Counter[int] = Counter()
        self._starts: dict[int, deque[float]] = {}

    @contextmanager
    def run_of(self, user_id: int) -> Iterator[None]:
        """Count one run for as long as the block lasts. Raises ``TooManyRequests``."""
        running = self._runs[user_id]
        if running >= self._at_once:
            text = f"you have {running} runs running or queued, as many as you may; wait for one to end"
            raise TooManyRequests(text, limit_name="user_runs", limit=self._at_once, observed=running, retry_after_s=1)
        if self._per_minute is not None:
            self._count_start(user_id, self._per_minute)
        self._runs[user_id] += 1
        try:
            yield
        finally:
            self._runs[user_id] -= 1
            if not self._runs[user_id]:
                del self._runs[user_id]

    def _count_start(self, user_id: int, most: int) -> None:
        now = self._clock()
        # Oldest first: two of them each time, so that users who left are forgotten.
        for known in [user_id, *islice(self._starts, 2)]:
            known_starts = self._starts.get(known)
            while known_starts and known_starts[0] <= now - MINUTE_S:
                known_starts.popleft()
            if not known_starts:
                self._starts.pop(known, None)
        starts = self._starts[user_id] = self._starts.pop(user_id, deque())
        if len(starts) >= most:
            wait_s = int(starts[0] + MINUTE_S - now) + 1
            text = f"you started {len(starts)} runs within a minute, as many as you may; try again in {wait_s} s"
            raise TooManyRequests(
                text, limit_name="user_runs_per_minute", limit=most, observed=len(starts), retry_after_s=wait_s
            )
        starts.append(now)
