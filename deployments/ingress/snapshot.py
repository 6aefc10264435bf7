"""Answers of the catalog that an ingress remembers between requests, until the catalog changes.

Every committed write changes the catalog's version. Each ingress asks for the version once a second and forgets
everything when it has changed. So a change made anywhere holds everywhere within a second or two, and a warm request
does not ask the database.
"""

import asyncio
import logging
from collections.abc import Callable, Hashable
from typing import Any, Final, TypeVar, cast

from catalog.engine import Catalog
from deployments.ingress.threads import Threads

log = logging.getLogger("graphside.catalog")

POLL_S: Final = 1.0
ANSWER_S: Final = 5.0
"""A catalog that does not say within this time whether it has changed may have changed."""

MOST_ENTRIES: Final = 50_000
MOST_BYTES: Final = 32 * 1024 * 1024
"""The most bytes of remembered answers that tell their size. As objects they take several times as much memory."""

T = TypeVar("T")


class Snapshot:
    """Answers of one version of the catalog, by key."""

    def __init__(self, catalog: Catalog, threads: Threads) -> None:
        self._catalog = catalog
        self._threads = threads
        self._version: int | None = None
        self._answers: dict[Hashable, Any] = {}
        self._sizes: dict[Hashable, int] = {}
        self._bytes = 0
        self._poller: asyncio.Task[None] | None = None
        self._tell: list[Callable[[], None]] = []

    def start(self) -> None:
        """Start to watch the version, in the running loop."""
        self._poller = asyncio.create_task(self._poll())

    def close(self) -> None:
        """Stop to watch."""
        if self._poller is not None:
            self._poller.cancel()

    def forget(self) -> None:
        """Forget everything: this process has just written."""
        self._answers = {}
        self._sizes = {}
        self._bytes = 0
        for tell in self._tell:
            tell()

    def when_forgotten(self, tell: Callable[[], None]) -> None:
        """Call this whenever the catalog may have changed."""
        self._tell.append(tell)

    async def get(self, key: Hashable, ask: Callable[[], T], size: Callable[[T], int] | None = None) -> T:
        """Return the remembered answer for ``key``, else call ``ask`` in a thread. Exceptions are not remembered.

        ``size`` tells the bytes of an answer that can be long. Where these are too many together, the oldest go.
        """
        answers, sizes = self._answers, self._sizes
        if key in answers:
            return cast(T, answers[key])
        answer = await self._threads.catalog.call(ask)
        if answers is not self._answers or key in answers:
            return answer  # it may be old already, or another call remembered it
        if len(answers) >= MOST_ENTRIES:
            answers.clear()
            sizes.clear()
            self._bytes = 0
        answers[key] = answer
        if size is not None:
            sizes[key] = size(answer)
            self._bytes += sizes[key]
            while self._bytes > MOST_BYTES:
                oldest = next(iter(sizes))
                self._bytes -= sizes.pop(oldest)
                del answers[oldest]
        return answer

    async def _poll(self) -> None:
        while True:
            try:
                async with asyncio.timeout(ANSWER_S):
                    version = await self._threads.watch.call(self._catalog.version)
                if version != self._version:
                    self._version = version
                    self.forget()
            except Exception:
                # Without a catalog, remembered answers may be wrong.
                log.exception("catalog.version_unread")
                self.forget()
            await asyncio.sleep(POLL_S)
