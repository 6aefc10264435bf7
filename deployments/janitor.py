"""Chores that nobody waits for: garbage, leftovers of dead uploads, rows past their time.

Every ingress replica has a janitor. Several do no harm: each chore finds less to do after another one's.
"""

import asyncio
import logging
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from deployments.services import Services
from runtime.datasets.sweep import forget_unreferenced, sweep

log = logging.getLogger("graphside.janitor")

HOUR_S: Final = 3600.0

GRACE: Final = timedelta(hours=1)
"""A table is stored before its row is written. Bytes younger than this may be of an upload in flight."""

INCOMING_KEPT_S: Final = 24 * HOUR_S
JITTER: Final = 0.2


@dataclass(frozen=True, slots=True)
class Chore:
    """``do`` blocks, is called in a thread, and returns how many things went."""

    name: str
    period_s: float
    do: Callable[[], int]


class Janitor:
    """Does chores over and over, each in its own time."""

    def __init__(self, chores: Sequence[Chore]) -> None:
        self._chores = chores
        self._rounds: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin, in the running loop."""
        self._rounds = [asyncio.create_task(self._repeat(chore)) for chore in self._chores]

    async def stop(self) -> None:
        """Begin no chore any more. One that is being done goes on in its thread."""
        for task in self._rounds:
            task.cancel()
        await asyncio.gather(*self._rounds, return_exceptions=True)

    async def _repeat(self, chore: Chore) -> None:
        # Replicas start together: the first time is anywhere within the period, and later ones drift apart.
        await asyncio.sleep(chore.period_s * random.random())  # noqa: S311  (spreads load, guards nothing)
        while True:
            await self._do(chore)
            await asyncio.sleep(chore.period_s * random.uniform(1 - JITTER, 1 + JITTER))  # noqa: S311

    async def _do(self, chore: Chore) -> None:
        try:
            count = await asyncio.to_thread(chore.do)
        except Exception:  # a boundary: whatever it was, it is tried again, and nobody waits for it
            log.exception("chore.failed chore=%s", chore.name)
            return
        if count:
            log.info("chore.done chore=%s count=%d", chore.name, count)


def chores(services: Services) -> list[Chore]:
    """What there is to do in one ingress."""
    store, datasets = services.store, services.datasets
    return [
        Chore("unreferenced tables", HOUR_S / 6, lambda: forget_unreferenced(store, datasets)),
        Chore("orphan bytes", HOUR_S, lambda: _sweep(services)),
        Chore("dead uploads", HOUR_S, lambda: store.forget_incoming(INCOMING_KEPT_S)),
        Chore("copies on this node", HOUR_S, store.tidy),
        Chore("ended log-ins", HOUR_S, services.credentials.revocations.forget_expired),
    ]


def _sweep(services: Services) -> int:
    return sweep(services.store, services.datasets, services.catalog.identity(), datetime.now(UTC) - GRACE)
