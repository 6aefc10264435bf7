"""What an ingress remembers of the catalog between requests, and how it learns that the catalog has changed.

Every committed write moves the catalog's version; each ingress asks for it once a second and forgets everything when it
moved. So a change made anywhere holds everywhere within a second or two, and a warm request asks the database nothing.
"""

import asyncio
import logging
from collections.abc import Callable, Hashable
from typing import Any, Final, TypeVar, cast

from catalog.engine import Catalog

log = logging.getLogger("graphside.catalog")

POLL_S: Final = 1.0
MOST_ENTRIES: Final = 50_000

T = TypeVar("T")


class Snapshot:
    """Answers of the catalog by key, as of one version of it."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._version: int | None = None
        self._answers: dict[Hashable, Any] = {}
        self._poller: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to watch the version, in the running loop."""
        self._poller = asyncio.create_task(self._poll())

    def forget(self) -> None:
        """Forget everything: this process has just written."""
        self._answers = {}

    async def get(self, key: Hashable, ask: Callable[[], T]) -> T:
        """The remembered answer for ``key``, else ``ask()`` in a thread. Exceptions are not remembered."""
        answers = self._answers
        if key in answers:
            return cast(T, answers[key])
        answer = await asyncio.to_thread(ask)
        if len(answers) >= MOST_ENTRIES:
            answers.clear()
        answers[key] = answer  # into the dict of before: if that was forgotten meanwhile, so is this
        return answer

    async def _poll(self) -> None:
        while True:
            try:
                version = await asyncio.to_thread(self._catalog.version)
                if version != self._version:
                    self._version = version
                    self.forget()
            except Exception:
                # Without a catalog nothing remembered may be trusted for long.
                log.exception("catalog.version_unread")
                self.forget()
            await asyncio.sleep(POLL_S)
