"""Rows that no request waits for. One thread gathers them and writes them together.

    writer = BatchedWriter(catalog, "audit", store=insert_lines)
    writer.put({"action": "log_in", ...})      # never waits
    writer.close()

A row is on disk about 0.2 s after ``put``, or at once if a caller waits for it (``flush``). A process that is killed in
between loses the row. While the database is away, rows wait in order, up to a bound.

``put`` runs on an event loop, many times a second. So it wakes the thread only if the thread has nothing to do. It does
not wake a thread that gathers rows, because that would take the interpreter away from the loop.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Final, Generic, TypeVar

from sqlalchemy import Connection

from catalog.engine import Catalog
from catalog.errors import CatalogError

log = logging.getLogger("graphside.catalog")

PERIOD_S: Final = 0.2
"""Seconds between batches: a few a second, because a transaction costs as much CPU as the rows of a dozen runs."""

RETRY_S: Final = 1.0
MOST_WAITING: Final = 20_000
"""Rows that may wait while the catalog does not answer. Any more go to ``lost``."""

MOST_WAITING_BYTES: Final = 64 * 1024**2
"""The same for the bytes of rows that tell their size."""

_BATCH: Final = 500

RowT = TypeVar("RowT")


class BatchedWriter(Generic[RowT]):
    """One writer thread for one catalog. Threads may share it; each process has its own.

    ``store`` writes a batch within one transaction (``Catalog.append``). ``lost`` is told of rows that could not be
    written: too many waited, the database refused them, or it was away at the end. Rows that tell their size may wait
    up to ``most_bytes``.
    """

    def __init__(
        self,
        catalog: Catalog,
        name: str,
        store: Callable[[Connection, list[RowT]], None],
        lost: Callable[[Iterable[RowT]], None],
        period_s: float = PERIOD_S,
        most_waiting: int = MOST_WAITING,
        most_bytes: int = MOST_WAITING_BYTES,
    ) -> None:
        self._catalog = catalog
        self._name = name
        self._write = store
        self._lost = lost
        self._period_s = period_s
        self._most_waiting = most_waiting
        self._most_bytes = most_bytes
        self._waiting_bytes = 0
        self._waiting: deque[tuple[RowT, int]] = deque()
        self._lock = lock = threading.Lock()
        self._is_idle = False
        self._work = threading.Condition(lock)  # the thread has nothing to do
        self._hurry = threading.Condition(lock)  # the thread lets rows gather
        self._written = threading.Condition(lock)  # callers of ``flush``
        self._put = self._settled = self._wanted = 0  # rows so far, and how many of them a caller waits for
        self._closing = False
        self._thread: threading.Thread | None = None

    def put(self, row: RowT, size: int = 0) -> None:
        """Write a row soon. ``size``: its bytes, if it can be large. Raises ``RuntimeError`` after ``close``."""
        with self._lock:
            if self._closing:
                raise RuntimeError(f"the {self._name} writer is closed")
            if len(self._waiting) >= self._most_waiting or self._waiting_bytes + size > self._most_bytes:
                self._lost([row])
                return
            self._waiting.append((row, size))
            self._waiting_bytes += size
            self._put += 1
            if self._thread is None:
                self._thread = threading.Thread(target=self._write_until_closed, name=self._name, daemon=True)
                self._thread.start()
            elif self._is_idle:
                self._is_idle = False
                self._work.notify()

    def flush(self, timeout_s: float = 10) -> bool:
        """Wait until all rows so far are on disk. Return False if that takes too long."""
        with self._lock:
            until = self._wanted = self._put
            self._hurry.notify()
            return self._written.wait_for(lambda: self._settled >= until, timeout_s)

    def close(self, timeout_s: float = 10) -> None:
        """Write the waiting rows and end the thread."""
        with self._lock:
            self._closing = True
            self._work.notify()
            self._hurry.notify()
        if self._thread is not None:
            self._thread.join(timeout_s)
        if self._waiting:
            self._lost([row for row, _ in self._waiting])

    def _write_until_closed(self) -> None:
        stored = True
        while True:
            with self._lock:
                while not self._waiting and not self._closing:
                    self._is_idle = True
                    self._work.wait()
                if not self._waiting:
                    return
                if stored:
                    self._hurry.wait_for(self._has_gathered, self._period_s)
                else:
                    self._hurry.wait_for(lambda: self._closing, RETRY_S)
                batch = [self._waiting.popleft() for _ in range(min(_BATCH, len(self._waiting)))]
                batch_bytes = sum(size for _, size in batch)
                self._waiting_bytes -= batch_bytes
            stored = self._stored([row for row, _ in batch])
            with self._lock:
                if stored:
                    self._settled += len(batch)
                    self._written.notify_all()
                else:
                    self._waiting.extendleft(reversed(batch))
                    self._waiting_bytes += batch_bytes
                    if self._closing:
                        return

    def _has_gathered(self) -> bool:
        """Return whether a batch should be written now."""
        return self._closing or self._wanted > self._settled or len(self._waiting) >= _BATCH

    def _stored(self, batch: list[RowT]) -> bool:
        """Write rows. Return whether they are done with."""
        started = time.monotonic()
        try:
            with self._catalog.append() as connection:
                self._write(connection, batch)
        except CatalogError as error:
            took_s = time.monotonic() - started
            log.error("%s.not_stored rows=%d after_s=%.1f: %s", self._name, len(batch), took_s, error)
            return False
        except Exception:  # the thread's boundary: a batch that the database refuses must not end the writer
            log.exception("%s.batch_refused rows=%d", self._name, len(batch))
            self._lost(batch)
        return True
