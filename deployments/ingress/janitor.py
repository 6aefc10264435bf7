"""Chores in the background: delete garbage, leftovers of dead uploads, and old rows.

Every ingress replica has a janitor. Several do no harm, because a chore that was just done finds nothing to do.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Final

from deployments.ingress.services import Services
from runtime.datasets.store.sweep import forget_unreferenced, sweep

log = logging.getLogger("graphside.janitor")

HOUR_S: Final = 3600.0
MINUTE_S: Final = 60.0

GRACE: Final = timedelta(hours=1)
"""A table is stored before its row is written. Younger bytes may belong to an upload in flight."""

INCOMING_KEPT_S: Final = 24 * HOUR_S
JITTER: Final = 0.2


@dataclass(frozen=True, slots=True)
class Chore:
    """A chore. ``do`` is called in a thread and returns how many things it removed, or an awaitable of that."""

    name: str
    period_s: float
    do: Callable[[], int] | Callable[[], Awaitable[int]]


class Janitor:
    """Repeats chores, each with its own period."""

    def __init__(self, chores: Sequence[Chore]) -> None:
        self._chores = chores
        self._rounds: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Start in the running loop."""
        self._rounds = [asyncio.create_task(self._repeat(chore)) for chore in self._chores]

    async def stop(self) -> None:
        """Start no more chores. A chore that is running goes on in its thread."""
        for task in self._rounds:
            task.cancel()
        await asyncio.gather(*self._rounds, return_exceptions=True)

    async def _repeat(self, chore: Chore) -> None:
        # Replicas start together, so the first time is random within the period, and later times drift apart.
        await asyncio.sleep(chore.period_s * random.random())  # noqa: S311  (spreads load, guards nothing)
        while True:
            await self._do(chore)
            await asyncio.sleep(chore.period_s * random.uniform(1 - JITTER, 1 + JITTER))  # noqa: S311

    async def _do(self, chore: Chore) -> None:
        try:
            count = await done(chore.do)
        except Exception:  # a boundary: the chore is repeated anyway, and nobody waits for it
            log.exception("chore.failed chore=%s", chore.name)
            return
        if count:
            log.info("chore.done chore=%s count=%d", chore.name, count)


def chores(services: Services) -> list[Chore]:
    """Return the chores of one ingress."""
    store, datasets = services.store, services.datasets
    return [
        Chore("unreferenced tables", HOUR_S / 6, lambda: forget_unreferenced(store, datasets)),
        Chore("orphan bytes", HOUR_S, lambda: _sweep(services)),
        Chore("dead uploads", HOUR_S, lambda: store.forget_incoming(INCOMING_KEPT_S)),
        Chore("copies on this node", HOUR_S, store.tidy),
        Chore("ended log-ins", HOUR_S, services.credentials.forget_expired),
        Chore("counted refusals", MINUTE_S, services.audit.tell_left_out),
        Chore("expired datasets", MINUTE_S, partial(_expire, services)),
        Chore("old receipts", HOUR_S / 6, lambda: services.receipts.forget(_ago(services.settings.run_retention_s))),
        Chore("lost runs", HOUR_S / 6, lambda: services.receipts.interrupt(_ago(_longest_run_s(services)))),
    ]


async def done(do: Callable[[], int] | Callable[[], Awaitable[int]]) -> int:
    """Do a chore and return its result."""
    result: int | Awaitable[int] = await asyncio.to_thread(do)
    return result if isinstance(result, int) else await result


async def _expire(services: Services) -> int:
    """Delete expired datasets, and evict them from the runners."""
    expired = await services.write(services.datasets.expire, datetime.now(UTC))
    if expired:
        services.snapshot.forget()
        for dataset_id in expired:
            services.audit.append(None, "", "dataset.expire", f"dataset:{dataset_id}")
            await services.runners.evict(dataset_id)
        await services.collect_garbage()
    return len(expired)


def _longest_run_s(services: Services) -> float:
    """Return a time longer than any run can take: a run that has not ended by then has lost its server."""
    return 2 * services.settings.maximum.timeout_s + HOUR_S


def _ago(seconds: float) -> datetime:
    return datetime.now(UTC) - timedelta(seconds=seconds)


def _sweep(services: Services) -> int:
    return sweep(services.store, services.datasets, services.catalog.identity(), datetime.now(UTC) - GRACE)
