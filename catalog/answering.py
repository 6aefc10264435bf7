"""A connection to PostgreSQL whose server has to answer.

A server whose process has stopped, or a proxy that is stuck, acknowledges bytes and never answers. TCP sees nothing
wrong with that, and the server's own ``statement_timeout`` does not run.
"""

from typing import Any

import psycopg
from psycopg.errors import OperationalError

ANSWER_S = 35.0
"""Longer than a statement may take."""


class AnsweringConnection(psycopg.Connection[Any]):
    """Ends itself, with an ``OperationalError``, if the server does not answer within ``answer_s`` (None: no limit)."""

    answer_s: float | None = None

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:  # Any: what psycopg waits for
        """Wait for one answer of the server."""
        try:
            return super().wait(gen, interval, self.answer_s if timeout is None else timeout)
        except OperationalError:
            if self.pgconn.transaction_status == psycopg.pq.TransactionStatus.ACTIVE:
                self.pgconn.finish()  # an answer may still come, and would be taken for that of the next statement
            raise


def connect(*arguments: Any, **parameters: Any) -> AnsweringConnection:
    """Connect as ``psycopg.connect`` does."""
    connection = AnsweringConnection.connect(*arguments, **parameters)
    connection.answer_s = ANSWER_S
    return connection
