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

log = logging.getLogger("graphside.catalog")

POLL_S: Final = 1.0
MOST_ENTRIES: Final = 50_000
MOST_BYTES: Final = 32 * 1024 * 1024
"""The most bytes of remembered answers that tell their size. As objects they take several times as much memory."""

T = TypeVar("T")


class Snapshot:
    """Answers of one version of the catalog, by key."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._version: int | None = None
        self._answers: dict[Hashable, Any] = {}
        self._bytes = 0
        self._poller: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start to watch the version, in the running loop."""
        self._poller = asyncio.create_task(self._poll())

    def forget(self) -> None:
        """Forget everything: this process has just written."""
        self._answers = {}
        self._bytes = 0

    async def get(self, key: Hashable, ask: Callable[[], T], size: Callable[[T], int] | None = None) -> T:
        """Return the remembered answer for ``key``, else call ``ask`` in a thread. Exceptions are not remembered.

        ``size`` tells the bytes of an answer that can be long.
        """
        answers = self._answers
        if key in answers:
            return cast(T, answers[key])
        answer = await asyncio.to_thread(ask)
        self._bytes += 0 if size is None else size(answer)
        if len(answers) >= MOST_ENTRIES or self._bytes > MOST_BYTES:
            answers.clear()
            self._bytes = 0
        answers[key] = answer  # into the dict from before: if it was forgotten meanwhile, so is this answer
        return answer

    async def _poll(self) -> None:
        while True:
            try:
                version = await asyncio.to_thread(self._catalog.version)
                if version != self._version:
                    self._version = version
                    self.forget()
            except Exception:
                # Without a catalog, remembered answers may be wrong.
                log.exception("catalog.version_unread")
                self.forget()
            await asyncio.sleep(POLL_S)
