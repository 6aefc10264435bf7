"""How many runs a user may have running or queued in one ingress replica."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from deployments.errors import TooManyRequests


class RunQuota:
    """Counts the runs of each user."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._runs: Counter[int] = Counter()

    @contextmanager
    def run_of(self, user_id: int) -> Iterator[None]:
        """Count one run for as long as the block lasts. Raises ``TooManyRequests``."""
        running = self._runs[user_id]
        if running >= self._limit:
            text = f"you have {running} runs running or queued, as many as you may; wait for one to end"
            raise TooManyRequests(text, limit=self._limit, observed=running, retry_after_s=1)
        self._runs[user_id] += 1
        try:
            yield
        finally:
            self._runs[user_id] -= 1
            if not self._runs[user_id]:
                del self._runs[user_id]
