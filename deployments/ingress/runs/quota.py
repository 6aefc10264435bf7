"""Limits how many runs a user may have at a time, and how many they may start within a minute.

Each ingress replica counts by itself.
"""

import time
from collections import Counter, deque
from collections.abc import Callable
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
        self._swept = clock()

    def run_of(self, user_id: int) -> "_Run":
        """Count one run from now until the end of a block. Raise ``TooManyRequests``."""
        running = self._runs[user_id]
        if running >= self._at_once:
            text = f"you already have {_runs(running)} running or queued, which is your limit; wait for one to end"
            raise TooManyRequests(text, limit_name="user_runs", limit=self._at_once, observed=running, retry_after_s=1)
        if self._per_minute is not None:
            self._count_start(user_id, self._per_minute)
        self._runs[user_id] += 1
        return _Run(self._runs, user_id)

    def _count_start(self, user_id: int, most: int) -> None:
        now = self._clock()
        if now >= self._swept + MINUTE_S:
            self._sweep(now)
        starts = self._starts.setdefault(user_id, deque())
        while starts and starts[0] <= now - MINUTE_S:
            starts.popleft()
        if len(starts) >= most:
            wait_s = int(starts[0] + MINUTE_S - now) + 1
            text = f"you started {_runs(len(starts))} within a minute, which is your limit; try again in {wait_s} s"
            raise TooManyRequests(
                text, limit_name="user_runs_per_minute", limit=most, observed=len(starts), retry_after_s=wait_s
            )
        starts.append(now)

    def _sweep(self, now: float) -> None:
        """Forget the users who started no run within the last minute."""
        self._swept = now
        self._starts = {user: starts for user, starts in self._starts.items() if starts[-1] > now - MINUTE_S}


class _Run:
    """A run that counts. It is no generator, because every run has one."""

    __slots__ = ("_runs", "_user_id")

    def __init__(self, runs: Counter[int], user_id: int) -> None:
        self._runs = runs
        self._user_id = user_id

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        self._runs[self._user_id] -= 1
        if not self._runs[self._user_id]:
            del self._runs[self._user_id]


def _runs(count: int) -> str:
    return "1 run" if count == 1 else f"{count} runs"
