"""Rows that no request waits for: gathered, and written together by one thread.

    writer = BatchedWriter(catalog, "audit", store=insert_lines)
    writer.put({"action": "log_in", ...})      # never waits
    writer.close()

A row is on disk about 50 ms after ``put``; a process killed in between loses it. What the database does not take
while it is away waits, in order, up to a bound.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, Final  # Any: rows as SQLAlchemy takes them

from sqlalchemy import Connection

from catalog.engine import Catalog
from catalog.errors import CatalogError

log = logging.getLogger("graphside.catalog")

PERIOD_S: Final = 0.05
RETRY_S: Final = 1.0
MOST_WAITING: Final = 20_000
"""Rows that wait while the catalog does not answer. Those beyond go to ``lost``."""

_BATCH: Final = 500

Row = dict[str, Any]


class BatchedWriter:
    """One thread over one catalog. Threads may share it; each process has its own.

    ``store`` writes a batch within one transaction (``Catalog.append``). ``lost`` is told of rows that could not be
    written: too many waited, the database refused them, or it was away at the end.
    """

    def __init__(
        self,
        catalog: Catalog,
        name: str,
        store: Callable[[Connection, list[Row]], None],
        lost: Callable[[Iterable[Row]], None],
        period_s: float = PERIOD_S,
        most_waiting: int = MOST_WAITING,
    ) -> None:
        self._catalog = catalog
        self._name = name
        self._write = store
        self._lost = lost
        self._period_s = period_s
        self._most_waiting = most_waiting
        self._waiting: deque[Row] = deque()
        self._changed = threading.Condition()
        self._put = self._settled = 0  # rows so far
        self._closing = False
        self._thread: threading.Thread | None = None

    def put(self, row: Row) -> None:
        """Has a row written soon. Raises ``RuntimeError`` after ``close``."""
        with self._changed:
            if self._closing:
                raise RuntimeError(f"the {self._name} writer is closed")
            if len(self._waiting) >= self._most_waiting:
                self._lost([row])
                return
            self._waiting.append(row)
            self._put += 1
            if self._thread is None:
                self._thread = threading.Thread(target=self._write_until_closed, name=self._name, daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def flush(self, timeout_s: float = 10) -> bool:
        """Waits until all rows so far are on disk; False where that took too long."""
        with self._changed:
            until = self._put
            return self._changed.wait_for(lambda: self._settled >= until, timeout_s)

    def close(self, timeout_s: float = 10) -> None:
        """Writes what waits and ends the thread."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(timeout_s)
        if self._waiting:
            self._lost(self._waiting)

    def _write_until_closed(self) -> None:
        pause_s = self._period_s
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closing)
                if not self._waiting:
                    return
                if not self._closing:
                    self._changed.wait_for(lambda: self._closing, pause_s)  # let rows gather
                batch = [self._waiting.popleft() for _ in range(min(_BATCH, len(self._waiting)))]
            stored = self._stored(batch)
            with self._changed:
                if stored:
                    self._settled += len(batch)
                else:
                    self._waiting.extendleft(reversed(batch))
                pause_s = self._period_s if stored else RETRY_S
                self._changed.notify_all()
                if not stored and self._closing:
                    return

    def _stored(self, batch: list[Row]) -> bool:
        """Whether these rows need no further care."""
        started = time.monotonic()
        try:
            with self._catalog.append() as connection:
                self._write(connection, batch)
        except CatalogError as error:
            took_s = time.monotonic() - started
            log.error("%s.not_stored rows=%d after_s=%.1f: %s", self._name, len(batch), took_s, error)
            return False
        except Exception:  # the thread's boundary: a batch that no database takes must not end the writer
            log.exception("%s.batch_refused rows=%d", self._name, len(batch))
            self._lost(batch)
        return True
