"""Large results that wait at a runner until an ingress fetches them, bounded in all and for each user."""

import asyncio
from collections import Counter
from dataclasses import dataclass
from typing import Final

from runtime.errors import Overloaded
from runtime.sandbox.host.large_result import LargeResult

KEEP_S: Final = 60.0
"""How long a result waits to be fetched."""


class KeptResults:
    """Results by run. A user has half of the room at most, unless it is for a single result.

    The last quarter is for users who have no other result here.
    """

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._kept: dict[str, _Kept] = {}
        self._by_user: Counter[str] = Counter()

    def keep(self, run_id: str, user: str, result: LargeResult) -> None:
        """Keep a result until it is taken, for a minute at most. Raise ``Overloaded`` if there is no room."""
        own, length = self._by_user[user], len(result)
        if own and own + length > self._most_bytes // 2:
            text = f"{own} bytes of your results wait to be read; read them, then send the run again"
            raise Overloaded(text, retry_after_s=5)
        most = self._most_bytes - self._most_bytes // 4 if own else self._most_bytes
        if self._by_user.total() + length > most:
            text = "too many results wait to be read, and there is no room for this one; send the run again later"
            raise Overloaded(text, retry_after_s=5)
        forgetting = asyncio.get_running_loop().call_later(KEEP_S, self.take, run_id)
        self._kept[run_id] = _Kept(user, result, forgetting)
        self._by_user[user] += length

    def take(self, run_id: str) -> LargeResult | None:
        """Take out a result; None if it is not here, or not any more."""
        kept = self._kept.pop(run_id, None)
        if kept is None:
            return None
        kept.forgetting.cancel()
        self._by_user[kept.user] -= len(kept.result)
        if not self._by_user[kept.user]:
            del self._by_user[kept.user]
        return kept.result


@dataclass(frozen=True, slots=True)
class _Kept:
    user: str
    result: LargeResult
    forgetting: asyncio.TimerHandle
